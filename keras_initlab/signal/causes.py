"""What causes the problems of a snapshot: the likely cause, and a fix."""

import math
from collections.abc import Mapping, Sequence

from keras_initlab._wire import SECTIONS, LayerInfo, Problem
from keras_initlab.signal.guesses import column_of, guessed, without_gradient_or_rate
from keras_initlab.signal.looks import Look
from keras_initlab.signal.prediction import Start
from keras_initlab.signal.standing import Standing
from keras_initlab.signal.telling import Cause, told

__all__ = ["explained"]

# Weights off by less than this factor in variance are not blamed; where sums of branches grow, by
# less than the second one; where no gradient comes at all, the third.
_BLAMED, _BLAMED_BESIDE_SUMS, _BLAMED_FOR_NOTHING = 1.3, 3.0, 10.0

# So many sums of branches, and so many sigmoid layers, are a cause of their own.
_SUMS, _SIGMOIDS = 2, 3

# Weights whose variance is this share of their mean square are one number.
_EQUAL = 1e-12


def explained(
    problem: Problem,
    rows: Sequence[LayerInfo],
    look: Look,
    starts: Mapping[str, Start],
    since: int | None = None,
    standing: Standing | None = None,
) -> Problem:
    """The problem with its symptom, its cause and a fix.

    Args:
        problem: The problem, its text empty.
        rows: The layers concerned.
        look: The look that showed it.
        starts: What is known of the weights before training, by name of the layer.
        since: The step of the first look, if that is an earlier one: the problem came after it.
        standing: What each activation of the look is held to; `None` if unknown.
    """
    seen = f"{_span(rows)}: {_SEEN[problem.rule](problem, look)}"
    late = since is not None and problem.rule in _LATER
    cause = _later(problem, since) if late else _cause(problem, rows, look, starts, standing)
    return told(problem, seen, cause, f"step {problem.step}, ")


def _span(rows: Sequence[LayerInfo]) -> str:
    names = [row.name for row in rows]
    if len(rows) <= 2:
        return " and ".join(names)
    if rows[-1].depth - rows[0].depth == len(rows) - 1:
        return f"{names[0]} to {names[-1]} ({len(names)} layers)"
    if len(rows) == 3:
        return f"{names[0]}, {names[1]} and {names[2]}"
    return f"{names[0]}, {names[1]} and {len(names) - 2} more up to {names[-1]}"


def _varying(problem: Problem, look: Look) -> str:
    if problem.what == "gradients":
        kind = "mean square" if problem.rule == "vanishing" else "norm"
        return f"gradient {problem.rule}, {kind} {problem.value:.2g}"
    rate = _rate(look)
    # Against time or theory a layer may vanish that grows through depth.
    fits = rate < 1 if problem.rule == "vanishing" else rate > 1
    told = f", x {rate:.2g} per layer" if fits and problem.value > 0 else ""
    return f"signal {problem.rule}, variance {problem.value:.2g}{told}"


def _rate(look: Look) -> float:
    """Mean factor on the variance from one hidden layer to the next; 1 where there is no next."""
    table = look.sections["activations"]
    column = SECTIONS["activations"].index("variance")
    # Tables stand side by side.
    inside = [
        float(value)
        for row, value in zip(table.layers[:-1], table.values[:-1, column], strict=True)
        if not row.is_output and row.kind != "Embedding" and value > 0
    ]
    if len(inside) < 2:
        return 1.0
    return float((inside[-1] / inside[0]) ** (1 / (len(inside) - 1)))


_SEEN = {
    "nonfinite": lambda p, look: f"NaN or infinite {p.what}, {p.value:.0f} in {p.layers[0]}",
    "vanishing": _varying,
    "exploding": _varying,
    "dead": lambda p, look: f"{p.value:.0%} of the units are zero for every example",
    "saturated": lambda p, look: f"{p.value:.0%} of the values lie where the activation is flat",
    "collapsed": lambda p, look: f"all units or all examples are alike, rank {p.value:.3g}",
    "stalled": lambda p, look: "the weights no longer move",
}


