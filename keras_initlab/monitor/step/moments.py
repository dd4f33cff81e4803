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
    "mean_square",
    "moment_rows",
    "stacked_rows",
]

# What a row of an activation holds; `moment_rows` makes the first six.
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


def moment_rows(blocks: Sequence[Block]) -> Any:
    """Moments in two passes, so that a large mean costs no digits.

    Returns:
        `(blocks, 6)` float32, columns `MOMENTS`: how many elements are counted and finite, their
        mean, the sum of their squared deviations, the least and the greatest, and how many are not
        finite. For the least and the greatest a zero stands in for what is not finite.
    """
    return _moments(blocks, stacked_rows(blocks, _sums))


def _moments(blocks: Sequence[Block], sums: Any) -> Any:
    """The rows of moments from what `_sums` makes of each block."""
    mean, halves, low, high = (sums[:, place] for place in range(4))
    count = _joined([_elements_of(block) for block in blocks])
    table = ops.stack([count, mean, 2.0 * halves, low, high, ops.zeros_like(mean)], axis=1)
    # Sums of finite numbers are finite: what is not needs more work, and is rare.
    broken = ops.logical_not(ops.isfinite(ops.sum(halves)))
    return _backend.when(broken, lambda: stacked_rows(blocks, _finite_moments), table)


def _sums(block: Block) -> Any:
    return ops.stack(_sums_of(block, _elements_of(block)), axis=-1)


def _sums_of(block: Block, count: Any) -> list[Any]:
    """Mean, half the sum of squared deviations, the least and the greatest."""
    values, weights = block.values, block.weights
    mean = ops.sum(values, axis=(-2, -1)) / _at_least_one(count)
    deviation, low, high = values - _over_rows(mean), values, values
    if weights is not None:
        counted = ops.expand_dims(weights, -1)
        deviation = deviation * counted
        low, high = ops.where(counted > 0, values, np.inf), ops.where(counted > 0, values, -np.inf)
    halves = _backend.half_sum_of_squares(deviation)
    return [mean, halves, ops.min(low, axis=(-2, -1)), ops.max(high, axis=(-2, -1))]


def _finite_moments(block: Block) -> Any:
    finite = ops.isfinite(block.values)
    nonfinite = ops.sum(ops.cast(ops.logical_not(finite), block.values.dtype), axis=(-2, -1))
    count = _elements_of(block) - nonfinite
    held = replace(block, values=ops.where(finite, block.values, 0.0))
    mean, halves, low, high = _sums_of(held, count)
    # Each zero that stands in for what is not finite has added the square of the mean.
    squares = ops.maximum(2.0 * halves - nonfinite * ops.square(mean), 0.0)
    return ops.stack([count, mean, squares, low, high, nonfinite], axis=-1)


def _rows_of(block: Block) -> Any:
    """How many rows count: a number where that is known, else a tensor."""
    if block.weights is not None:
        return ops.sum(block.weights, axis=-1)
    rows = block.values.shape[-2]
    if rows is not None:
        return float(rows)
    return ops.cast(ops.shape(block.values)[-2], block.values.dtype)


def _elements_of(block: Block) -> Any:
    return _rows_of(block) * float(block.values.shape[-1])


def _at_least_one(count: Any) -> Any:
    return max(count, 1.0) if isinstance(count, float) else ops.maximum(count, 1.0)


def _over_rows(numbers: Any) -> Any:
    """One number of each block, so that it broadcasts over the block's rows and units."""
    return ops.reshape(numbers, (*numbers.shape, 1, 1)) if numbers.shape else numbers


def _joined(numbers: Sequence[Any]) -> Any:
    """One number of each block, known or not, as a float32 tensor."""
    if all(isinstance(number, float) for number in numbers):
        return ops.convert_to_tensor(np.array(numbers, "float32"))
    return ops.stack([ops.cast(number, "float32") for number in numbers])


def stacked_rows(blocks: Sequence[Block], measure: Callable[[Block], Any]) -> Any:
    """`measure(block)` of every block, in their order.

    On TensorFlow each alone, for small operations run in one thread and in the cache; elsewhere
    those of a shape together, for there the number of operations is what costs.

    Args:
        blocks: The blocks.
        measure: Makes `(..., columns)` of a block `(..., rows, units)`.

    Returns:
        `(blocks, columns)` float32.
    """
    function = _backend.reused(_of_tensors(measure))
    if _backend.prefers_small_operations():
        return ops.stack([ops.cast(function(*block.tensors), "float32") for block in blocks])
    order: list[int] = []
    rows = []
    for places, group in grouped(blocks):
        order += places
        rows.append(ops.cast(function(*group.tensors), "float32"))
    table = rows[0] if len(rows) == 1 else ops.concatenate(rows)
    back = [order.index(place) for place in range(len(order))]
    return table if back == sorted(back) else ops.take(table, np.array(back), axis=0)


@functools.cache
def _of_tensors(measure: Callable[[Block], Any]) -> Callable:
    return lambda *tensors: measure(Block(*tensors))


