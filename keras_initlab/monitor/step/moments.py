"""What is measured: from activations to rows of numbers, and from replicas to one."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
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
    "sum_of_squares",
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
_RANK_ROWS = 32

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


def moments_of(block: Block) -> Any:
    """Moments in two passes, so that a large mean costs no digits.

    Args:
        block: Stacked blocks: values `(blocks, rows, units)`, weights `(blocks, rows)`.

    Returns:
        `(blocks, 6)`, columns `MOMENTS`: how many elements are counted and finite, their mean, the
        sum of their squared deviations, the least and the greatest, and how many are not finite.
        For the least and the greatest a zero stands in for what is not finite.
    """
    values, weights = block.values, block.weights
    plain = _moments(values, weights, 0.0)
    squares = plain[:, MOMENTS.index("squares")]
    # Sums of finite numbers are finite: what is not needs more work, and is rare.
    broken = ops.logical_not(ops.isfinite(ops.sum(squares)))
    return _backend.when(broken, lambda: _guarded_moments(values, weights), plain)


def _moments(values: Any, weights: Any, nonfinite: Any) -> Any:
    units = float(values.shape[2])
    count = ops.sum(weights, axis=1) * units - nonfinite
    total = ops.sum(ops.matmul(ops.expand_dims(weights, 1), values), axis=(1, 2))
    mean = total / ops.maximum(count, 1.0)
    deviation = values - ops.expand_dims(weights * ops.expand_dims(mean, 1), 2)
    squares = sum_of_squares(deviation)
    counted = weights > 0
    low = ops.min(ops.where(counted, ops.min(values, axis=2), np.inf), axis=1, initial=np.inf)
    high = ops.max(ops.where(counted, ops.max(values, axis=2), -np.inf), axis=1, initial=-np.inf)
    missing = ops.zeros_like(count) + nonfinite
    return ops.stack([count, mean, squares, low, high, missing], axis=1)


def _guarded_moments(values: Any, weights: Any) -> Any:
    finite = ops.isfinite(values)
    held = ops.sum(ops.cast(finite, values.dtype), axis=2)
    nonfinite = ops.sum((float(values.shape[2]) - held) * weights, axis=1)
    row = _moments(ops.where(finite, values, 0.0), weights, nonfinite)
    mean, squares = row[:, 1], row[:, 2]
    # Each zero that stands in for what is not finite has added the square of the mean.
    squares = ops.maximum(squares - nonfinite * ops.square(mean), 0.0)
    return ops.concatenate([row[:, :2], ops.expand_dims(squares, 1), row[:, 3:]], axis=1)


def sum_of_squares(values: Any) -> Any:
    """Of each block, `(blocks,)`."""
    return ops.sum(ops.sum(ops.square(values), axis=2), axis=1)


def stacked_rows(blocks: Sequence[Block], measure: Callable[[Block], Any]) -> Any:
    """`measure(block)` of every block, in their order, with blocks of a shape together.

    Returns:
        `(blocks, columns)` float32.
    """
    order: list[int] = []
    rows = []
    for places, group in grouped(blocks):
        order += places
        measured = _backend.reused(_of_tensors(measure))(group.values, group.weights, group.present)
        rows.append(ops.cast(measured, "float32"))
    table = rows[0] if len(rows) == 1 else ops.concatenate(rows)
    back = [order.index(place) for place in range(len(order))]
    return table if back == sorted(back) else ops.take(table, np.array(back), axis=0)


@functools.cache
def _of_tensors(measure: Callable[[Block], Any]) -> Callable:
    return lambda values, weights, present: measure(Block(values, weights, present))


def activation_rows(activations: Sequence[Activation]) -> Any:
    """The rows of activations: `(activations, 11)` float32, columns `COLUMNS`."""
    table = stacked_rows([each.block for each in activations], _measured)
    zeros = table[:, COLUMNS.index("zeros")]
    return ops.concatenate([table, _saturated(activations, zeros)], axis=1)


def _measured(block: Block) -> Any:
    values, weights = block.values, block.weights
    zero = ops.cast(ops.equal(values, 0.0), values.dtype)
    by_unit = ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), zero), 1)
    rows = ops.sum(weights, axis=1, keepdims=True)
    dead = ops.logical_and(ops.equal(by_unit, rows), rows > 0)
    shares = [ops.sum(by_unit, axis=1), ops.mean(ops.cast(dead, values.dtype), axis=1)]
    shares += _spectrum(block)
    return ops.concatenate([moments_of(block), ops.stack(shares, axis=1)], axis=1)


def _spectrum(block: Block) -> list[Any]:
    """Effective rank about the mean, and mean likeness of two rows, from a few rows.

    The rank is the participation ratio of the singular values, `tr(C)**2 / tr(C**2)`: 1 if all
    units do the same. The likeness is the mean inner product of two different rows over their mean
    square: 1 if all examples look the same.
    """
    sample, held, distinct = _spread_rows(block)
    rows = ops.maximum(ops.sum(held, axis=1), 1.0)
    mean = ops.matmul(ops.expand_dims(held / ops.expand_dims(rows, 1), 1), sample)
    centered = sample - ops.expand_dims(held, 2) * mean
    gram = ops.matmul(centered, ops.transpose(centered, (0, 2, 1)))
    trace = ops.sum(ops.square(centered), axis=(1, 2))
    rank = ops.divide_no_nan(ops.square(trace), ops.sum(ops.square(gram), axis=(1, 2)))
    shared = ops.sum(ops.square(mean), axis=(1, 2)) * rows
    share = ops.divide_no_nan(shared, shared + trace)
    distinct = ops.minimum(rows, distinct)
    return [rank, (distinct * share - 1.0) / ops.maximum(distinct - 1.0, 1.0)]


def _spread_rows(block: Block) -> tuple[Any, Any, Any]:
    """Rows at equal distances, with their weights, and how many of them are no repetition.

    Neighbouring rows may be positions of one example, too alike to tell about the layer.
    """
    blocks, rows, units = block.values.shape
    rows = ops.shape(block.values)[1] if rows is None else rows
    present = ops.expand_dims(block.present, 1)
    places = ops.expand_dims(ops.arange(_RANK_ROWS, dtype="int32"), 0) * present // _RANK_ROWS
    starts = ops.expand_dims(ops.arange(blocks, dtype="int32"), 1) * rows
    flat = ops.reshape(places + starts, (-1,))
    sample = _backend.gathered(ops.reshape(block.values, (-1, units)), flat)
    held = _backend.gathered(ops.reshape(block.weights, (-1,)), flat)
    return (
        ops.reshape(sample, (blocks, _RANK_ROWS, units)),
        ops.reshape(held, (blocks, _RANK_ROWS)),
        ops.cast(block.present, block.values.dtype),
    )


def _saturated(activations: Sequence[Activation], zeros: Any) -> Any:
    """How many elements of each lie where its activation is flat: `(activations, 1)`."""
    asked = [place for place, each in enumerate(activations) if _must_compare(each)]
    # ReLU is flat where its output is zero, for it is never below.
    shares = np.array([_known_share(each) for each in activations], "float32")
    known = ops.convert_to_tensor(shares)
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
    """1 where the activation is flat, also in rows that do not count."""
    flat = activation.flat
    block = activation.block if flat.of == "output" else activation.before
    inside = None
    for low, high in flat.regions:
        here = block.values >= low if np.isfinite(low) else block.values <= high
        if np.isfinite(low) and np.isfinite(high):
            here = ops.logical_and(here, block.values <= high)
        inside = here if inside is None else ops.logical_or(inside, here)
    return replace(block, values=ops.cast(inside, block.values.dtype))


def _count_of(block: Block) -> Any:
    return ops.sum(ops.matmul(ops.expand_dims(block.weights, 1), block.values), axis=2)


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
    table = np.asarray(parts, np.float64)
    if len(table) == 1:
        row = table[0].copy()
        row[..., 1:5][row[..., 0] == 0] = np.nan
        return row
    count, mean, squares, low, high, nonfinite = np.moveaxis(table, -1, 0)
    total = count.sum(0)
    known = np.maximum(total, 1)
    center = (count * mean).sum(0) / known
    spread = (squares + count * (mean - center) ** 2).sum(0)
    columns = [center, spread, low.min(0), high.max(0)]
    columns = [np.where(total == 0, np.nan, column) for column in columns]
    return np.stack([total, *columns, nonfinite.sum(0)], axis=-1)
