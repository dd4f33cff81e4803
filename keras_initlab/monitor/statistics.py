"""What is measured: from an activation to a few numbers, and from replicas to one."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

__all__ = ["COLUMNS", "merged", "moments_of", "sample_of"]

COLUMNS = ("count", "mean", "squares", "zeros", "dead", "nonfinite")

# With fewer whole examples than this the spread between examples would be guesswork.
_FEWEST_EXAMPLES = 8


def moments_of(tensor: Any) -> Any:
    """Moments of all finite elements, in two passes so that a large mean costs no digits.

    Args:
        tensor: Float tensor `(batch, ..., units)`.

    Returns:
        `(6,)` float32, columns `COLUMNS`: how many elements are finite, their mean, the sum of
        their squared deviations, how many are zero, the share of units (last axis) that are zero
        everywhere, and how many are not finite.
    """
    values = ops.cast(tensor, "float64" if tensor.dtype == "float64" else "float32")
    finite = ops.isfinite(values)
    count = ops.sum(ops.cast(finite, values.dtype))
    mean = ops.sum(ops.where(finite, values, 0.0)) / ops.maximum(count, 1.0)
    squares = ops.sum(ops.where(finite, ops.square(values - mean), 0.0))
    zero = ops.cast(ops.equal(values, 0.0), values.dtype)
    dead = ops.mean(ops.min(zero, axis=tuple(range(len(values.shape) - 1))))
    nonfinite = ops.sum(1.0 - ops.cast(finite, values.dtype))
    row = ops.stack([count, mean, squares, ops.sum(zero), dead, nonfinite])
    return ops.cast(row, "float32")


def sample_of(tensor: Any, max_elements: int | None) -> Any:
    """About `max_elements` elements: whole examples, and where these are huge, strided positions.

    Args:
        tensor: Float tensor `(batch, *positions, units)`.
        max_elements: Bound on the elements, `None` for all of them.

    Returns:
        A slice of the tensor that keeps every unit.
    """
    sizes = [size or 1 for size in tensor.shape[1:]]
    if max_elements is None or None in tensor.shape[1:]:
        return tensor
    room = max(1, max_elements // _FEWEST_EXAMPLES)
    if math.prod(sizes) > room and len(sizes) > 1:
        stride = math.ceil((math.prod(sizes) / room) ** (1 / (len(sizes) - 1)))
        steps = [slice(None, None, stride)] * (len(sizes) - 1)
        tensor = tensor[(slice(None), *steps)]
        sizes = [-(-size // stride) for size in sizes[:-1]] + sizes[-1:]
    return tensor[: max(_FEWEST_EXAMPLES, max_elements // max(1, math.prod(sizes)))]


def merged(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Statistics of all replicas together, exact but for `dead_fraction`.

    Args:
        parts: One `(layers, 6)` array per replica, columns `COLUMNS`.

    Returns:
        `(layers, 6)` float64, columns `keras_initlab._wire.STATISTICS`. `dead_fraction` is the
        smallest of the replicas', an upper bound.

    Source:
        Chan, Golub and LeVeque 1983, eq. 1.5, https://doi.org/10.1080/00031305.1983.10483115.
    """
    count, mean, squares, zeros, dead, nonfinite = np.moveaxis(np.asarray(parts, np.float64), -1, 0)
    total = count.sum(0)
    known = np.maximum(total, 1)
    center = (count * mean).sum(0) / known
    spread = (squares + count * (mean - center) ** 2).sum(0)
    seen = np.maximum(total + nonfinite.sum(0), 1)
    nothing = total == 0
    columns = [
        total,
        np.where(nothing, np.nan, center),
        np.where(nothing, np.nan, spread / known),
        zeros.sum(0) / seen,
        dead.min(0),
        nonfinite.sum(0) / seen,
    ]
    return np.stack(columns, axis=-1)
