"""From the numbers of the device to the tables of a look."""

from collections.abc import Sequence

import numpy as np

from keras_initlab._wire import LayerInfo
from keras_initlab.monitor.looks import Section
from keras_initlab.monitor.step.moments import BINS, COLUMNS, MOMENTS, combined
from keras_initlab.monitor.step.parameters import PARAMETER_COLUMNS

__all__ = ["activation_section", "weight_section"]

# The largest finite numbers: (2 - 2**-10) 2**15 and (2 - 2**-7) 2**127.
_FLOAT16_MAX, _BFLOAT16_MAX = 65504.0, float((2 - 2.0**-7) * 2.0**127)

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
    moments = combined(stacked[..., : len(MOMENTS)])
    count, mean, squares, low, high, nonfinite = moments.T
    seen = np.maximum(count + nonfinite, 1)
    variance = squares / np.maximum(count, 1)
    largest = np.maximum(np.abs(low), np.abs(high))
    columns = [
        *(count, mean, variance, np.sqrt(variance + mean**2), low, high),
        stacked[..., _SUM["zeros"]].sum(0) / seen,
        stacked[..., _SUM["dead"]].min(0),
        stacked[..., _SUM["saturated"]].sum(0) / seen,
        nonfinite,
        stacked[..., _SUM["rank"]].mean(0),
        stacked[..., _SUM["similarity"]].mean(0),
        _headroom(largest, _FLOAT16_MAX),
        _headroom(largest, _BFLOAT16_MAX),
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
    moments = combined(table[..., : len(MOMENTS)])
    count, mean, squares, low, high, nonfinite = moments.T
    variance = squares / np.maximum(count, 1)
    gradient = combined(table[..., len(MOMENTS) : 2 * len(MOMENTS)])
    g_count, g_mean, g_squares, g_low, g_high, g_nonfinite = gradient.T
    g_variance = g_squares / np.maximum(g_count, 1)
    whole = np.where(np.asarray(sizes) > 0, sizes, g_count)
    g_largest = np.maximum(np.abs(g_low), np.abs(g_high))
    moved, length = table[0, :, _WEIGHT["moved"]], table[0, :, _WEIGHT["length"]]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(length > 0, np.sqrt(moved / length), np.where(moved > 0, np.inf, 0.0))
    columns = [
        *(count, mean, variance, np.sqrt(variance + mean**2), low, high, nonfinite),
        *(g_mean, g_variance, np.sqrt((g_variance + g_mean**2) * whole), g_largest),
        *(g_nonfinite, _headroom(g_largest, _FLOAT16_MAX)),
        *(ratio, table[0, :, _WEIGHT["untouched"]]),
    ]
    return Section(tuple(layers), np.array(columns).T, _histograms(table, bins))


def _headroom(largest: np.ndarray, limit: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(limit) - np.log2(largest)


def _histograms(stacked: np.ndarray, bins: int) -> np.ndarray | None:
    return stacked[..., -BINS:].sum(0) if bins else None
