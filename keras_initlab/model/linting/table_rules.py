"""The rules of tables: ids that they lack, ids that meet, and rows that training never moved."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from keras_initlab.model.linting.finding import Finding
from keras_initlab.model.linting.subject import Subject
from keras_initlab.model.linting.table_uses import TableUse
from keras_initlab.tables.carrying.lookups import Shifted
from keras_initlab.tables.carrying.vocabularies import vocabulary_of

__all__ = ["cold_rows", "cold_unknown", "id_range", "shared_rows"]

# Share of examples that may read a row that training has not touched.
_FEW = 0.01


def id_range(subject: Subject) -> Iterator[Finding]:
    """Lookups that give ids beyond the last row."""
    for use in subject.tables:
        for lookup in use.lookups:
            end = lookup.by + lookup.tokens
            if end > use.rows:
                yield _finding(
                    "id-range",
                    use,
                    f"the ids of {_named(lookup)} go up to {end - 1}, but the table has "
                    f"{use.rows} rows",
                    f"Use input_dim={end}",
                    f"input_dim={end}",
                )


def shared_rows(subject: Subject) -> Iterator[Finding]:
    """Lookups of different tokens whose ids meet in rows of one table."""
    for use in subject.tables:
        ordered = sorted(use.lookups, key=lambda lookup: lookup.by)
        for first, second in pairwise(ordered):
            common = min(first.by + first.tokens, second.by + second.tokens) - second.by
            if common > 0 and not _mean_the_same(first, second):
                yield _finding(
                    "shared-rows",
                    use,
                    f"{common} rows stand for tokens of {_named(first)} and of {_named(second)} "
                    "at once",
                    f"Add {first.by + first.tokens} to the ids of {second.lookup.name!r}, or use a "
                    "table for each lookup",
                )


def cold_unknown(subject: Subject) -> Iterator[Finding]:
    """Rows of unknown tokens that training has never moved."""
    for use in subject.tables:
        if use.cold is None or use.cold.all():
            continue
        for lookup in use.lookups:
            if not hasattr(lookup.lookup, "vocabulary_size"):
                continue
            rows = [row + lookup.by for row in vocabulary_of(lookup.lookup, "vocabularies").oov]
            cold = [row for row in rows if row < use.rows and use.cold[row]]
            if cold:
                yield _finding(
                    "cold-unknown",
                    use,
                    f"training never moved row {cold[0]}, which every unknown token of "
                    f"{lookup.lookup.name!r} reads",
                    "Replace some rare tokens by an unknown one in training, or call "
                    "fill_cold_rows after it",
                )


def cold_rows(subject: Subject) -> Iterator[Finding]:
    """Examples that read rows that training has never moved."""
    for use in subject.tables:
        if use.cold is None or use.ids is None or use.cold.all():
            continue
        read = use.cold[np.clip(use.ids, 0, use.rows - 1)]
        if getattr(use.site.layer, "mask_zero", False):
            read &= use.ids != 0
        share = float(read.any(axis=1).mean())
        if share >= _FEW:
            yield _finding(
                "cold-rows",
                use,
                f"{share:.0%} of {len(read)} examples read a row that training never moved, which "
                f"still holds its first random numbers; so do {int(use.cold.sum())} of {use.rows} "
                "rows",
                "Try fill_cold_rows(layer, ids of the training data), and score it on held-out "
                "rows",
            )


def _mean_the_same(first: Shifted, second: Shifted) -> bool:
    """Whether a row means the same for both; bins of hashes share rows on purpose."""
    if first.by != second.by:
        return False
    pair = (first.lookup, second.lookup)
    if not all(hasattr(lookup, "vocabulary_size") for lookup in pair):
        return True
    return vocabulary_of(pair[0], "first").is_same(vocabulary_of(pair[1], "second"))


def _named(lookup: Shifted) -> str:
    name = repr(lookup.lookup.name)
    return f"{name} plus {lookup.by}" if lookup.by else name


def _finding(rule: str, use: TableUse, evidence: str, fix: str, code: str = "") -> Finding:
    return Finding(rule, use.site.layer.name, (use.site.path,), evidence, fix, code=code)
