"""Problems in words: what is seen, the likely cause, and a fix."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from keras_initlab._wire import SECTIONS, LayerInfo, Problem
from keras_initlab._words import printable
from keras_initlab.signal.looks import Look
from keras_initlab.signal.prediction import Start

__all__ = ["text_of"]

# Weights off by less than this factor in variance are not blamed.
_BLAMED = 1.3

# Weights whose variance is this share of their mean square are one number.
_EQUAL = 1e-12


def text_of(
    problem: Problem, rows: Sequence[LayerInfo], look: Look, starts: Mapping[str, Start]
) -> Problem:
    """The problem with its text.

    Args:
        problem: The problem, its text empty.
        rows: The layers concerned.
        look: The look that showed it.
        starts: What is known of the weights before training, by name of the layer.
    """
    seen = _SEEN[problem.rule](problem, look)
    parts = [f"step {problem.step}, {_span(rows)}: {seen}"]
    parts.append(_cause(problem, rows, look, starts))
    return replace(problem, text=printable("; ".join(part for part in parts if part) + "."))


def _span(rows: Sequence[LayerInfo]) -> str:
    names = [row.name for row in rows]
    if len(rows) <= 2:
        return " and ".join(names)
    if rows[-1].depth - rows[0].depth == len(rows) - 1:
        return f"{names[0]} to {names[-1]} ({len(names)} layers)"
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
    problem: Problem, rows: Sequence[LayerInfo], look: Look, starts: Mapping[str, Start]
) -> str:
    row = rows[0]
    if problem.rule in ("vanishing", "exploding", "dead", "saturated", "collapsed"):
        blamed = _blamed_weights(rows, look, starts, problem)
        if blamed:
            return blamed
    return _OTHERWISE[problem.rule].format(layer=row.name, activation=row.activation or "linear")


def _blamed_weights(
    rows: Sequence[LayerInfo], look: Look, starts: Mapping[str, Start], problem: Problem
) -> str:
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
            return f"the weights of {row.name} are all equal ({row.scheme}). Use {start.scheme}"
        text = _misfit(row, start, problem)
        if text:
            return text
    return ""


def _misfit(row: LayerInfo, start: Start, problem: Problem) -> str:
    if start.needed is None:
        return ""
    factor = start.weight_variance / start.needed
    small = factor < 1 / _BLAMED and problem.rule in ("vanishing", "collapsed", "dead")
    large = factor > _BLAMED and problem.rule in ("exploding", "saturated")
    if not (small or large):
        return ""
    scheme = f" ({row.scheme})" if row.scheme else ""
    return (
        f"{row.name}{scheme} has weights of variance {start.weight_variance:.2g} / fan_in where "
        f"{start.activation or 'linear'} holds the signal at {start.needed:.3g} / fan_in. "
        f"Use {start.scheme}"
    )


_OTHERWISE = {
    "nonfinite": "what enters {layer} or its last update is too large: look at the data for NaN, "
    "lower the learning rate, or clip the gradient",
    "vanishing": "depth or the weights shrink it: initialize for the activation (HeNormal, "
    "XavierUniform), add a residual path, or normalize",
    "exploding": "weights or updates are too large: lower the learning rate, clip the gradient, or "
    "initialize for the activation",
    "dead": "biases or a large update pushed them below zero: lower the learning rate, or use "
    "leaky_relu",
    "saturated": "inputs of {layer} are too large for {activation}: scale the inputs, or use "
    "smaller weights",
    "collapsed": "its weights are alike, or the layers before it have lost the differences: "
    "random weights, or a scheme at the edge of chaos (CriticalNormal)",
    "stalled": "the gradient is zero or the learning rate is: look for dead units behind {layer}",
}