def _cause(
    problem: Problem,
    rows: Sequence[LayerInfo],
    look: Look,
    starts: Mapping[str, Start],
    standing: Standing | None,
) -> Cause:
    sums = sum(row.kind == "Add" for row in rows) if problem.rule == "exploding" else 0
    flat = _flat_rows(problem, rows, look, standing)
    if problem.rule in ("vanishing", "collapsed") and len(flat) >= _SIGMOIDS:
        return Cause(
            "saturating",
            f"{flat[0].activation} has a slope of at most 1/4 and saturates, so {len(flat)} layers "
            "with it let nothing through in either direction, whatever the weights",
            "use tanh or relu inside the model",
            'activation="tanh"',
            {"layers": len(flat)},
        )
    if problem.rule in ("vanishing", "exploding", "dead", "saturated", "collapsed"):
        least = _BLAMED_BESIDE_SUMS if sums >= _SUMS else _BLAMED
        none = _gets_nothing(problem, rows, look)
        # Only weights that are far off bring a gradient of exactly zero.
        least = _BLAMED_FOR_NOTHING if none else least
        blamed = _blamed_weights(rows, look, starts, problem, least)
        if blamed or none:
            return blamed or without_gradient_or_rate(rows, look)
    if sums >= _SUMS:
        return Cause(
            "residual-growth",
            "every residual branch adds its variance to that of the skip connection",
            'start the last layer of each branch at zero (kernel_initializer="zeros"), scale the '
            "branches, or normalize inside them",
            'kernel_initializer="zeros"',
            {"sums": sums},
        )
    return guessed(problem, rows, look)


def _flat_rows(
    problem: Problem, rows: Sequence[LayerInfo], look: Look, standing: Standing | None
) -> list[LayerInfo]:
    """The sigmoid layers that a signal comes through on its way to some rows."""
    layers = look.layers
    counted = list(range(len(layers)))
    if standing is not None and len(standing.before) == len(layers):
        counted = [place for place in counted if not standing.gates[place]]
        if problem.what == "activations":
            concerned = {place for place, row in enumerate(layers) if row in rows}
            ways = concerned.union(*(standing.before[place] for place in concerned))
            counted = [place for place in counted if place in ways]
    flat = [layers[place] for place in counted if layers[place].activation in _FLAT]
    return [row for row in flat if not row.is_output]


def _gets_nothing(problem: Problem, rows: Sequence[LayerInfo], look: Look) -> bool:
    """Whether it is a gradient that is exactly zero."""
    if problem.what != "gradients":
        return False
    return not (column_of(look, "weights", "gradient_norm", rows) > 0).any()


def _later(problem: Problem, since: int | None) -> Cause:
    return Cause(
        "rate-high",
        f"this was not so at step {since}, so the training steps since then caused it",
        _LATER[problem.rule],
        evidence={"since": float(since or 0)},
    )


def _blamed_weights(
    rows: Sequence[LayerInfo],
    look: Look,
    starts: Mapping[str, Start],
    problem: Problem,
    least: float,
) -> Cause | None:
    """Weights whose variance does not fit the activation, in the layers concerned or before."""
    names = {row.name for row in rows}
    others = [row for row in reversed(look.layers) if row.name not in names]
    if problem.what == "activations":
        others = [row for row in others if row.depth < rows[0].depth]
    for row in (*rows, *others):
        start = starts.get(row.name)
        if start is None or start.fan_in == 0 or row.is_output:
            continue
        # The mean of equal numbers is rounded.
        if start.second - start.mean**2 <= _EQUAL * start.second:
            return Cause(
                "weights-equal",
                f"the weights of {row.name} are all equal ({row.scheme})",
                *_use(start),
                {"weight_mean": start.mean},
            )
        found = (
            _leaning(row, start, problem)
            or _dead_bias(row, start, problem)
            or _misfit(row, start, problem, least)
        )
        if found:
            return found
    return None


