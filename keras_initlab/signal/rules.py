"""The rules that find the problems of a snapshot."""

from collections.abc import Callable

import numpy as np

from keras_initlab._wire import LARGE_VARIANCE, THRESHOLDS, Problem
from keras_initlab.signal.causes import explained
from keras_initlab.signal.evidence import Evidence, Finding, Table, Tables
from keras_initlab.signal.leaving import leaves
from keras_initlab.signal.standing import Standing

__all__ = ["problems_of"]

# Fewer units or examples have too little to be compared.
_FEWEST_UNITS, _FEWEST_EXAMPLES = 4, 8

# Of fewer units all must be dead before training is blamed.
_MANY_UNITS = 16

# Likeness of two examples, behind a sigmoid, that differ by rounding and little more.
_SAME = 1 - 1e-6

# Length of an update over the length of the weight, over the same of the middle weight: above it a
# weight learns, however small its gradient.
_MOVING = 1e-3

# A gradient explodes only beyond the largest that any weight had at first, by this factor.
_ABOVE = 10.0

# Variance that no layer may have, whatever came before it.
_HUGE = 1e8

# Variance over the squared mean, below which a layer begins as a constant, as a gate of ones does.
_LITTLE = 1e-2

# Root mean square of a weight that keeps a branch shut until it has grown.
_SHUT = 1e-3


def problems_of(evidence: Evidence) -> tuple[Problem, ...]:
    """The problems of a snapshot, the worst first; all layers that break one rule are one
    problem."""
    tables = Tables(evidence)
    found = _nonfinite(tables)[:1]
    # What else there is follows from numbers that are not finite.
    for rule in () if found else _RULES:
        found += rule(tables)
    return tuple(_problem(finding, evidence) for finding in found)


def _problem(finding: Finding, evidence: Evidence) -> Problem:
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
    since = None if evidence.look is evidence.first else evidence.first.step
    look, starts, standing = evidence.look, evidence.starts, evidence.standing
    return explained(problem, finding.rows, look, starts, since, standing)


def _nonfinite(tables: Tables) -> list[Finding]:
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


def _depth(tables: Tables) -> list[Finding]:
    """Variance on the way through the model, against the first look, and against theory."""
    table = tables.activations
    if not len(table):
        return []
    variance, standing = table["variance"], tables.standing
    inside = tables.inside & np.isfinite(variance)
    seen = np.where(inside, variance, 0.0)
    first = tables.first_activations.like(table, "variance")
    highest = np.where(standing.ways, seen, 0.0).max(axis=1, initial=0.0)
    small = seen < THRESHOLDS["vanishing"] * highest
    # A branch that began shut opens step by step.
    small &= tables.is_first | ~(seen > first)
    small &= ~_opens(tables, small)
    small |= seen < THRESHOLDS["vanishing"] * first
    large = seen > THRESHOLDS["exploding"] * _begins(standing, seen)
    large |= (seen > THRESHOLDS["exploding"] * first) & (first > 0)
    large &= seen > LARGE_VARIANCE
    large |= seen > _HUGE
    # Squares of finite numbers may be infinite.
    endless = tables.inside & ~np.isfinite(variance) & (_farthest(table) > _HUGE)
    if len(tables.theory):
        theory = tables.theory.like(table, "predicted_variance")
        small |= seen * THRESHOLDS["theory"] < theory
        large |= (seen > theory * THRESHOLDS["theory"]) & (theory > 0)
    large = (large & inside) | endless
    small, large = small & inside & standing.sized, large & standing.grows
    found = table.finding("vanishing", "activations", "variance", small)
    return found + table.finding("exploding", "activations", "variance", large)


def _farthest(table: Table) -> np.ndarray:
    """The largest size of any number of each layer."""
    farthest: np.ndarray = np.fmax(np.abs(table["min"]), np.abs(table["max"]))
    return farthest


def _begins(standing: Standing, seen: np.ndarray) -> np.ndarray:
    """The variance with which the way to each row begins; infinite where it is the first one."""
    started = [
        next((value for value in seen[list(rows)].tolist() if value > 0), np.inf)
        for rows in standing.before
    ]
    return np.array(started)


def _gradients(tables: Tables) -> list[Finding]:
    table, beginning = tables.weights, tables.first_weights
    if not len(table):
        return []
    small = _vanished(table) & ~_learns(tables)
    if len(tables.previous_weights):
        # A batch of few examples may give none.
        earlier = tables.previous_weights
        small &= earlier.aligned(_vanished(earlier).astype(float), table) > 0
    first = beginning["gradient_norm"]
    most = np.nanmax(first, initial=0.0)
    # Where it had vanished any growth is good, up to what other layers had.
    first = np.where(_vanished(beginning), np.nanmax(first, initial=0.0), first)
    first = beginning.aligned(first, table)
    norm = table["gradient_norm"]
    # What began small may grow to what other weights had.
    large = (norm > THRESHOLDS["exploding_gradient"] * first) & (first > 0) & (norm > _ABOVE * most)
    length = table["weight_rms"] * np.sqrt(table["weight_count"])
    large &= ~tables.is_aimed & ~(norm < length)
    large |= np.isinf(norm)
    found = table.finding("vanishing", "gradients", "gradient_variance", small)
    return found + table.finding("exploding", "gradients", "gradient_norm", large)


def _square_of(table: Table) -> np.ndarray:
    square: np.ndarray = table["gradient_variance"] + table["gradient_mean"] ** 2
    return square


