"""What the tab reads from the logs, through TensorBoard's data provider alone."""

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tensorboard.data.provider import RunTagFilter

from keras_initlab._wire import (
    FIRST_SUFFIX,
    PLUGIN_NAME,
    PROBLEMS_TAG,
    SECTIONS,
    LayerInfo,
    Problem,
    decode_metadata,
    decode_problems,
    decode_statistics,
    tag_of,
)

__all__ = ["HISTOGRAMS", "Histograms", "Logs", "Series", "UnreadableError", "natural_order"]

# Section of the tab that is made of the weight histograms of Keras's own TensorBoard callback.
HISTOGRAMS = "histograms"

_HISTOGRAM_STATISTICS = ("histogram_mean", "histogram_variance")

# The data provider wants a number; it hands out what it holds.
_ALL = 1_000_000_000

# Bytes of series held in memory; one of a hundred layers and 2,000 looks has 11 MB.
_MOST_HELD = 256_000_000


class UnreadableError(Exception):
    """The logs do not have what was asked for, or not in a form that can be read."""


@dataclass(frozen=True)
class Series:
    """The looks of one section of one run.

    Args:
        layers: What the rows are.
        statistics: What the columns are.
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


class Logs:
    """One experiment as a data provider shows it.

    Args:
        provider: TensorBoard's data provider.
    """

    def __init__(self, provider: Any):
        self._provider = provider
        self._held: OrderedDict[Any, tuple[Any, Series]] = OrderedDict()
        self._lock = threading.Lock()

    def runs(self, ctx: Any, experiment: str) -> list[dict[str, Any]]:
        """The runs with data for the tab, in TensorBoard's order, with what is known unread.

        Returns:
            For each its `name`; `sections`, by name the layers, statistics and last step;
            `histograms`, the tags; `scheme`; and `message`, where something cannot be read.
        """
        ours = self._listed(ctx, experiment, PLUGIN_NAME)
        histograms = self._listed(ctx, experiment, "histograms")
        names = sorted({*ours, *histograms}, key=natural_order)
        return [_about_run(name, ours.get(name, {}), histograms.get(name, {})) for name in names]

    def series(self, ctx: Any, experiment: str, run: str, section: str) -> Series:
        """The looks of a section.

        Raises:
            UnreadableError: If there is none, or none that can be read.
        """
        if section == HISTOGRAMS:
            return self._series_of_histograms(ctx, experiment, run)
        if section not in SECTIONS:
            raise UnreadableError(
                f"`section` must be one of {[*SECTIONS, HISTOGRAMS]}. "
                f"Received: section={section!r:.80}."
            )
        tag = tag_of(section)
        tags = {tag, tag + FIRST_SUFFIX}
        listed = self._listed(ctx, experiment, PLUGIN_NAME, run, tags).get(run, {})
        if not listed:
            raise UnreadableError(f"Run {run!r:.80} has no looks at {section}.")
        key = (experiment, run, section)
        stamp = {name: (each.max_step, each.max_wall_time) for name, each in listed.items()}
        return self._cached(key, stamp, lambda: self._read_series(ctx, experiment, run, listed))

    def problems(self, ctx: Any, experiment: str, run: str) -> list[Problem]:
        """What the callback found, the oldest first."""
        read = self._read(ctx, experiment, PLUGIN_NAME, run, {PROBLEMS_TAG})
        found: list[Problem] = []
        for datum in read.get(PROBLEMS_TAG, []):
            try:
                found += decode_problems(_bytes_of(datum.numpy))
            except ValueError:
                continue
        return sorted(found, key=lambda problem: problem.step)

    def histograms(self, ctx: Any, experiment: str, run: str, tag: str) -> Histograms:
        """Histograms that were logged under a tag.

        Raises:
            UnreadableError: If there are none.
        """
        data = self._read(ctx, experiment, "histograms", run, {tag}).get(tag, [])
        data = [datum for datum in data if _is_histogram(datum.numpy)]
        if not data:
            raise UnreadableError(f"Run {run!r:.80} has no histograms {tag!r:.80}.")
        most = max(len(datum.numpy) for datum in data)
        bins = np.zeros((len(data), most, 3), np.float32)
        with np.errstate(over="ignore"):
            for place, datum in enumerate(data):
                bins[place, : len(datum.numpy)] = datum.numpy
                bins[place, len(datum.numpy) :, :2] = datum.numpy[-1:, 1:2]
        return Histograms(np.array([datum.step for datum in data], np.int64), bins)

    # --- through the provider ------------------------------------------------------------------

    def _listed(
        self,
        ctx: Any,
        experiment: str,
        plugin: str,
        run: str | None = None,
        tags: Iterable[str] | None = None,
    ) -> Mapping[str, Mapping[str, Any]]:
        wanted = RunTagFilter(runs=None if run is None else [run], tags=tags and list(tags))
        return self._provider.list_tensors(
            ctx, experiment_id=experiment, plugin_name=plugin, run_tag_filter=wanted
        )

    def _read(
        self, ctx: Any, experiment: str, plugin: str, run: str, tags: Iterable[str]
    ) -> Mapping[str, Any]:
        try:
            read = self._provider.read_tensors(
                ctx,
                experiment_id=experiment,
                plugin_name=plugin,
                downsample=_ALL,
                run_tag_filter=RunTagFilter(runs=[run], tags=list(tags)),
            )
        except Exception as error:  # TensorBoard passes on whatever a broken tensor raises.
            raise UnreadableError(f"Run {run!r:.80} cannot be read: {error!s:.200}.") from error
        return read.get(run, {})

    def _cached(self, key: Any, stamp: Any, make: Callable[[], Series]) -> Series:
        with self._lock:
            if key in self._held and self._held[key][0] == stamp:
                self._held.move_to_end(key)
                return self._held[key][1]
        made = make()
        with self._lock:
            self._held[key] = (stamp, made)
            self._held.move_to_end(key)
            while len(self._held) > 1 and self._bytes_held() > _MOST_HELD:
                self._held.popitem(last=False)
        return made

    def _bytes_held(self) -> int:
        return sum(series.values.nbytes for _, series in self._held.values())

    def _read_series(
        self, ctx: Any, experiment: str, run: str, listed: Mapping[str, Any]
    ) -> Series:
        tag = min(listed, key=len)
        try:
            layers = tuple(decode_metadata(listed[tag].plugin_content))
            statistics = decode_statistics(listed[tag].plugin_content)
        except ValueError as error:
            raise UnreadableError(f"Run {run!r:.80} cannot be read: {error}") from error
        read = self._read(ctx, experiment, PLUGIN_NAME, run, listed)
        shape = (len(layers), len(statistics))
        looks: dict[int, np.ndarray] = {}
        dropped = 0
        # The first look is among the others as well, if sampling has kept it.
        firsts = [name for name in read if name.endswith(FIRST_SUFFIX)]
        for name in (*firsts, *(name for name in read if name not in firsts)):
            for datum in read[name][:1] if name in firsts else read[name]:
                if datum.numpy.shape == shape and datum.numpy.dtype.kind == "f":
                    looks[int(datum.step)] = datum.numpy
                else:
                    dropped += 1
        steps = np.array(sorted(looks), np.int64)
        values = np.zeros((len(steps), *shape), np.float32)
        for place, step in enumerate(steps):
            values[place] = looks[int(step)]
        return Series(layers, statistics, steps, values, dropped)

    def _series_of_histograms(self, ctx: Any, experiment: str, run: str) -> Series:
        listed = self._listed(ctx, experiment, "histograms", run).get(run, {})
        if not listed:
            raise UnreadableError(f"Run {run!r:.80} has no histograms.")
        stamp = {name: (each.max_step, each.max_wall_time) for name, each in listed.items()}
        return self._cached(
            (experiment, run, HISTOGRAMS),
            stamp,
            lambda: _moments_of_histograms(
                self._read(ctx, experiment, "histograms", run, sorted(listed, key=natural_order))
            ),
        )


def natural_order(name: str) -> list[Any]:
    """A key that sorts `dense_10` behind `dense_9`, as TensorBoard does.

    Example:
        >>> sorted(["dense_10", "dense_9", "dense"], key=natural_order)
        ['dense', 'dense_9', 'dense_10']
    """
    parts = re.split(r"([0-9]{1,15})", name)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _about_run(name: str, ours: Mapping[str, Any], histograms: Mapping[str, Any]) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    message = ""
    for section in SECTIONS:
        series = ours.get(tag_of(section)) or ours.get(tag_of(section) + FIRST_SUFFIX)
        if series is None:
            continue
        try:
            sections[section] = {
                "layers": [asdict(layer) for layer in decode_metadata(series.plugin_content)],
                "statistics": decode_statistics(series.plugin_content),
                "last_step": int(series.max_step),
            }
        except ValueError as error:
            message = str(error)
    if histograms and not sections:
        sections[HISTOGRAMS] = {
            "layers": [asdict(layer) for layer in _layers_of_histograms(histograms)],
            "statistics": _HISTOGRAM_STATISTICS,
            "last_step": max(int(series.max_step) for series in histograms.values()),
        }
    layers: list[Any] = next((section["layers"] for section in sections.values()), [])
    # Tables keep a scheme of their own; the layers that carry the signal tell a run's.
    carrying = [layer for layer in layers if layer["kind"] != "Embedding"] or layers
    schemes = Counter(layer["scheme"] for layer in carrying if layer["scheme"])
    return {
        "name": name,
        "sections": sections,
        "histograms": sorted(histograms, key=natural_order),
        "scheme": schemes.most_common(1)[0][0] if schemes else "",
        "message": message,
    }


def _layers_of_histograms(tags: Iterable[str]) -> list[LayerInfo]:
    """Keras logs no order of calls, so the tensors stand in the order of their names."""
    names = sorted(tags, key=natural_order)
    return [LayerInfo(name, "histogram", "", depth) for depth, name in enumerate(names)]


def _moments_of_histograms(read: Mapping[str, Any]) -> Series:
    """Mean and variance of each tensor, as if each bin's elements lay at its centre."""
    names = sorted(read, key=natural_order)
    steps = sorted({int(datum.step) for data in read.values() for datum in data})
    values = np.full((len(steps), len(names), 2), np.nan, np.float32)
    dropped = 0
    for row, name in enumerate(names):
        for datum in read[name]:
            if not _is_histogram(datum.numpy):
                dropped += 1
                continue
            left, right, count = np.asarray(datum.numpy, np.float64).T
            with np.errstate(all="ignore"):
                centre = (left + right) / 2
                mean = np.sum(count * centre) / np.sum(count)
                variance = np.sum(count * (centre - mean) ** 2) / np.sum(count)
                values[steps.index(int(datum.step)), row] = mean, variance
    layers = tuple(_layers_of_histograms(names))
    return Series(layers, _HISTOGRAM_STATISTICS, np.array(steps, np.int64), values, dropped)


def _is_histogram(array: np.ndarray) -> bool:
    return (
        array.ndim == 2 and array.shape[1:] == (3,) and len(array) > 0 and array.dtype.kind == "f"
    )


def _bytes_of(array: np.ndarray) -> bytes:
    item = array.item() if array.size == 1 else b""
    return item if isinstance(item, bytes) else str(item).encode()
