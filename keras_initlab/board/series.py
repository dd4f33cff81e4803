"""The looks of a run as arrays, and weights as histograms of other callbacks show them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_initlab._wire import LayerInfo
from keras_initlab.board.thinning import thin

__all__ = [
    "HISTOGRAM_STATISTICS",
    "Histograms",
    "Series",
    "UnreadableError",
    "histograms_of",
    "layers_of_histograms",
    "moments_of_histograms",
    "natural_order",
    "series_of",
]

# No writer makes more bins.
_MOST_BINS = 1000

# Numbers of a series in memory; 2,000 looks of fifteen statistics at a thousand layers are fewer.
_MOST_NUMBERS = 2**25

HISTOGRAM_STATISTICS = ("histogram_mean", "histogram_variance")


class UnreadableError(Exception):
    """The logs do not hold the requested data, or not in a readable form."""


@dataclass(frozen=True)
class Series:
    """The looks of one section of one run.

    Args:
        layers: The rows.
        statistics: The columns.
        steps: `[looks]` int64, rising.
        values: `[looks, layers, statistics]` float32. The first look stands first, also where
            TensorBoard's sampling has dropped it.
        dropped: How many records could not be read: of another shape, or corrupt.
    """

    layers: tuple[LayerInfo, ...]
    statistics: tuple[str, ...]
    steps: np.ndarray
    values: np.ndarray
    dropped: int = 0

    def column(self, statistic: str) -> np.ndarray:
        """One statistic, `[looks, layers]`.

        Raises:
            UnreadableError: If the series has no such statistic.
        """
        if statistic not in self.statistics:
            raise UnreadableError(
                f"`statistic` must be one of {list(self.statistics)}. "
                f"Received: statistic={statistic!r:.80}."
            )
        return self.values[:, :, self.statistics.index(statistic)]


@dataclass(frozen=True)
class Histograms:
    """Histograms of one tensor over the steps.

    Args:
        steps: `[looks]` int64.
        bins: `[looks, bins, 3]` float32: left edge, right edge, count.
    """

    steps: np.ndarray
    bins: np.ndarray


def natural_order(name: str) -> list[Any]:
    """A key that sorts `dense_10` behind `dense_9`, as TensorBoard does.

    Example:
        >>> sorted(["dense_10", "dense_9", "dense"], key=natural_order)
        ['dense', 'dense_9', 'dense_10']
    """
    # Every second part of the name is a number.
    parts = re.split(r"([0-9]{1,15})", name)
    return [(bool(k % 2), int(part) if k % 2 else 0, part) for k, part in enumerate(parts)]


def series_of(
    layers: tuple[LayerInfo, ...], statistics: tuple[str, ...], data: Iterable[Any]
) -> Series:
    """The looks with these rows and columns, only the last one of each step."""
    shape = (len(layers), len(statistics))
    looks: dict[int, np.ndarray] = {}
    dropped = 0
    for datum in data:
        if datum.numpy.shape == shape and datum.numpy.dtype.kind == "f":
            looks[int(datum.step)] = datum.numpy
        else:
            dropped += 1
    steps = _apart(looks, shape[0] * shape[1])
    values = np.zeros((len(steps), *shape), np.float32)
    for place, step in enumerate(steps):
        values[place] = looks[step]
    return Series(layers, statistics, np.array(steps, np.int64), values, dropped)


def _apart(steps: Iterable[int], numbers: int) -> list[int]:
    """The steps in order; only some, evenly spaced, where a look has very many numbers."""
    rising = sorted(steps)
    places = thin(np.zeros((len(rising), 1)), max(2, _MOST_NUMBERS // max(1, numbers))).last
    return [rising[place] for place in places]


def layers_of_histograms(tags: Iterable[str]) -> list[LayerInfo]:
    """Keras logs no order of calls, so the tensors stand in the order of their names."""
    names = sorted(tags, key=natural_order)
    return [LayerInfo(name, "histogram", "", depth) for depth, name in enumerate(names)]


def moments_of_histograms(read: Mapping[str, Any]) -> Series:
    """Mean and variance of each tensor, as if each bin's elements lay at its centre."""
    names = sorted(read, key=natural_order)
    steps = _apart({int(datum.step) for data in read.values() for datum in data}, 2 * len(names))
    places = {step: place for place, step in enumerate(steps)}
    values = np.full((len(steps), len(names), 2), np.nan, np.float32)
    dropped = 0
    for row, name in enumerate(names):
        for datum in read[name]:
            if not _is_histogram(datum.numpy):
                dropped += 1
                continue
            if int(datum.step) not in places:
                continue
            left, right, count = np.asarray(datum.numpy, np.float64).T
            with np.errstate(all="ignore"):
                centre = (left + right) / 2
                mean = np.sum(count * centre) / np.sum(count)
                variance = np.sum(count * (centre - mean) ** 2) / np.sum(count)
                values[places[int(datum.step)], row] = mean, variance
    layers = tuple(layers_of_histograms(names))
    return Series(layers, HISTOGRAM_STATISTICS, np.array(steps, np.int64), values, dropped)


def _is_histogram(array: np.ndarray) -> bool:
    fits = array.ndim == 2 and array.shape[1:] == (3,) and 0 < len(array) <= _MOST_BINS
    return bool(fits and array.dtype.kind == "f")


def histograms_of(data: Sequence[Any], points: int) -> Histograms | None:
    """What was logged under one tag, at most `points` looks; `None` if nothing can be read."""
    data = [datum for datum in data if _is_histogram(datum.numpy)]
    if not data:
        return None
    # All looks are as wide as the widest of them, so they are chosen first.
    data = [data[place] for place in thin(np.zeros((len(data), 1)), points).last]
    most = max(len(datum.numpy) for datum in data)
    bins = np.zeros((len(data), most, 3), np.float32)
    with np.errstate(over="ignore"):
        for place, datum in enumerate(data):
            bins[place, : len(datum.numpy)] = datum.numpy
            bins[place, len(datum.numpy) :, :2] = datum.numpy[-1:, 1:2]
    return Histograms(np.array([datum.step for datum in data], np.int64), bins)
