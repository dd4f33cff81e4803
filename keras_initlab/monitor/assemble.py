"""From the numbers of the device to the tables of a look."""

from collections.abc import Sequence

import numpy as np

from keras_initlab._wire import SECTIONS, LayerInfo
from keras_initlab.monitor.looks import Section
from keras_initlab.monitor.step.activations import COLUMNS
from keras_initlab.monitor.step.histograms import BINS
from keras_initlab.monitor.step.moments import MOMENTS, combined
from keras_initlab.monitor.step.parameters import PARAMETER_COLUMNS

__all__ = ["activation_section", "weight_section"]

# The largest finite numbers: (2 - 2**-10) 2**15 and (2 - 2**-7) 2**127.
_LIMITS = np.log2([65504.0, (2 - 2.0**-7) * 2.0**127])

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
    # Sums of all replicas, of one replica those as they are.
    sums = stacked[0] if len(stacked) == 1 else stacked.sum(0)
    count, nonfinite = row[:, 0], row[:, 5]
    seen = np.maximum(count + nonfinite, 1)
    values = np.empty((len(row), len(SECTIONS["activations"])))
    _describe(values, row)
    values[:, 6] = sums[:, _SUM["zeros"]] / seen
    values[:, 7] = stacked[..., _SUM["dead"]].min(0)
    values[:, 8] = sums[:, _SUM["saturated"]] / seen
    values[:, 9] = nonfinite
    values[:, 10] = sums[:, _SUM["rank"]] / len(stacked)
    values[:, 11] = sums[:, _SUM["similarity"]] / len(stacked)
    values[:, 12:] = _headroom(row[:, 3:5])
    return Section(tuple(layers), values, _histograms(stacked, bins))


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
    values = np.empty((len(weight), len(SECTIONS["weights"])))
    described = np.empty((len(weight), 6))
    _describe(described, gradient)
    _describe(values, weight)
    values[:, 6] = weight[:, 5]
    values[:, 7:9] = described[:, 1:3]
    values[:, 9] = described[:, 3] * np.sqrt(whole)
    values[:, 10] = np.abs(gradient[:, 3:5]).max(axis=1)
    values[:, 11] = gradient[:, 5]
    values[:, 12] = _headroom(gradient[:, 3:5])[:, 0]
    values[:, 13] = ratio
    values[:, 14] = table[0, :, _WEIGHT["untouched"]]
    return Section(tuple(layers), values, _histograms(table, bins))


def _describe(table: np.ndarray, moments: np.ndarray) -> None:
    """Fill the first columns with count, mean, variance, root mean square, low and high."""
    count, mean, squares, low, high, _ = moments.T
    table[:, 0], table[:, 1], table[:, 4], table[:, 5] = count, mean, low, high
    variance = squares / np.maximum(count, 1)
    table[:, 2], table[:, 3] = variance, np.sqrt(variance + mean * mean)


def _headroom(ends: np.ndarray) -> np.ndarray:
    """Powers of two between the greater of two ends and the largest float16 and bfloat16."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _LIMITS - np.log2(np.abs(ends).max(axis=1))[:, np.newaxis]


def _histograms(stacked: np.ndarray, bins: int) -> np.ndarray | None:
    return stacked[..., -BINS:].sum(0) if bins else None