def _use(start: Start) -> tuple[str, str]:
    """A fix in words, and as code."""
    kernel, _, bias = start.scheme.partition(" and ")
    behind = f", bias_initializer={bias}" if bias else ""
    return f"use {start.scheme}", f"{start.argument}={kernel}{behind}"


def _leaning(row: LayerInfo, start: Start, problem: Problem) -> Cause | None:
    """Weights about a mean that is not zero, so that what inputs have in common grows."""
    share = start.fan_in * start.mean**2 / start.second
    spread = max(start.second - start.mean**2, 0.0) ** 0.5
    if not (start.leans and share > 1 and problem.rule in ("exploding", "saturated", "collapsed")):
        return None
    return Cause(
        "weights-mean",
        f"the weights of {row.name} ({row.scheme}) have mean {start.mean:.2g} and standard "
        f"deviation {spread:.2g}, so the part that all inputs share grows x {share**0.5:.2g} as "
        "much as the part that tells them apart",
        *_use(start),
        {"weight_mean": start.mean, "weight_deviation": spread},
    )


def _dead_bias(row: LayerInfo, start: Start, problem: Problem) -> Cause | None:
    """Biases below what inputs of mean square 1 bring."""
    if start.activation not in _ZERO_BELOW or problem.rule not in (
        "vanishing",
        "dead",
        "collapsed",
    ):
        return None
    if start.bias_mean >= -(start.weight_variance**0.5):
        return None
    return Cause(
        "bias-dead",
        f"the biases of {row.name} have mean {start.bias_mean:.2g}, and its inputs do not lift "
        f"{start.activation} above zero",
        "start the biases at zero",
        'bias_initializer="zeros"',
        {"bias_mean": start.bias_mean},
    )


def _misfit(row: LayerInfo, start: Start, problem: Problem, least: float) -> Cause | None:
    if start.needed is None:
        return None
    factor = start.weight_variance / start.needed
    small = factor < 1 / least and problem.rule in ("vanishing", "collapsed", "dead")
    large = factor > least and problem.rule in ("exploding", "saturated")
    if not (small or large):
        return None
    cause = "weights-small" if small else "weights-large"
    if row.kind.startswith("Separable") and _further(start.first, factor):
        return Cause(
            cause,
            f"the depthwise kernel of {row.name} has weights of variance {start.first:.2g} / "
            "fan_in where what follows needs 1 / fan_in to hold the signal",
            'use LecunNormal(kind="depthwise")',
            'depthwise_initializer=LecunNormal(kind="depthwise")',
            {"weight_variance": start.first, "needed_variance": 1.0},
        )
    scheme = f" ({row.scheme})" if row.scheme else ""
    return Cause(
        cause,
        f"{row.name}{scheme} has weights of variance {start.weight_variance:.2g} / fan_in where "
        f"{start.activation or 'linear'} needs {start.needed:.3g} / fan_in to hold the signal",
        *_use(start),
        {"weight_variance": start.weight_variance, "needed_variance": start.needed},
    )


def _further(first: float, factor: float) -> bool:
    """Whether the first of two kernels is further off than the second one."""
    if first == 0 or factor == 0:
        return first == 0
    return abs(math.log(first)) > abs(math.log(factor / first))


_FLAT, _ZERO_BELOW = ("sigmoid", "hard_sigmoid"), ("relu", "relu6")

# What to do where it is the updates, not the weights of before.
_LATER = {
    "vanishing": "lower the learning rate, and check the weight decay",
    "exploding": "lower the learning rate, or clip the gradient",
    "dead": "lower the learning rate, or clip the gradient",
    "saturated": "lower the learning rate, or clip the gradient",
    "collapsed": "lower the learning rate, and check that the labels differ",
}
