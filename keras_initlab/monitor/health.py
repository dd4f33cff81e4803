"""The rules that find what is wrong with a look."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keras_initlab._wire import SECTIONS, LayerInfo, Problem
from keras_initlab.monitor.causes import text_of
from keras_initlab.monitor.looks import Look, Section
from keras_initlab.monitor.prediction import Prior

__all__ = ["THRESHOLDS", "Evidence", "problems_of"]

# What counts as a problem; docs/callback.md says why.
THRESHOLDS = {
    # Variance of a layer, over the largest of an earlier layer or its own at the first look.
    "vanishing": 1e-4,
    "exploding": 1e4,
    # Measured over predicted variance at the first look, either way.
    "theory": 1e2,
    # Mean square of a weight's gradient, over the largest of all weights.
    "vanishing_gradient": 1e-8,
    # Norm of a weight's gradient, over its own at the first look.
    "exploding_gradient": 1e4,
    # Share of units that are zero for every example.
    "dead": 0.5,
    # Share of elements where the activation is flat.
    "saturated": 0.5,
    # Effective rank about the mean, and mean likeness of two examples.
    "rank": 1.01,
    "similarity": 0.9999,
    # Length of an update over the length of the weight.
    "stalled": 1e-8,
}

# Fewer units or examples have too little to be compared.
_FEWEST_UNITS, _FEWEST_EXAMPLES = 4, 8


@dataclass(frozen=True)
class Evidence:
    """What the rules look at.

    Args:
        look: The look to judge.
        first: The first look of all, maybe the same.
        previous: The look before, `None` at the first.
        priors: What is known of the layers' weights before training, by name.
    """

    look: Look
    first: Look
    previous: Look | None
    priors: Mapping[str, Prior]


@dataclass(frozen=True)
class _Finding:
    """Layers that break one rule, with the numbers."""

    rule: str
    what: str
    rows: tuple[LayerInfo, ...]
    values: tuple[float, ...]
    threshold: float


def problems_of(evidence: Evidence) -> tuple[Problem, ...]:
    """What is wrong with a look, the gravest first; layers that follow one another go together."""
    found: list[_Finding] = []
    for rule in _RULES:
        found += [each for each in rule(evidence) if each.rows]
    return tuple(_problem(each, evidence) for each in found)


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
    return text_of(problem, finding.rows, evidence.look, evidence.priors)


def _columns(look: Look, section: str, *names: str) -> list[np.ndarray]:
    table = look.sections.get(section)
    if table is None:
        return [np.zeros(0)] * len(names)
    return [table.values[:, SECTIONS[section].index(name)] for name in names]


def _rows(look: Look, section: str) -> tuple[LayerInfo, ...]:
    table: Section | None = look.sections.get(section)
    return () if table is None else table.layers


def _finding(
    rule: str, what: str, rows: Sequence[LayerInfo], values: np.ndarray, broken: np.ndarray
) -> _Finding:
    places = np.flatnonzero(broken)
    name = f"{rule}_gradient" if what == "gradients" else rule
    return _Finding(
        rule,
        what,
        tuple(rows[place] for place in places),
        tuple(float(values[place]) for place in places),
        THRESHOLDS.get(name, 0.0),
    )


def _hidden(look: Look) -> np.ndarray:
    """The rows inside the model: not its outputs, nor the last call."""
    rows = _rows(look, "activations")
    inside = np.array([not row.is_output for row in rows], bool)
    if len(inside):
        inside[-1] = False
    return inside


def _nonfinite(evidence: Evidence) -> Iterator[_Finding]:
    look = evidence.look
    for what, section, column in (
        ("activations", "activations", "nonfinite_count"),
        ("gradients", "weights", "gradient_nonfinite_count"),
        ("weights", "weights", "weight_nonfinite_count"),
    ):
        rows, (counts,) = _rows(look, section), _columns(look, section, column)
        # Loss scaling finds its scale by overflowing, and skips such a step.
        scaled = np.array([what == "gradients" and row.dtype == "float16" for row in rows], bool)
        yield _finding("nonfinite", what, rows, counts, (counts > 0) & ~scaled)


def _same_rows(look: Look, other: Look, section: str, column: str) -> np.ndarray:
    """The column of another look, in the order of this one's rows; NaN where it has none."""
    values = dict(
        zip(
            [row.name for row in _rows(other, section)],
            _columns(other, section, column)[0],
            strict=True,
        )
    )
    return np.array([values.get(row.name, np.nan) for row in _rows(look, section)])


