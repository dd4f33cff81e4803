"""Counts of elements by size."""

from typing import Any

import numpy as np
from keras import ops

from keras_initlab._wire import HISTOGRAM_BINS
from keras_initlab.signal.samples import Block

__all__ = ["BIN_EDGES", "histogram_of"]

# Bins of a factor of two on either side of zero: 2**-19 is where the first one ends.
_HALF, _LOWEST_EXPONENT = HISTOGRAM_BINS // 2, -20
_POSITIVE_EDGES = [0.0, *(2.0 ** (_LOWEST_EXPONENT + k + 1) for k in range(_HALF))]
BIN_EDGES = np.array([*(-edge for edge in reversed(_POSITIVE_EDGES)), *_POSITIVE_EDGES[1:]])


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
    return ops.segment_sum(counted, ops.reshape(place, (-1,)), num_segments=HISTOGRAM_BINS)
