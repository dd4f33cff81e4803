"""What is measured: from activations to rows of numbers, and from replicas to one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_initlab.monitor.step.samples import Block, grouped
from keras_initlab.theory import FlatRegions

__all__ = [
    "BINS",
    "BIN_EDGES",
    "COLUMNS",
    "MOMENTS",
    "Activation",
    "activation_rows",
    "combined",
    "histogram_of",
    "moments_of",
    "stacked_rows",
]

# What a row of an activation holds; `moments_of` makes the first six.
MOMENTS = ("count", "mean", "squares", "low", "high", "nonfinite")
COLUMNS = (*MOMENTS, "zeros", "dead", "rank", "similarity", "saturated")

# Bins of a factor of two on either side of zero: 2**-19 is where the first one ends.
BINS = 64
_HALF, _LOWEST_EXPONENT = BINS // 2, -20
_POSITIVE_EDGES = [0.0, *(2.0 ** (_LOWEST_EXPONENT + k + 1) for k in range(_HALF))]
BIN_EDGES = np.array([*(-edge for edge in reversed(_POSITIVE_EDGES)), *_POSITIVE_EDGES[1:]])

# Rows from which rank and similarity are estimated.
_RANK_ROWS = 64

_RELU = ((-np.inf, 0.0),)


@dataclass(frozen=True)
class Activation:
    """One activation to measure.

    Args:
        block: Its values.
        flat: Where the layer's activation is flat; `None` where that is unknown.
        before: What entered the activation, where `flat` asks for it.
    """

    block: Block
    flat: FlatRegions | None = None
    before: Block | None = None


def moments_of(values: Any, weights: Any) -> Any:
    """Moments in two passes, so that a large mean costs no digits.

    Args:
        values: Float tensor `(blocks, rows, units)`.
        weights: `(blocks, rows)`, 1 for the rows that count and 0 for the others.

    Returns:
        `(blocks, 6)`, columns `MOMENTS`: how many elements are counted and finite, their mean, the
        sum of their squared deviations, the least and the greatest, and how many are not finite.
        For the least and the greatest a zero stands in for what is not finite.
    """
    finite = ops.isfinite(values)
    clean = ops.where(finite, values, 0.0)
    units = float(values.shape[2])
    held = ops.sum(ops.cast(finite, values.dtype), axis=2)
    count = ops.sum(held * weights, axis=1)
    mean = ops.sum(ops.sum(clean, axis=2) * weights, axis=1) / ops.maximum(count, 1.0)
    nonfinite = ops.sum((units - held) * weights, axis=1)
    deviation = ops.sum(ops.square(clean - ops.reshape(mean, (-1, 1, 1))), axis=2)
    # Each zero that stands in for what is not finite has added the square of the mean.
    squares = ops.sum(deviation * weights, axis=1) - nonfinite * ops.square(mean)
    counted = weights > 0
    low = ops.min(ops.where(counted, ops.min(clean, axis=2), np.inf), axis=1, initial=np.inf)
    high = ops.max(ops.where(counted, ops.max(clean, axis=2), -np.inf), axis=1, initial=-np.inf)
    return ops.stack([count, mean, ops.maximum(squares, 0.0), low, high, nonfinite], axis=1)


def stacked_rows(blocks: Sequence[Block], measure: Callable[[Any, Any], Any]) -> Any:
    """`measure(values, weights)` of every block, in their order, with blocks of a shape together.

    Returns:
        `(blocks, columns)` float32.
    """
    order: list[int] = []
    rows = []
    for places, values, weights in grouped(blocks):
        order += places
        rows.append(ops.cast(measure(values, weights), "float32"))
    table = rows[0] if len(rows) == 1 else ops.concatenate(rows)
    back = [order.index(place) for place in range(len(order))]
    return table if back == sorted(back) else ops.take(table, np.array(back), axis=0)


def activation_rows(activations: Sequence[Activation]) -> Any:
    """The rows of activations: `(activations, 11)` float32, columns `COLUMNS`."""
    table = stacked_rows([each.block for each in activations], _measured)
    zeros = table[:, COLUMNS.index("zeros")]
    return ops.concatenate([table, _saturated(activations, zeros)], axis=1)


def _measured(values: Any, weights: Any) -> Any:
    zero = ops.cast(ops.equal(values, 0.0), values.dtype)
    by_unit = ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), zero), 1)
    rows = ops.sum(weights, axis=1, keepdims=True)
    dead = ops.logical_and(ops.equal(by_unit, rows), rows > 0)
    shares = [ops.sum(by_unit, axis=1), ops.mean(ops.cast(dead, values.dtype), axis=1)]
    shares += _spectrum(values, weights)
    return ops.concatenate([moments_of(values, weights), ops.stack(shares, axis=1)], axis=1)


def _spectrum(values: Any, weights: Any) -> list[Any]:
    """Effective rank about the mean, and mean likeness of two rows, from a few rows.

    The rank is the participation ratio of the singular values, `tr(C)**2 / tr(C**2)`: 1 if all
    units do the same. The likeness is the mean inner product of two different rows over their mean
    square: 1 if all examples look the same.
    """
    stride = max(1, (values.shape[1] or _RANK_ROWS) // _RANK_ROWS)
    sample = values[:, ::stride][:, :_RANK_ROWS]
    held = ops.expand_dims(weights[:, ::stride][:, :_RANK_ROWS], 2)
    rows = ops.maximum(ops.sum(held, axis=(1, 2)), 1.0)
    mean = ops.sum(sample * held, axis=1, keepdims=True) / ops.reshape(rows, (-1, 1, 1))
    centered = (sample - mean) * held
    flipped = ops.transpose(centered, (0, 2, 1))
    tall = values.shape[2] <= _RANK_ROWS
    gram = ops.matmul(flipped, centered) if tall else ops.matmul(centered, flipped)
    trace = ops.sum(ops.square(centered), axis=(1, 2))
    rank = ops.divide_no_nan(ops.square(trace), ops.sum(ops.square(gram), axis=(1, 2)))
    shared = ops.sum(ops.square(mean), axis=(1, 2)) * rows
    share = ops.divide_no_nan(shared, shared + trace)
    return [rank, (rows * share - 1.0) / ops.maximum(rows - 1.0, 1.0)]


def _saturated(activations: Sequence[Activation], zeros: Any) -> Any:
    """How many elements of each lie where its activation is flat: `(activations, 1)`."""
    asked = [place for place, each in enumerate(activations) if _must_compare(each)]
    # ReLU is flat where its output is zero, for it is never below.
    known = np.array([_known_share(each) for each in activations], "float32")
    column = zeros * known
    if not asked:
        return ops.expand_dims(column, 1)
    counts = stacked_rows([_compared(activations[place]) for place in asked], _count_of)
    places = ops.convert_to_tensor(np.array(asked)[:, None], "int32")
    return ops.expand_dims(ops.scatter_update(column, places, counts[:, 0]), 1)


def _must_compare(activation: Activation) -> bool:
    flat = activation.flat
    if flat is None or not flat.regions or flat.regions == _RELU:
        return False
    return flat.of == "output" or activation.before is not None


def _known_share(activation: Activation) -> float:
    """What the count of zeros is to be multiplied by: 1 for ReLU, 0 if never flat, or NaN."""
    flat = activation.flat
    if flat is None or (flat.of == "input" and activation.before is None):
        return np.nan
    return 1.0 if flat.of == "output" and flat.regions == _RELU else 0.0


def _compared(activation: Activation) -> Block:
    """1 where the activation is flat."""
    flat = activation.flat
    block = activation.block if flat.of == "output" else activation.before
    inside = None
    for low, high in flat.regions:
        here = block.values >= low if np.isfinite(low) else block.values <= high
        if np.isfinite(low) and np.isfinite(high):
            here = ops.logical_and(here, block.values <= high)
        inside = here if inside is None else ops.logical_or(inside, here)
    return Block(ops.cast(inside, block.values.dtype), block.weights)


def _count_of(values: Any, weights: Any) -> Any:
    return ops.sum(ops.sum(values, axis=2) * weights, axis=1, keepdims=True)


def histogram_of(block: Block) -> Any:
    """How many elements fall into each of 64 bins, of a factor of two on either side of zero.

    Returns:
        `(64,)` float32; edges in `BIN_EDGES`. What lies beyond is counted in the outermost bins,
        what is not finite nowhere.
    """
    values = block.values
    held = ops.isfinite(values)
    magnitude = ops.where(held, ops.abs(values), 1.0)
    exponent = ops.floor(ops.log2(ops.maximum(magnitude, 2.0**_LOWEST_EXPONENT)))
    place = ops.clip(exponent - _LOWEST_EXPONENT, 0, _HALF - 1)
    place = ops.where(values < 0, _HALF - 1 - place, _HALF + place)
    place = ops.cast(ops.where(held, place, 0.0), "int32")
    counted = ops.cast(held, values.dtype) * ops.expand_dims(block.weights, 1)
    counted = ops.cast(ops.reshape(counted, (-1,)), "float32")
    return ops.segment_sum(counted, ops.reshape(place, (-1,)), num_segments=BINS)


def combined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Moments of all replicas together.

    Args:
        parts: One `(..., 6)` array per replica, columns `MOMENTS`.

    Returns:
        `(..., 6)` float64 with the same columns; mean, low and high are NaN where nothing counts.

    Source:
        Chan, Golub and LeVeque 1983, eq. 1.5, https://doi.org/10.1080/00031305.1983.10483115.
    """
    count, mean, squares, low, high, nonfinite = np.moveaxis(np.asarray(parts, np.float64), -1, 0)
    total = count.sum(0)
    known = np.maximum(total, 1)
    center = (count * mean).sum(0) / known
    spread = (squares + count * (mean - center) ** 2).sum(0)
    columns = [center, spread, low.min(0), high.max(0)]
    columns = [np.where(total == 0, np.nan, column) for column in columns]
    return np.stack([total, *columns, nonfinite.sum(0)], axis=-1)
