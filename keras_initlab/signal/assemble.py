"""From the numbers of the device to the tables of a look."""

from collections.abc import Sequence

import numpy as np

from keras_initlab._wire import HISTOGRAM_BINS, LayerInfo
from keras_initlab.signal.activations import COLUMNS
from keras_initlab.signal.looks import Section
from keras_initlab.signal.moments import MOMENTS, combined
from keras_initlab.signal.parameters import PARAMETER_COLUMNS

__all__ = ["activation_section", "weight_section"]

# The largest finite numbers: (2 - 2**-10) 2**15 and (2 - 2**-7) 2**127.
_LIMITS = np.log2([[65504.0], [(2 - 2.0**-7) * 2.0**127]])

_SUM = {name: COLUMNS.index(name) for name in COLUMNS}
_WEIGHT = {name: PARAMETER_COLUMNS.index(name) for name in PARAMETER_COLUMNS}


def activation_section(layers: Sequence[LayerInfo], parts: list[np.ndarray], bins: int) -> Section:
    """The table of the activations.

    Args:
        layers: The rows.
        parts: One `(layers, columns)` array per replica.
        bins: Columns at the end that are a histogram, 0 or 64.
    """
    stacked = np.asarray(parts, np.float64)
    row = combined(stacked[..., : len(MOMENTS)])
    sums, seen = stacked.sum(0), np.maximum(row[:, 0] + row[:, 5], 1)
    columns = [
        *_described(row),
        sums[:, _SUM["zeros"]] / seen,
        stacked[..., _SUM["dead"]].min(0),
        sums[:, _SUM["saturated"]] / seen,
        row[:, 5],
        sums[:, _SUM["rank"]] / len(stacked),
        sums[:, _SUM["similarity"]] / len(stacked),
        *_headroom(row),
    ]
    return Section(tuple(layers), np.array(columns).T, _histograms(stacked, bins))


def weight_section(
    layers: Sequence[LayerInfo], parts: list[np.ndarray], bins: int, sizes: Sequence[int]
) -> Section:
    """The table of the weights; every replica holds the same, so the first one tells.

    Args:
        layers: The rows.
        parts: One `(layers, columns)` array per replica.
        bins: Columns at the end that are a histogram, 0 or 64.
        sizes: Elements of each whole weight; 0 where its part looked at is all that counts.
    """
    table = np.asarray(parts[:1], np.float64)
    weight = combined(table[..., : len(MOMENTS)])
    gradient = combined(table[..., len(MOMENTS) : 2 * len(MOMENTS)])
    whole = np.where(np.asarray(sizes) > 0, sizes, gradient[:, 0])
    moved, length = table[0, :, _WEIGHT["moved"]], table[0, :, _WEIGHT["length"]]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(length > 0, np.sqrt(moved / length), np.where(moved > 0, np.inf, 0.0))
    _, mean, variance, rms, *_ = _described(gradient)
    columns = [
        *(*_described(weight), weight[:, 5]),
        *(mean, variance, rms * np.sqrt(whole), _largest(gradient)),
        *(gradient[:, 5], _headroom(gradient)[0]),
        *(ratio, table[0, :, _WEIGHT["untouched"]]),
    ]
    return Section(tuple(layers), np.array(columns).T, _histograms(table, bins))


def _described(moments: np.ndarray) -> list[np.ndarray]:
    """Count, mean, variance, root mean square, low and high, a column each."""
    count, mean, squares, low, high, _ = moments.T
    variance = squares / np.maximum(count, 1)
    return [count, mean, variance, np.sqrt(variance + mean * mean), low, high]


def _largest(moments: np.ndarray) -> np.ndarray:
    """The greatest absolute value."""
    largest: np.ndarray = np.abs(moments[:, 3:5]).max(axis=1)
    return largest


def _headroom(moments: np.ndarray) -> np.ndarray:
    """Powers of two up to the largest float16 and bfloat16, a row each."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _LIMITS - np.log2(_largest(moments))


def _histograms(stacked: np.ndarray, bins: int) -> np.ndarray | None:
    return stacked[..., -HISTOGRAM_BINS:].sum(0) if bins else None
