"""Copies a bounded part of a weight to the host."""

import math
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend

__all__ = ["gives_its_bias", "rows_on_host"]

# Copying a weight of up to this many elements whole is faster than an operation of the backend.
_WHOLE = 1 << 20

_BIASES = 1 << 14


def rows_on_host(tensor: Any, most: int) -> np.ndarray:
    """About `most` elements of a tensor as float32: its rows at equal distances.

    Args:
        tensor: A float tensor.
        most: Bound on the elements; a smaller tensor is copied whole.
    """
    rows, size = (tensor.shape[0] if len(tensor.shape) else 1), math.prod(tensor.shape)
    stride = math.ceil(size / most)
    if size > _WHOLE and 1 < stride <= rows:
        tensor, stride = _backend.gathered(tensor, np.arange(0, rows, stride)), 1
    values = ops.convert_to_numpy(tensor)
    values = values[::stride] if 1 < stride <= rows else values
    # A float64 past the end of float32 becomes infinite, as on every backend.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)


def gives_its_bias(layer: Any) -> bool:
    """Whether a layer has biases that are not all zero, as one that starts as the identity has.

    A recurrent layer gives what its state makes of them, so the biases of its gates do not count.

    Args:
        layer: A layer whose kernel is zero.
    """
    bias = getattr(layer, "bias", None)
    if bias is None or hasattr(layer, "recurrent_kernel"):
        return False
    return bool((rows_on_host(bias, _BIASES) != 0).any())
