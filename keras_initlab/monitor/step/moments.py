"""What is measured: from an activation to a row of numbers, and from replicas to one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_initlab.theory import FlatRegions

__all__ = ["BINS", "BIN_EDGES", "COLUMNS", "combined", "histogram_of", "moments_of", "row_of"]

# What a row of an activation holds; `moments_of` makes the first six.
MOMENTS = ("count", "mean", "squares", "low", "high", "nonfinite")
COLUMNS = (*MOMENTS, "zeros", "dead", "saturated", "rank", "similarity")

# Bins of a factor of two on either side of zero: 2**-19 is where the first one ends.
BINS = 64
_HALF, _LOWEST_EXPONENT = BINS // 2, -20
_POSITIVE_EDGES = [0.0, *(2.0 ** (_LOWEST_EXPONENT + k + 1) for k in range(_HALF))]
BIN_EDGES = np.array([*(-edge for edge in reversed(_POSITIVE_EDGES)), *_POSITIVE_EDGES[1:]])

# Rows from which rank and similarity are estimated.
_RANK_ROWS = 64


def moments_of(values: Any, valid: Any = None) -> Any:
    """Moments in two passes, so that a large mean costs no digits.

    Args:
        values: Float tensor `(rows, units)`.
        valid: Boolean tensor that broadcasts to it, `True` for what counts; `None` for all.

    Returns:
        `(6,)`, columns `MOMENTS`: how many elements are counted and finite, their mean, the sum of
        their squared deviations, the least and the greatest, and how many are not finite.
    """
    if valid is not None:
        return _guarded_moments(values, valid)
    total = ops.sum(values)
    return ops.cond(
        ops.isfinite(total),
        lambda: _plain_moments(values, total),
        lambda: _guarded_moments(values, None),
    )


def _plain_moments(values: Any, total: Any) -> Any:
    count = ops.cast(ops.size(values), values.dtype)
    mean = total / ops.maximum(count, 1.0)
    squares = ops.sum(ops.square(values - mean))
    low, high = ops.min(values, initial=np.inf), ops.max(values, initial=-np.inf)
    return ops.stack([count, mean, squares, low, high, ops.zeros_like(count)])


def _guarded_moments(values: Any, valid: Any) -> Any:
    finite = ops.isfinite(values)
    seen = ops.ones_like(finite) if valid is None else ops.broadcast_to(valid, ops.shape(values))
    held = ops.logical_and(finite, seen)
    count = ops.sum(ops.cast(held, values.dtype))
    mean = ops.sum(ops.where(held, values, 0.0)) / ops.maximum(count, 1.0)
    squares = ops.sum(ops.where(held, ops.square(values - mean), 0.0))
    low = ops.min(ops.where(held, values, np.inf), initial=np.inf)
    high = ops.max(ops.where(held, values, -np.inf), initial=-np.inf)
    nonfinite = ops.sum(ops.cast(ops.logical_and(seen, ops.logical_not(finite)), values.dtype))
    return ops.stack([count, mean, squares, low, high, nonfinite])


def row_of(values: Any, valid: Any, flat: FlatRegions | None, before: Any) -> Any:
    """The row of an activation.

    Args:
        values: Float tensor `(rows, units)`.
        valid: Boolean `(rows, 1)`, `True` for the rows that count; `None` for all.
        flat: Where the layer's activation is flat; `None` where that is unknown.
        before: What entered the activation, like `values`; used if `flat.of` is `"input"`.

    Returns:
        `(11,)` float32, columns `COLUMNS`.
    """
    zero = ops.cast(ops.equal(values, 0.0), values.dtype)
    if valid is not None:
        weights = ops.cast(valid, values.dtype)
        zero, rows = zero * weights, ops.sum(weights)
    else:
        rows = ops.cast(ops.shape(values)[0], values.dtype)
    by_unit = ops.sum(zero, axis=0)
    dead = ops.cast(ops.logical_and(ops.equal(by_unit, rows), rows > 0), values.dtype)
    zeros = ops.sum(by_unit)
    places = before if flat is not None and flat.of == "input" else values
    saturated = _saturated(places, valid, flat, zeros)
    shares = ops.stack([zeros, ops.mean(dead), saturated, *_spectrum(values)])
    return ops.cast(ops.concatenate([moments_of(values, valid), shares]), "float32")


def _saturated(values: Any, valid: Any, flat: FlatRegions | None, zeros: Any) -> Any:
    if values is None or flat is None:
        return ops.full_like(zeros, np.nan)
    if flat.of == "output" and flat.regions == ((-np.inf, 0.0),):
        # ReLU: its output is never below zero.
        return zeros
    total = ops.zeros_like(zeros)
    for low, high in flat.regions:
        inside = ops.logical_and(values >= low, values <= high)
        inside = inside if valid is None else ops.logical_and(inside, valid)
        total = total + ops.sum(ops.cast(inside, zeros.dtype))
    return total


def _spectrum(values: Any) -> tuple[Any, Any]:
    """Effective rank about the mean, and mean likeness of two rows, from a few rows.

    The rank is the participation ratio of the singular values, `tr(C)**2 / tr(C**2)`: 1 if all
    units do the same. The likeness is the mean inner product of two different rows over their mean
    square: 1 if all examples look the same.
    """
    sample = _few_rows(values)
    rows = ops.cast(ops.shape(sample)[0], values.dtype)
    mean = ops.mean(sample, axis=0)
    centered = sample - mean
    tall = values.shape[1] <= _RANK_ROWS
    flipped = ops.transpose(centered)
    gram = ops.matmul(flipped, centered) if tall else ops.matmul(centered, flipped)
    trace = ops.sum(ops.square(centered))
    rank = ops.divide_no_nan(ops.square(trace), ops.sum(ops.square(gram)))
    shared = ops.sum(ops.square(mean))
    share = ops.divide_no_nan(shared * rows, shared * rows + trace)
    return rank, (rows * share - 1.0) / ops.maximum(rows - 1.0, 1.0)


def _few_rows(values: Any) -> Any:
    rows = values.shape[0] or ops.shape(values)[0]
    stride = rows // _RANK_ROWS
    stride = max(stride, 1) if isinstance(stride, int) else ops.maximum(stride, 1)
    return values[::stride][:_RANK_ROWS]


def histogram_of(values: Any, valid: Any = None) -> Any:
    """How many elements fall into each of 64 bins, of a factor of two on either side of zero.

    Args:
        values: Float tensor of any shape.
        valid: Boolean tensor that broadcasts to it, `True` for what counts; `None` for all.

    Returns:
        `(64,)` float32; edges in `BIN_EDGES`. What lies beyond is counted in the outermost bins,
        what is not finite nowhere.
    """
    held = ops.isfinite(values)
    held = held if valid is None else ops.logical_and(held, valid)
    magnitude = ops.where(held, ops.abs(values), 1.0)
    exponent = ops.floor(ops.log2(ops.maximum(magnitude, 2.0**_LOWEST_EXPONENT)))
    place = ops.clip(exponent - _LOWEST_EXPONENT, 0, _HALF - 1)
    place = ops.where(values < 0, _HALF - 1 - place, _HALF + place)
    place = ops.cast(ops.where(held, place, 0.0), "int32")
    ones = ops.reshape(ops.cast(held, "float32"), (-1,))
    return ops.segment_sum(ones, ops.reshape(place, (-1,)), num_segments=BINS)


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
