"""The tables of a look, column by column, as the rules read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from keras_initlab import _backend
from keras_initlab._wire import SECTIONS, THRESHOLDS, LayerInfo
from keras_initlab.signal.looks import Look, Section
from keras_initlab.signal.prediction import Start
from keras_initlab.signal.standing import Standing

__all__ = ["Evidence", "Finding", "Table", "Tables"]

_UNKNOWN = _backend.StepRule()

_LIFTING = ("sigmoid", "hard_sigmoid", "softplus", "exponential")

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
        standing: What each row of the activations is held to; `None` where only their order is
            known.
        steps: How far the optimizer's steps follow the size of a gradient.
    """

    look: Look
    first: Look
    previous: Look | None
    starts: Mapping[str, Start]
    standing: Standing | None = None
    steps: _backend.StepRule = _UNKNOWN


@dataclass(frozen=True)
class Finding:
    """Layers that break one rule, with the numbers."""

    rule: str
    what: str
    rows: tuple[LayerInfo, ...]
    values: tuple[float, ...]
    threshold: float


@dataclass(frozen=True, eq=False)
class _Layout:
    """What the rows of a table are, as arrays.

    Args:
        rows: The rows.
        hidden: Inside the model: not its outputs, nor the last call.
        rectified: Flat only where the output is zero, or nowhere.
        half: Computed in float16.
        lifted: Its activation gives a half, or 1, at zero.
        units: Length of the last axis.
    """

    rows: tuple[LayerInfo, ...]
    hidden: np.ndarray
    rectified: np.ndarray
    half: np.ndarray
    lifted: np.ndarray
    units: np.ndarray


@lru_cache(maxsize=64)
def _layout_of(rows: tuple[LayerInfo, ...]) -> _Layout:
    return _Layout(
        rows,
        np.array([not row.is_output and row is not rows[-1] for row in rows], bool),
        np.array([row.activation in ("", "linear", "relu") for row in rows], bool),
        np.array([row.dtype == "float16" for row in rows], bool),
        np.array([row.activation in _LIFTING for row in rows], bool),
        np.array([row.units for row in rows]),
    )


_NOTHING = Section((), np.zeros((0, 32)))


class Table:
    """One table of a look, column by column."""

    def __init__(self, look: Look | None, name: str):
        self._section = _NOTHING if look is None else look.sections.get(name, _NOTHING)
        self._columns = _COLUMNS[name]

    def __len__(self) -> int:
        return len(self._section.layers)

    @cached_property
    def layout(self) -> _Layout:
        """What its rows are."""
        return _layout_of(self._section.layers)

    def __getitem__(self, name: str) -> np.ndarray:
        column: np.ndarray = self._section.values[:, self._columns[name]]
        return column

    def like(self, other: "Table", name: str) -> np.ndarray:
        """A column in the order of another table's rows; NaN where there is no such row."""
        return self.aligned(self[name], other)

    def aligned(self, column: np.ndarray, other: "Table") -> np.ndarray:
        """Values of this table's rows, in the order of another's."""
        rows = other._section.layers
        if self._section.layers == rows:
            return column
        if not len(self):
            return np.full(len(rows), np.nan)
        names = [row.name for row in self._section.layers]
        values = dict(zip(names, column, strict=True))
        return np.array([values.get(row.name, np.nan) for row in rows])

    def finding(self, rule: str, what: str, name: str, broken: np.ndarray) -> list[Finding]:
        """The rows that break a rule, with the number that shows it."""
        if not broken.any():
            return []
        places = np.flatnonzero(broken)
        key = f"{rule}_gradient" if what == "gradients" else rule
        return [
            Finding(
                rule,
                what,
                tuple(self.layout.rows[place] for place in places),
                tuple(float(value) for value in self[name][places]),
                THRESHOLDS.get(key, 0.0),
            )
        ]


class Tables:
    """The tables that the rules ask for, each made once."""

    def __init__(self, evidence: Evidence):
        look, first, previous = evidence.look, evidence.first, evidence.previous
        self.steps, self._standing = evidence.steps, evidence.standing
        self._starts = evidence.starts
        self.activations = Table(look, "activations")
        self.weights = Table(look, "weights")
        self.theory = Table(look, "theory")
        self.first_activations = Table(first, "activations")
        self.first_weights = Table(first, "weights")
        self.previous_weights = Table(previous, "weights")
        self.is_first = look is first

    @cached_property
    def standing(self) -> Standing:
        """What each row of the activations is held to."""
        count = len(self.activations)
        known = self._standing
        # A step of the user's own on JAX may have dropped rows.
        return (
            known
            if known and len(known.before) == count
            else Standing.in_order(self.activations.layout.rows)
        )

    @cached_property
    def is_aimed(self) -> np.ndarray:
        """The weights whose gradient is small by their place."""
        rows = self.weights.layout.rows
        return np.array([row.name in self.standing.aimed for row in rows], bool)

    @cached_property
    def thin(self) -> np.ndarray:
        """The activations that are made of one number: they lie on a curve, alike or not."""
        rows, thin = self.activations.layout.rows, np.zeros(len(self.activations), bool)
        for place, row in enumerate(rows):
            start, before = self._starts.get(row.name), list(self.standing.before[place])
            of_one = start is not None and start.fan_in == 1
            thin[place] = of_one or (bool(before) and bool(thin[before].all()))
        return thin

    @cached_property
    def constant(self) -> np.ndarray:
        """The activations of layers that give their biases alone on purpose: their weights are 0.

        A transformation of the inputs begins so as the identity.
        """
        starts = [self._starts.get(row.name) for row in self.activations.layout.rows]
        return np.array(
            [start is not None and start.second == 0 < start.bias_second for start in starts], bool
        )

    @cached_property
    def inside(self) -> np.ndarray:
        """The activations that the rules judge: measured, not outputs, and not about to learn."""
        inside: np.ndarray = self.activations.layout.hidden & (self.activations["count"] > 0)
        return inside & ~self._about_to_learn() if len(self.weights) else inside

    def _about_to_learn(self) -> np.ndarray:
        """Layers that are zero because all of their weights are, and whose gradient is not.

        Logistic regression starts so, and the wide part of a recommender.
        """
        moving = self.weights.like(self.activations, "gradient_norm") > 0
        empty = self.weights.like(self.activations, "weight_rms") == 0
        return empty & moving & (self.activations["rms"] == 0)
