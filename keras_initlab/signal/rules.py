"""The rules that find what is wrong with a look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from keras_initlab._wire import LARGE_VARIANCE, SECTIONS, THRESHOLDS, LayerInfo, Problem
from keras_initlab.signal.causes import text_of
from keras_initlab.signal.looks import Look, Section
from keras_initlab.signal.prediction import Start

__all__ = ["Evidence", "problems_of"]

# Fewer units or examples have too little to be compared.
_FEWEST_UNITS, _FEWEST_EXAMPLES = 4, 8

_COLUMNS = {
    section: {name: k for k, name in enumerate(names)} for section, names in SECTIONS.items()
}


@dataclass(frozen=True)
class Evidence:
    """What the rules look at.

    Args:
        look: The look to judge.
        first: The first look of all, maybe the same.
        previous: The look before, `None` at the first.
        starts: What is known of the layers' weights before training, by name.
    """

    look: Look
    first: Look
    previous: Look | None
    starts: Mapping[str, Start]


@dataclass(frozen=True)
class _Finding:
    """Layers that break one rule, with the numbers."""

    rule: str
    what: str
    rows: tuple[LayerInfo, ...]
    values: tuple[float, ...]
    threshold: float


def problems_of(evidence: Evidence) -> tuple[Problem, ...]:
    """What is wrong with a look, the gravest first; all layers that break one rule together."""
    tables = _Tables(evidence)
    found: list[_Finding] = []
    for rule in _RULES:
        found += rule(tables)
    return tuple(_problem(finding, evidence) for finding in found)


def _problem(finding: _Finding, evidence: Evidence) -> Problem:
    names = tuple(row.name for row in finding.rows)
    problem = Problem(
        finding.rule,
        finding.what,
        names,
        evidence.look.step,
        finding.values[-1] if finding.rule in ("vanishing", "exploding") else finding.values[0],
        finding.threshold,
        "",
    )
    return text_of(problem, finding.rows, evidence.look, evidence.starts)


@dataclass(frozen=True, eq=False)
class _Layout:
    """What the rows of a table are, as arrays.

    Args:
        rows: The rows.
        hidden: Inside the model: not its outputs, nor the last call.
        rectified: Flat only where the output is zero, or nowhere.
        half: Computed in float16.
        units: Length of the last axis.
        table: Looks vectors up; few of them, of few ids, lie on a line without any harm.
    """

    rows: tuple[LayerInfo, ...]
    hidden: np.ndarray
    rectified: np.ndarray
    half: np.ndarray
    units: np.ndarray
    table: np.ndarray


@lru_cache(maxsize=64)
def _layout_of(rows: tuple[LayerInfo, ...]) -> _Layout:
    return _Layout(
        rows,
        np.array([not row.is_output and row is not rows[-1] for row in rows], bool),
        np.array([row.activation in ("", "linear", "relu") for row in rows], bool),
        np.array([row.dtype == "float16" for row in rows], bool),
        np.array([row.units for row in rows]),
        np.array([row.kind == "Embedding" for row in rows], bool),
    )


_NOTHING = Section((), np.zeros((0, 32)))


class _Table:
    """One table of a look, column by column."""

    def __init__(self, look: Look | None, name: str):
        self._section = _NOTHING if look is None else look.sections.get(name, _NOTHING)
        self._columns = _COLUMNS[name]

    def __len__(self) -> int:
        return len(self._section.layers)

    @cached_property
    def layout(self) -> _Layout:
        return _layout_of(self._section.layers)

    def __getitem__(self, name: str) -> np.ndarray:
        column: np.ndarray = self._section.values[:, self._columns[name]]
        return column

    def like(self, other: "_Table", name: str) -> np.ndarray:
        """A column in the order of another table's rows; NaN where there is no such row."""
        return self.aligned(self[name], other)

    def aligned(self, column: np.ndarray, other: "_Table") -> np.ndarray:
        """Values of this table's rows, in the order of another's."""
        rows = other._section.layers
        if self._section.layers == rows:
            return column
        if not len(self):
            return np.full(len(rows), np.nan)
        names = [row.name for row in self._section.layers]
        values = dict(zip(names, column, strict=True))
        return np.array([values.get(row.name, np.nan) for row in rows])

    def finding(self, rule: str, what: str, name: str, broken: np.ndarray) -> list[_Finding]:
        """The rows that break a rule, with the number that shows it."""
        if not broken.any():
            return []
        places = np.flatnonzero(broken)
        key = f"{rule}_gradient" if what == "gradients" else rule
        return [
            _Finding(
                rule,
                what,
                tuple(self.layout.rows[place] for place in places),
                tuple(float(value) for value in self[name][places]),
                THRESHOLDS.get(key, 0.0),
            )
        ]


