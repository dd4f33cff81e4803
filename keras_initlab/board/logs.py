"""The logs as the tab reads them, only through TensorBoard's data provider."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from tensorboard.data.provider import RunTagFilter

from keras_initlab._wire import (
    FIRST_SUFFIX,
    LAYERS_SUFFIX,
    PLUGIN_NAME,
    PROBLEMS_TAG,
    SECTIONS,
    Problem,
    decode_metadata,
    decode_problems,
    decode_statistics,
    tag_of,
)
from keras_initlab.board.edges import edges_in
from keras_initlab.board.series import (
    HISTOGRAM_STATISTICS,
    Histograms,
    Series,
    UnreadableError,
    histograms_of,
    layers_of_histograms,
    moments_of_histograms,
    natural_order,
    series_of,
)
from keras_initlab.board.tensors import as_held

__all__ = ["HISTOGRAMS", "Logs"]

# Section of the tab that is made of the weight histograms of Keras's own TensorBoard callback.
HISTOGRAMS = "histograms"

# More than the data provider holds; it requires a number.
_ALL = 1_000_000_000

# Bytes of series held in memory; one of a hundred layers and 2,000 looks has 11 MB.
_MOST_HELD = 256_000_000


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
        """The runs with data for the tab, in TensorBoard's order, without reading their data.

        Returns:
            For every run: `name`; `sections`, by name the layers, the graph's edges (`None` where
            the log holds none), statistics and last step;
            `histograms`, the tags; `scheme`; and `message`, where something cannot be read.
        """
        ours = self._listed(ctx, experiment, PLUGIN_NAME)
        histograms = self._listed(ctx, experiment, "histograms")
        names = sorted({*ours, *histograms}, key=natural_order)
        newest = self._newest_layers(ctx, experiment)
        return [
            _about_run(name, ours.get(name, {}), histograms.get(name, {}), newest.get(name, {}))
            for name in names
        ]

    def series(self, ctx: Any, experiment: str, run: str, section: str) -> Series:
        """The snapshots of a section.

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
            raise UnreadableError(f"Run {run!r:.80} has no snapshots of {section}.")
        about = self._newest_layers(ctx, experiment, run).get(run, {}).get(section)
        about = about or _described(listed, section).plugin_content
        return self._cached(
            (experiment, run, section),
            (_stamp(listed), about),
            lambda: self._read_series(ctx, experiment, run, listed, about),
        )

    def problems(self, ctx: Any, experiment: str, run: str) -> tuple[list[Problem], str]:
        """The problems that the callback found, oldest first, and which of them cannot be read."""
        found: list[Problem] = []
        message = ""
        try:
            read = self._read(ctx, experiment, PLUGIN_NAME, run, {PROBLEMS_TAG})
        except UnreadableError as error:
            return [], str(error)
        for datum in read.get(PROBLEMS_TAG, []):
            try:
                found += decode_problems(_bytes_of(datum.numpy))
            except ValueError as error:
                message = str(error)
        return sorted(found, key=lambda problem: problem.step), message

    def histograms(self, ctx: Any, experiment: str, run: str, tag: str, points: int) -> Histograms:
        """Histograms that were logged under a tag, so many of them.

        Raises:
            UnreadableError: If there are none.
        """
        data = self._read(ctx, experiment, "histograms", run, {tag}).get(tag, [])
        found = histograms_of(data, points)
        if found is None:
            raise UnreadableError(f"Run {run!r:.80} has no histograms {tag!r:.80}.")
        return found

    # --- through the provider ------------------------------------------------------------------

    def _listed(
        self,
        ctx: Any,
        experiment: str,
        plugin: str,
        run: str | None = None,
        tags: Iterable[str] | None = None,
    ) -> Mapping[str, Mapping[str, Any]]:
        return self._provider.list_tensors(
            ctx,
            experiment_id=experiment,
            plugin_name=plugin,
            run_tag_filter=_wanted(run, tags),
        )

    def _read(
        self, ctx: Any, experiment: str, plugin: str, run: str, tags: Iterable[str]
    ) -> Mapping[str, Any]:
        try:
            return self._tensors(ctx, experiment, plugin, run, tags).get(run, {})
        except Exception as error:  # A broken tensor makes TensorBoard raise errors of any class.
            raise UnreadableError(f"Run {run!r:.80} cannot be read: {error!s:.200}.") from error

    def _tensors(
        self, ctx: Any, experiment: str, plugin: str, run: str | None, tags: Iterable[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """The tensors with these tags, by run and tag; `None` is every run."""
        with as_held():
            return self._provider.read_tensors(
                ctx,
                experiment_id=experiment,
                plugin_name=plugin,
                downsample=_ALL,
                run_tag_filter=_wanted(run, tags),
            )

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

    def _newest_layers(
        self, ctx: Any, experiment: str, run: str | None = None
    ) -> dict[str, dict[str, bytes]]:
        """The layers of the newest training in each run's directory, by section."""
        tags = {tag_of(section) + LAYERS_SUFFIX: section for section in SECTIONS}
        try:
            read = self._tensors(ctx, experiment, PLUGIN_NAME, run, tags)
        except Exception:  # The log may be foreign: use the metadata instead.
            return {}
        return {
            name: {tags[tag]: _bytes_of(data[-1].numpy) for tag, data in found.items() if data}
            for name, found in read.items()
        }

    def _read_series(
        self, ctx: Any, experiment: str, run: str, listed: Mapping[str, Any], about: bytes
    ) -> Series:
        try:
            layers = tuple(decode_metadata(about))
            statistics = decode_statistics(about)
        except ValueError as error:
            raise UnreadableError(f"Run {run!r:.80} cannot be read: {error}") from error
        read = self._read(ctx, experiment, PLUGIN_NAME, run, listed)
        # If sampling has kept the first look, it is among the others too.
        names = sorted(read, key=lambda name: not name.endswith(FIRST_SUFFIX))
        return series_of(layers, statistics, [datum for name in names for datum in read[name]])

    def _series_of_histograms(self, ctx: Any, experiment: str, run: str) -> Series:
        listed = self._listed(ctx, experiment, "histograms", run).get(run, {})
        if not listed:
            raise UnreadableError(f"Run {run!r:.80} has no histograms.")
        return self._cached(
            (experiment, run, HISTOGRAMS),
            _stamp(listed),
            lambda: moments_of_histograms(
                self._read(ctx, experiment, "histograms", run, sorted(listed, key=natural_order))
            ),
        )


def _wanted(run: str | None, tags: Iterable[str] | None) -> RunTagFilter:
    """A filter of the provider; `None` is every run, or every tag."""
    return RunTagFilter(
        runs=None if run is None else [run], tags=None if tags is None else list(tags)
    )


def _stamp(listed: Mapping[str, Any]) -> dict[str, Any]:
    """A value that changes when something is logged."""
    return {name: (series.max_step, series.max_wall_time) for name, series in listed.items()}


def _described(listed: Mapping[str, Any], section: str) -> Any:
    """The series of a section, or of its first look, whose metadata describe it."""
    return listed.get(tag_of(section)) or listed.get(tag_of(section) + FIRST_SUFFIX)


def _about_run(
    name: str, ours: Mapping[str, Any], histograms: Mapping[str, Any], newest: Mapping[str, bytes]
) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    message = ""
    for section in SECTIONS:
        series = _described(ours, section)
        if series is None:
            continue
        about = newest.get(section) or series.plugin_content
        try:
            layers = decode_metadata(about)
            sections[section] = {
                "layers": [asdict(layer) for layer in layers],
                "edges": edges_in(about, len(layers)),
                "statistics": decode_statistics(about),
                "last_step": int(series.max_step),
            }
        except ValueError as error:
            message = str(error)
    if histograms and not sections:
        sections[HISTOGRAMS] = {
            "layers": [asdict(layer) for layer in layers_of_histograms(histograms)],
            "statistics": HISTOGRAM_STATISTICS,
            "last_step": max(int(series.max_step) for series in histograms.values()),
        }
    rows: list[Any] = next((section["layers"] for section in sections.values()), [])
    # Tables have schemes of their own; the scheme of a run is that of the signal's layers.
    carrying = [row for row in rows if row["kind"] != "Embedding"] or rows
    schemes = Counter(row["scheme"] for row in carrying if row["scheme"])
    return {
        "name": name,
        "sections": sections,
        "histograms": sorted(histograms, key=natural_order),
        "scheme": schemes.most_common(1)[0][0] if schemes else "",
        "message": message,
    }


def _bytes_of(array: np.ndarray) -> bytes:
    item = array.item() if array.size == 1 else b""
    return item if isinstance(item, bytes) else str(item).encode()