def activation_rows(activations: Sequence[Activation]) -> Any:
    """The rows of activations: `(activations, 11)` float32, columns `COLUMNS`."""
    blocks = [each.block for each in activations]
    table = stacked_rows(blocks, _measured)
    units = _joined([float(block.values.shape[-1]) for block in blocks])
    rows = _joined([_rows_of(block) for block in blocks])
    zeros = rows * units - table[:, 4]
    dead = ops.minimum(rows, 1.0) * ((units - table[:, 5]) / units)
    columns = [zeros, dead, *_spectrum(table[:, 6:]), _saturated(activations, zeros)]
    return ops.concatenate([_moments(blocks, table), ops.stack(columns, axis=1)], axis=1)


def _measured(block: Block) -> Any:
    held = ops.sum(_not_zero(block.values), axis=-2)
    living = ops.sum(_not_zero(held), axis=-1)
    sums = _sums_of(block, _elements_of(block))
    return ops.stack([*sums, ops.sum(held, axis=-1), living, *_powers(block)], axis=-1)


def _not_zero(values: Any) -> Any:
    """1 or 0; through a boolean, for a comparison takes TensorFlow twice as long."""
    return ops.cast(ops.cast(values, "bool"), values.dtype)


def _powers(block: Block) -> list[Any]:
    """Of a few rows: how many count, and half the squares of their mean, deviations and products.

    These are the squares of the mean row, the trace `tr(C)` of the covariance of the rows, and
    `tr(C**2)`, each without its divisor.
    """
    sample = _spread_rows(block)
    rows, values = _rows_of(sample), sample.values
    mean = ops.sum(values, axis=-2, keepdims=True)
    mean = mean / (rows if isinstance(rows, float) else _over_rows(_at_least_one(rows)))
    centered = values - mean
    if sample.weights is not None:
        centered = centered * ops.expand_dims(sample.weights, -1)
    products = ops.matmul(centered, ops.swapaxes(centered, -2, -1))
    halves = [_backend.half_sum_of_squares(each) for each in (mean, centered, products)]
    return [rows + ops.zeros_like(halves[0]), *halves]


def _spectrum(powers: Any) -> list[Any]:
    """Effective rank about the mean, and mean likeness of two rows, from a few rows.

    The rank is the participation ratio of the singular values, `tr(C)**2 / tr(C**2)`: 1 if all
    units do the same. The likeness is the mean inner product of two different rows over their mean
    square: 1 if all examples look the same.
    """
    rows, mean, trace, products = (powers[:, place] for place in range(4))
    rank = ops.divide_no_nan(2.0 * ops.square(trace), products)
    shared = mean * rows
    share = ops.divide_no_nan(shared, shared + trace)
    return [rank, (rows * share - 1.0) / ops.maximum(rows - 1.0, 1.0)]


def _spread_rows(block: Block) -> Block:
    """Rows at equal distances.

    Neighbouring rows may be positions of one example, too alike to tell about the layer.
    """
    rows = block.values.shape[-2]
    if rows is not None and rows <= _RANK_ROWS:
        return block
    if rows is not None:
        places = np.arange(_RANK_ROWS, dtype="int32") * rows // _RANK_ROWS
    else:
        rows = ops.shape(block.values)[-2]
        most = ops.minimum(rows, _RANK_ROWS)
        places = ops.arange(most, dtype="int32") * rows // ops.maximum(most, 1)
    weights = block.weights
    return Block(
        _backend.gathered(block.values, places, axis=len(block.values.shape) - 2),
        None if weights is None else _backend.gathered(weights, places, len(weights.shape) - 1),
    )


def _saturated(activations: Sequence[Activation], zeros: Any) -> Any:
    """How many elements of each lie where its activation is flat: `(activations,)`."""
    asked = [place for place, each in enumerate(activations) if _must_compare(each)]
    # ReLU is flat where its output is zero, for it is never below.
    shares = np.array([_known_share(each) for each in activations], "float32")
    known = ops.convert_to_tensor(shares)
    column = zeros * known
    if not asked:
        return column
    counts = stacked_rows([_compared(activations[place]) for place in asked], _count_of)
    places = ops.convert_to_tensor(np.array(asked)[:, None], "int32")
    return ops.scatter_update(column, places, counts[:, 0])


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


def mean_square(block: Block) -> Any:
    """Of all elements of a block that count."""
    squares = 2.0 * _backend.half_sum_of_squares(block.values)
    return squares / _at_least_one(_elements_of(block))


def _count_of(block: Block) -> Any:
    values = block.values
    if block.weights is not None:
        values = values * ops.expand_dims(block.weights, -1)
    return ops.expand_dims(ops.sum(values, axis=(-2, -1)), -1)


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
    counted = ops.cast(held, "float32")
    if block.weights is not None:
        counted = counted * ops.cast(ops.expand_dims(block.weights, 1), "float32")
    counted = ops.reshape(counted, (-1,))
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
