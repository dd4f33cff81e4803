"""For each table of two models, which rows move where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_initlab.tables.carrying.lookups import Lookups
from keras_initlab.tables.carrying.pairs import Table, Tables
from keras_initlab.tables.carrying.vocabularies import Vocabulary, vocabulary_of
from keras_initlab.tables.tokens import SPARE, sources_of

__all__ = ["Rows", "RowsOf"]


@dataclass(frozen=True)
class Rows:
    """The rows of a table before and now.

    Args:
        table: The new table.
        sources: Integers `(new rows,)`: the old row of each new one, or `NEW`.
        oov: Old rows of unknown tokens.
        source: Where the tokens come from, for a reader.
    """

    table: Table
    sources: np.ndarray
    oov: tuple[int, ...]
    source: str


class RowsOf:
    """Finds the rows of tables of two models, and collects what is not certain.

    Args:
        old: A built model.
        new: Another, or the same.
        given: By table, the vocabularies that the user names.

    Raises:
        ValueError: If no table has one of the names.
    """

    def __init__(self, old: Any, new: Any, given: Mapping[str, Any]):
        self._models = (old, new)
        self._tables = (Tables(old), Tables(new))
        self._lookups = (Lookups(old), Lookups(new))
        self._given: dict[int, Any] = {}
        self._doubts: list[str] = []
        self._lines: list[str] = []
        for key, spec in given.items():
            table = self._tables[1].named(key)
            if table is None:
                raise ValueError(
                    "`vocabularies` names tables by the names of their layers, or weights by their "
                    f"paths. Received: {key!r}. Tables of {new.name!r} are "
                    f"{', '.join(map(repr, self._tables[1].names())) or 'none'}."
                )
            self._given[id(table.variable)] = (table, spec)

    def of(self, new: Any, old: Any) -> Rows | None:
        """The rows of a weight, or `None` if it is not a table or its rows are not certain.

        Args:
            new: A weight of the new model.
            old: The same weight of the old one.

        Raises:
            ValueError: If the vocabularies cannot be of these tables.
        """
        table, spec = self._given.get(id(new), (self._tables[1].of(new), None))
        if table is None:
            return None
        if spec is None and self._models[0] is self._models[1]:
            return Rows(table, np.arange(table.rows), (), "the same table")
        before = self._tables[0].of(old) or Table(None, old, table.name)
        pair = self._found(before, table) if spec is None else self._named(spec, table)
        return None if pair is None else _rows(before, table, *pair)

    def check_certain(self) -> None:
        """Check that the tokens of all tables were found.

        Raises:
            ValueError: If not, with what to write.
        """
        if self._doubts:
            raise ValueError(
                "Rows move by token, and these tables do not show which token a row stands for:\n"
                + "\n".join(self._doubts)
                + "\nTry carry_over(old, new, vocabularies={\n"
                + "\n".join(self._lines)
                + "\n}), with the name of a lookup in both models, or a pair for the old and the "
                "new model: lookups, or lists with the token of each row."
            )

    def _found(self, before: Table, table: Table) -> tuple[Vocabulary, Vocabulary] | None:
        """The vocabularies that the graphs show."""
        ids = [
            lookups.ids_of(one.layer)
            for lookups, one in zip(self._lookups, (before, table), strict=True)
        ]
        if ids[0].vocabulary is None or ids[1].vocabulary is None:
            doubts = dict.fromkeys(found.doubt for found in ids if found.doubt)
            self._ask(before, table, "; ".join(doubts))
            return None
        return ids[0].vocabulary, ids[1].vocabulary

    def _ask(self, before: Table, table: Table, doubt: str) -> None:
        names = [name for name in self._lookups[1].all if name in self._lookups[0].all]
        others = [list(lookups.all) for lookups in self._lookups]
        shown = f"lookups {', '.join(map(repr, names))}" if names else "none in both models"
        if not names and all(others):
            shown = f"lookups {others[0]} of the old model, {others[1]} of the new one"
        self._doubts.append(
            f"  {table.name!r}, {before.rows} rows before and {table.rows} now: {doubt}. "
            f"Candidates: {shown}."
        )
        line = f"{names[0]!r}," if names else "(old_tokens, new_tokens),"
        whole = f"(range({before.rows}), range({table.rows}))"
        self._lines.append(
            f"    {table.name!r}: {line}  # {whole} if row i means the same as before"
        )

    def _named(self, spec: Any, table: Table) -> tuple[Vocabulary, Vocabulary]:
        """The vocabularies that the user gives: a pair, or one that stands for both."""
        pair = spec if isinstance(spec, tuple) and len(spec) == 2 else (spec, spec)
        argument = f"vocabularies[{table.name!r}]"
        found = [
            vocabulary_of(_resolved(one, lookups.all, argument), argument)
            for one, lookups in zip(pair, self._lookups, strict=True)
        ]
        return found[0], found[1]


def _resolved(spec: Any, lookups: Mapping[str, Any], argument: str) -> Any:
    if not isinstance(spec, str):
        return spec
    if spec not in lookups:
        raise ValueError(
            f"`{argument}` must name a lookup of the model. Received: {spec!r}. The model holds "
            f"{', '.join(map(repr, lookups)) or 'none'}. Try the lookup itself, or a list with the "
            "token of each row."
        )
    return lookups[spec]


def _rows(before: Table, table: Table, old: Vocabulary, new: Vocabulary) -> Rows:
    old.check_comparable(new, table.name)
    tokens: list[Sequence[Any]] = []
    for vocabulary, one, when in ((old, before, "old"), (new, table, "new")):
        if len(vocabulary.tokens) > one.rows:
            raise ValueError(
                f"A table needs a row for each token. Received: the {when} table {table.name!r} of "
                f"{one.rows} rows, {len(vocabulary.tokens)} tokens of {vocabulary.source}. Try "
                f"input_dim={len(vocabulary.tokens)}, or a shorter vocabulary."
            )
        missing = one.rows - len(vocabulary.tokens)
        rest = [SPARE] * missing
        tokens.append([*vocabulary.tokens, *rest] if missing else vocabulary.tokens)
    sources = sources_of(tokens[0], tokens[1], table.name)
    source = old.source if old.source == new.source else f"{old.source}, {new.source}"
    return Rows(table, sources, old.oov, source)