def _depth(evidence: Evidence) -> Iterator[_Finding]:
    """Variance through depth, against the first look, and against theory."""
    look, rows = evidence.look, _rows(evidence.look, "activations")
    if not rows:
        return
    count, variance = _columns(look, "activations", "count", "variance")
    inside = _hidden(look) & (count > 0) & np.isfinite(variance)
    seen = np.where(inside, variance, 0.0)
    highest = np.maximum.accumulate(seen)
    first = _same_rows(look, evidence.first, "activations", "variance")
    theory = _same_rows(look, evidence.look, "theory", "predicted_variance")
    theory = theory if len(theory) == len(rows) else _theory_of(look)
    start = next((value for value in seen if value > 0), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        small = (seen < THRESHOLDS["vanishing"] * highest) | (
            seen < THRESHOLDS["vanishing"] * first
        )
        small |= seen * THRESHOLDS["theory"] < theory
        large = (seen > THRESHOLDS["exploding"] * start) & (seen > 1e2)
        large |= (seen > THRESHOLDS["exploding"] * first) & (first > 0)
        large |= (seen > theory * THRESHOLDS["theory"]) & (theory > 0)
    yield _finding("vanishing", "activations", rows, variance, small & inside)
    yield _finding("exploding", "activations", rows, variance, large & inside)


def _theory_of(look: Look) -> np.ndarray:
    table = look.sections.get("theory")
    if table is None:
        return np.full(len(_rows(look, "activations")), np.nan)
    return table.values[:, 1]


def _gradients(evidence: Evidence) -> Iterator[_Finding]:
    rows = _rows(evidence.look, "weights")
    if not rows:
        return
    names = ("gradient_mean", "gradient_variance", "gradient_norm")
    mean, variance, norm = _columns(evidence.look, "weights", *names)
    square = variance + mean**2
    largest = np.nanmax(np.where(np.isfinite(square), square, 0.0), initial=0.0)
    first = _same_rows(evidence.look, evidence.first, "weights", "gradient_norm")
    small = square < THRESHOLDS["vanishing_gradient"] * largest
    large = (norm > THRESHOLDS["exploding_gradient"] * first) & (first > 0)
    yield _finding("vanishing", "gradients", rows, square, small)
    yield _finding("exploding", "gradients", rows, norm, large)


def _units(evidence: Evidence) -> Iterator[_Finding]:
    """Dead, saturated and collapsed layers."""
    look, rows = evidence.look, _rows(evidence.look, "activations")
    if not rows:
        return
    names = ("count", "variance", "dead_fraction", "saturated_fraction", "effective_rank")
    count, variance, dead, saturated, rank = _columns(look, "activations", *names)
    (similarity,) = _columns(look, "activations", "similarity")
    inside = _hidden(look) & (count > 0)
    rectified = np.array([row.activation in ("", "linear", "relu") for row in rows], bool)
    yield _finding("dead", "activations", rows, dead, (dead > THRESHOLDS["dead"]) & inside)
    flat = (saturated > THRESHOLDS["saturated"]) & ~rectified
    yield _finding("saturated", "activations", rows, saturated, flat & inside)
    units = np.array([row.units for row in rows])
    enough = (units >= _FEWEST_UNITS) & (count >= _FEWEST_EXAMPLES * units)
    alike = (rank < THRESHOLDS["rank"]) & (variance > 0)
    alike |= similarity > THRESHOLDS["similarity"]
    whole = np.where(dead < 1, alike, False)
    finding = _finding("collapsed", "activations", rows, rank, whole & enough & inside)
    yield _Finding(finding.rule, finding.what, finding.rows, finding.values, THRESHOLDS["rank"])


def _stalled(evidence: Evidence) -> Iterator[_Finding]:
    """Weights that neither this update nor all since the look before have moved."""
    look, previous = evidence.look, evidence.previous
    rows = _rows(look, "weights")
    if previous is None or not rows or previous.step >= look.step:
        return
    (ratio,) = _columns(look, "weights", "update_ratio")
    same = np.ones(len(rows), bool)
    for column in ("weight_mean", "weight_variance"):
        now = _columns(look, "weights", column)[0]
        same &= now == _same_rows(look, previous, "weights", column)
    yield _finding("stalled", "weights", rows, ratio, (ratio < THRESHOLDS["stalled"]) & same)


_RULES: tuple[Callable[[Evidence], Iterator[_Finding]], ...] = (
    _nonfinite,
    _depth,
    _gradients,
    _units,
    _stalled,
)
