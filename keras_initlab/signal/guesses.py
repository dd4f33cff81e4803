"""Possible causes, if neither the weights nor the training steps are known to be the cause."""

from collections.abc import Sequence

import numpy as np

from keras_initlab._wire import SECTIONS, LayerInfo, Problem
from keras_initlab.signal.looks import Look
from keras_initlab.signal.origin import HUGE, OUT_OF_RANGE, THROUGH_TIME, no_slope, outgrown
from keras_initlab.signal.telling import Cause

__all__ = ["column_of", "guessed", "without_gradient_or_rate"]


def guessed(problem: Problem, rows: Sequence[LayerInfo], look: Look) -> Cause:
    """The possible cause, by the rule that was broken.

    Args:
        problem: The problem.
        rows: The layers concerned.
        look: The look that showed it.
    """
    row = rows[0]
    if problem.rule == "nonfinite":
        return _of_nonfinite(problem, rows, look)
    if problem.rule == "stalled":
        return without_gradient_or_rate(rows, look)
    if problem.rule == "saturated":
        return Cause(
            None if row.depth else "input-scale",
            f"the inputs of {row.name} are too large for {row.activation or 'linear'}",
            "scale the inputs, or use smaller weights",
        )
    if problem.rule == "exploding" and any(one.kind in _LOOPS for one in rows):
        return THROUGH_TIME
    return _GUESSES[problem.rule]


# A gradient this short beside its weight is at fault when the weight stands still, not the rate.
_FAINT = 1e-6

_LOOPS = ("SimpleRNN", "GRU", "LSTM", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "RNN")

_GUESSES = {
    "vanishing": Cause(
        None,
        "depth or the weights shrink it",
        "initialize for the activation (HeNormal, XavierUniform), add a residual path, or "
        "normalize",
    ),
    "exploding": Cause(
        None,
        "the layers that it passes enlarge it",
        "initialize for the activation, or normalize",
    ),
    "dead": Cause(
        None,
        "its biases or inputs are so low that no sum rises above zero",
        "check what the layer sums, or use leaky_relu",
    ),
    "collapsed": Cause(
        None,
        "its weights are alike, or the layers before it have lost the differences",
        "use random weights, or a scheme at the edge of chaos (CriticalNormal)",
    ),
}


def _of_nonfinite(problem: Problem, rows: Sequence[LayerInfo], look: Look) -> Cause:
    name = rows[0].name
    if problem.what == "weights":
        return Cause("weights-nonfinite", f"an update left them in {name}", "initialize it again")
    if problem.what == "gradients":
        return no_slope(f"after {name}")
    before = [row for row in look.layers if row.depth < rows[0].depth]
    size = column_of(look, "activations", "rms", before)
    if (size > HUGE).any():
        return outgrown(float(np.nanmax(size)), before[int(np.nanargmax(size))].name)
    return OUT_OF_RANGE


def without_gradient_or_rate(rows: Sequence[LayerInfo], look: Look) -> Cause:
    """The cause of weights that do not move, or get no gradient at all."""
    norms = column_of(look, "weights", "gradient_norm", rows)
    if not (norms > 0).any():
        return Cause(
            "zero-gradient",
            f"no gradient reaches {rows[0].name}",
            f"check the layers after {rows[0].name} for dead units, and for functions without a "
            "slope (sign, round, argmax, stop_gradient)",
            evidence={"gradient_norm": 0.0},
        )
    if not (norms > _FAINT * _lengths(rows, look)).any():
        return Cause(
            None,
            f"its gradient is next to nothing (its norm is {np.nanmax(norms):.2g}), which no "
            "learning rate mends",
            f"find the layer after {rows[0].name} that lets no gradient through, or check whether "
            "the loss is already at its least",
            evidence={"gradient_norm": float(np.nanmax(norms))},
        )
    return Cause(
        "rate-zero",
        f"its gradient is not zero (its norm is {np.nanmax(norms):.2g}), so the learning rate is "
        "too small to move it",
        "raise the learning rate, and check its schedule",
        evidence={"gradient_norm": float(np.nanmax(norms))},
    )


def _lengths(rows: Sequence[LayerInfo], look: Look) -> np.ndarray:
    """The lengths of the weights, as of vectors."""
    count, size = (column_of(look, "weights", f"weight_{name}", rows) for name in ("count", "rms"))
    lengths: np.ndarray = size * np.sqrt(count)
    return lengths


def column_of(look: Look, section: str, column: str, rows: Sequence[LayerInfo]) -> np.ndarray:
    """The numbers of some layers in a section of a look.

    Args:
        look: The look.
        section: The section, which it has.
        column: The column.
        rows: The layers; those that the section lacks are left out.
    """
    table, names = look.sections[section], {row.name for row in rows}
    place = SECTIONS[section].index(column)
    return np.array(
        [
            values[place]
            for row, values in zip(table.layers, table.values, strict=True)
            if row.name in names
        ]
    )