def _vanished(table: Table) -> np.ndarray:
    """Where the mean square of a gradient is nothing beside that of other weights."""
    square = _square_of(table)
    largest = np.where(np.isfinite(square), square, 0.0).max(initial=0.0)
    return square < THRESHOLDS["vanishing_gradient"] * largest


def _learns(tables: Tables) -> np.ndarray:
    """Weights that a small gradient does not keep from learning.

    Optimizers like Adam divide it by its size; queries and keys have a gradient of second order;
    and a branch that begins shut, by a gate of zero that learns, opens with the first steps.
    """
    table = tables.weights
    moved = np.where(np.isfinite(table["update_ratio"]), table["update_ratio"], 0.0)
    usual = float(np.median(moved[moved > 0])) if (moved > 0).any() else np.inf
    learns = (moved >= _MOVING * usual) & (_square_of(table) > 0)
    learns |= _leaves(tables) | tables.is_aimed
    shut = (table["weight_rms"] < _SHUT) & (table["gradient_norm"] > 0)
    opens = np.flatnonzero(shut & ~_vanished(table))
    if len(opens) and tables.is_first:
        learns |= np.arange(len(learns)) < opens[-1]
    return learns


def _leaves(tables: Tables) -> np.ndarray:
    """Weights that leave a beginning that is too small."""
    table = tables.weights
    return leaves(np.sqrt(_square_of(table)), table["weight_rms"], tables.steps)


def _opens(tables: Tables, small: np.ndarray) -> np.ndarray:
    """Small signals, at the first look, that grow as soon as one layer on their way learns."""
    table, weights = tables.activations, tables.weights
    if not (tables.is_first and len(weights) and small.any()):
        return np.zeros(len(small), bool)
    learns = small & (weights.aligned(_leaves(tables).astype(float), table) > 0)
    opens: np.ndarray = learns | (tables.standing.ways & learns).any(axis=1)
    return opens


def _units(tables: Tables) -> list[Finding]:
    """Dead, saturated and collapsed layers."""
    table, standing = tables.activations, tables.standing
    if not len(table):
        return []
    inside = tables.inside & ~tables.constant
    layout, dead = table.layout, table["dead_fraction"]
    enough = table["count"] >= _FEWEST_EXAMPLES * layout.units
    gone = (dead > THRESHOLDS["dead"]) & standing.works & enough
    if not tables.is_first:
        # One unit of eight is enough to learn what few units can.
        gone &= (layout.units >= _MANY_UNITS) | (dead == 1)
    # Where a function is flat because it gives zero, that is for the rule on dead units.
    flat = table["saturated_fraction"] - table["zero_fraction"] > THRESHOLDS["saturated"]
    alike = (table["effective_rank"] < THRESHOLDS["collapsed"]) & (table["variance"] > 0)
    alike &= ~tables.thin
    if not tables.is_first:
        alike &= ~standing.narrow
    # Functions that lift small signals, to a half or to 1, make all of them look alike.
    alike |= (table["similarity"] > THRESHOLDS["similarity"]) & ~layout.lifted
    alike &= ~standing.tables & ~standing.gates & (dead < 1) & enough
    lifted = layout.lifted & (table["similarity"] > _SAME)
    alike |= lifted & ~standing.gates & enough & (table["variance"] > 0)
    alike &= layout.units >= _FEWEST_UNITS
    if not tables.is_first:
        # What began as nothing has few directions in its first steps.
        alike &= ~_grows_from_nothing(tables)
    return [
        *table.finding("dead", "activations", "dead_fraction", gone & inside),
        *table.finding(
            "saturated", "activations", "saturated_fraction", flat & ~layout.rectified & inside
        ),
        *table.finding("collapsed", "activations", "effective_rank", alike & inside),
    ]


def _grows_from_nothing(tables: Tables) -> np.ndarray:
    """Signals that began as a constant, but for little, and vary more now."""
    table, begun = tables.activations, tables.first_activations
    first, mean = begun.like(table, "variance"), begun.like(table, "mean")
    constant: np.ndarray = first <= _LITTLE * mean**2
    return constant & ((table["variance"] > first) | (first == 0))


def _stalled(tables: Tables) -> list[Finding]:
    """Weights that neither this update nor all since the look before have moved."""
    table, before = tables.weights, tables.previous_weights
    if not len(table) or not len(before) or _is_satisfied(tables):
        return []
    still = table["update_ratio"] < THRESHOLDS["stalled"]
    still &= ~(tables.is_aimed & (_square_of(table) > 0))
    for column in ("weight_mean", "weight_variance"):
        still &= table[column] == before.like(table, column)
    return table.finding("stalled", "weights", "update_ratio", still)


def _is_satisfied(tables: Tables) -> bool:
    """Whether a loss with a margin has nothing left to correct in this batch.

    It had a gradient before, now no weight has any, and no dead or flat layer keeps it away.
    """
    rows, norm = tables.activations, tables.weights["gradient_norm"]
    shut = (rows["zero_fraction"] == 1) | (rows["dead_fraction"] > THRESHOLDS["dead"])
    shut |= rows["saturated_fraction"] - rows["zero_fraction"] > THRESHOLDS["saturated"]
    trained = (tables.first_weights["gradient_norm"] > 0).any()
    return bool(len(rows) and trained and not norm.any() and not shut.any())


_RULES: tuple[Callable[[Tables], list[Finding]], ...] = (
    _depth,
    _gradients,
    _units,
    _stalled,
)
