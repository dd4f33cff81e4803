"""Moments of blocks, and of replicas together."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.signal.samples import Block, grouped

__all__ = [
    "MOMENTS",
    "at_least_one",
    "combined",
    "elements_of",
    "joined",
    "mean_square",
    "moment_rows",
    "moments_from",
    "over_rows",
    "rows_counted",
    "stacked_rows",
    "sums_of",
]

MOMENTS = ("count", "mean", "squares", "low", "high", "nonfinite")


def moment_rows(blocks: Sequence[Block]) -> Any:
    """Moments in two passes, so that a large mean costs no digits.

    Returns:
        `(blocks, 6)` float32, columns `MOMENTS`: how many elements are counted and finite, their
        mean, the sum of their squared deviations, the least and the greatest, and how many are not
        finite. For the least and the greatest a zero stands in for what is not finite.
    """
    return moments_from(blocks, stacked_rows(blocks, _sums))


def moments_from(blocks: Sequence[Block], sums: Any) -> Any:
    """The rows of moments from rows that begin with what `sums_of` makes of each block."""
    mean, halves, low, high = (sums[:, place] for place in range(4))
    count = joined([elements_of(block) for block in blocks])
    table = ops.stack([count, mean, 2.0 * halves, low, high, ops.zeros_like(mean)], axis=1)
    # Sums of finite numbers are finite: what is not needs more work, and is rare.
    broken = ops.logical_not(ops.isfinite(ops.sum(halves)))
    return _backend.when(broken, lambda: stacked_rows(blocks, _finite_moments), table)


def _sums(block: Block) -> Any:
    return ops.stack(sums_of(block, elements_of(block)), axis=-1)


def sums_of(block: Block, count: Any) -> list[Any]:
    """Mean, half the sum of squared deviations, the least and the greatest."""
    values, weights = block.values, block.weights
    mean = ops.sum(values, axis=(-2, -1)) / at_least_one(count)
    deviation, low, high = values - over_rows(mean), values, values
    if weights is not None:
        counted = ops.expand_dims(weights, -1)
        deviation = deviation * counted
        low, high = ops.where(counted > 0, values, np.inf), ops.where(counted > 0, values, -np.inf)
    halves = _backend.half_sum_of_squares(deviation)
    return [mean, halves, ops.min(low, axis=(-2, -1)), ops.max(high, axis=(-2, -1))]


def _finite_moments(block: Block) -> Any:
    finite = ops.isfinite(block.values)
    nonfinite = ops.sum(ops.cast(ops.logical_not(finite), block.values.dtype), axis=(-2, -1))
    count = elements_of(block) - nonfinite
    held = replace(block, values=ops.where(finite, block.values, 0.0))
    mean, halves, low, high = sums_of(held, count)
    # Each zero that stands in for what is not finite has added the square of the mean.
    squares = ops.maximum(2.0 * halves - nonfinite * ops.square(mean), 0.0)
    return ops.stack([count, mean, squares, low, high, nonfinite], axis=-1)


def rows_counted(block: Block) -> Any:
    """How many rows count: a number where that is known, else a tensor."""
    if block.weights is not None:
        return ops.sum(block.weights, axis=-1)
    rows = block.values.shape[-2]
    if rows is not None:
        return float(rows)
    return ops.cast(ops.shape(block.values)[-2], block.values.dtype)


def elements_of(block: Block) -> Any:
    """How many elements count."""
    return rows_counted(block) * float(block.values.shape[-1])


def at_least_one(count: Any) -> Any:
    """A count, known or not, that may be divided by."""
    return max(count, 1.0) if isinstance(count, float) else ops.maximum(count, 1.0)


def over_rows(numbers: Any) -> Any:
    """One number of each block, so that it broadcasts over the block's rows and units."""
    return ops.reshape(numbers, (*numbers.shape, 1, 1)) if numbers.shape else numbers


def joined(numbers: Sequence[Any]) -> Any:
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


def mean_square(block: Block) -> Any:
    """Of all elements of a block that count."""
    squares = 2.0 * _backend.half_sum_of_squares(block.values)
    return squares / at_least_one(elements_of(block))


def combined(parts: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
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