class _Tables:
    """The tables that the rules ask for, each made once."""

    def __init__(self, evidence: Evidence):
        look, first, previous = evidence.look, evidence.first, evidence.previous
        self.activations = _Table(look, "activations")
        self.weights = _Table(look, "weights")
        self.theory = _Table(look, "theory")
        self.first_activations = _Table(first, "activations")
        self.first_weights = _Table(first, "weights")
        self.previous_weights = _Table(previous, "weights")

    @cached_property
    def inside(self) -> np.ndarray:
        """The activations that the rules judge: seen, no output, and not about to learn."""
        inside: np.ndarray = self.activations.layout.hidden & (self.activations["count"] > 0)
        return inside & ~self._about_to_learn() if len(self.weights) else inside

    def _about_to_learn(self) -> np.ndarray:
        """Layers that are zero because all of their weights are, and whose gradient is not.

        Logistic regression starts so, and the wide part of a recommender.
        """
        moving = self.weights.like(self.activations, "gradient_norm") > 0
        empty = self.weights.like(self.activations, "weight_rms") == 0
        return empty & moving & (self.activations["rms"] == 0)


def _nonfinite(tables: _Tables) -> list[_Finding]:
    found = []
    for what, table, column in (
        ("activations", tables.activations, "nonfinite_count"),
        ("gradients", tables.weights, "gradient_nonfinite_count"),
        ("weights", tables.weights, "weight_nonfinite_count"),
    ):
        broken = table[column] > 0
        if what == "gradients":
            # Loss scaling finds its scale by overflowing, and skips such a step.
            broken &= ~table.layout.half
        found += table.finding("nonfinite", what, column, broken)
    return found


def _depth(tables: _Tables) -> list[_Finding]:
    """Variance through depth, against the first look, and against theory."""
    table = tables.activations
    if not len(table):
        return []
    variance = table["variance"]
    inside = tables.inside & np.isfinite(variance)
    seen = np.where(inside, variance, 0.0)
    start = next((value for value in seen.tolist() if value > 0), np.inf)
    first = tables.first_activations.like(table, "variance")
    # At a table a signal begins: what other layers carry does not enter it.
    highest = np.maximum.accumulate(seen)
    before = np.where(table.layout.table, first, np.fmax(highest, first))
    small = seen < THRESHOLDS["vanishing"] * before
    large = seen > THRESHOLDS["exploding"] * start
    large |= (seen > THRESHOLDS["exploding"] * first) & (first > 0)
    large &= seen > LARGE_VARIANCE
    if len(tables.theory):
        theory = tables.theory.like(table, "predicted_variance")
        small |= seen * THRESHOLDS["theory"] < theory
        large |= (seen > theory * THRESHOLDS["theory"]) & (theory > 0)
    found = table.finding("vanishing", "activations", "variance", small & inside)
    return found + table.finding("exploding", "activations", "variance", large & inside)


def _gradients(tables: _Tables) -> list[_Finding]:
    table, beginning = tables.weights, tables.first_weights
    if not len(table):
        return []
    small = _vanished(table)
    first = beginning["gradient_norm"]
    # Where it had vanished any growth is good, up to what other layers had.
    first = np.where(_vanished(beginning), np.nanmax(first, initial=0.0), first)
    first = beginning.aligned(first, table)
    large = (table["gradient_norm"] > THRESHOLDS["exploding_gradient"] * first) & (first > 0)
    found = table.finding("vanishing", "gradients", "gradient_variance", small)
    return found + table.finding("exploding", "gradients", "gradient_norm", large)


def _vanished(table: _Table) -> np.ndarray:
    """Where the mean square of a gradient is nothing beside that of other weights."""
    square = table["gradient_variance"] + table["gradient_mean"] ** 2
    largest = np.where(np.isfinite(square), square, 0.0).max(initial=0.0)
    return square < THRESHOLDS["vanishing_gradient"] * largest


def _units(tables: _Tables) -> list[_Finding]:
    """Dead, saturated and collapsed layers."""
    table, inside = tables.activations, tables.inside
    if not len(table):
        return []
    layout, dead = table.layout, table["dead_fraction"]
    flat = (table["saturated_fraction"] > THRESHOLDS["saturated"]) & ~layout.rectified
    alike = (table["effective_rank"] < THRESHOLDS["collapsed"]) & (table["variance"] > 0)
    alike &= ~layout.table
    alike |= table["similarity"] > THRESHOLDS["similarity"]
    if alike.any():
        enough = table["count"] >= _FEWEST_EXAMPLES * layout.units
        alike &= (dead < 1) & enough & (layout.units >= _FEWEST_UNITS)
    return [
        *table.finding(
            "dead", "activations", "dead_fraction", (dead > THRESHOLDS["dead"]) & inside
        ),
        *table.finding("saturated", "activations", "saturated_fraction", flat & inside),
        *table.finding("collapsed", "activations", "effective_rank", alike & inside),
    ]


def _stalled(tables: _Tables) -> list[_Finding]:
    """Weights that neither this update nor all since the look before have moved."""
    table, before = tables.weights, tables.previous_weights
    if not len(table) or not len(before):
        return []
    still = table["update_ratio"] < THRESHOLDS["stalled"]
    for column in ("weight_mean", "weight_variance"):
        still &= table[column] == before.like(table, column)
    return table.finding("stalled", "weights", "update_ratio", still)


_RULES: tuple[Callable[[_Tables], list[_Finding]], ...] = (
    _nonfinite,
    _depth,
    _gradients,
    _units,
    _stalled,
)
