"""The routes of the tab, which TensorBoard serves to the page."""

import json
import struct
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np
from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from keras_initlab._wire import LARGE_VARIANCE, PLUGIN_NAME, THRESHOLDS
from keras_initlab.board.grouping import described_problems, grouped
from keras_initlab.board.logs import HISTOGRAMS, Logs
from keras_initlab.board.series import Series, UnreadableError
from keras_initlab.board.thinning import thin
from keras_initlab.board.trials import Trials

__all__ = ["SignalPlugin", "packed"]

_TYPES = {".js": "text/javascript", ".css": "text/css"}

_MOST_POINTS, _MOST_KEPT = 2000, 30

_Answer = tuple[Any, str]


class SignalPlugin(base_plugin.TBPlugin):
    """The Signal tab.

    Args:
        context: TensorBoard's context, with a data provider.
    """

    plugin_name = PLUGIN_NAME

    def __init__(self, context: Any):
        self._provider = context.data_provider
        self._logs = Logs(self._provider)

    def get_plugin_apps(self) -> dict[str, Callable]:
        """The routes, below `data/plugin/initlab`."""
        files = {f"/{name}": _served(name) for name in _static_names()}
        return {
            **files,
            "/runs": self._route(self.runs),
            "/series": self._route(self.series),
            "/layer": self._route(self.layer),
            "/histogram": self._route(self.histogram),
            "/problems": self._route(self.problems),
        }

    def is_active(self) -> bool:
        """Left to TensorBoard, which looks for data of the plugins named below."""
        return False

    def data_plugin_names(self) -> tuple[str, ...]:
        """The tab shows its own records, and Keras's weight histograms."""
        return (PLUGIN_NAME, HISTOGRAMS)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The start module of the page, and the name of the tab."""
        return base_plugin.FrontendMetadata(
            es_module_path="/index.js", tab_name="Signal", disable_reload=False
        )

    # --- routes --------------------------------------------------------------------------------

    def runs(self, ctx: Any, experiment: str, query: "Query") -> _Answer:
        """The runs: layers and statistics of each, scheme, hyperparameters, outcome, health."""
        trials = Trials(self._provider, ctx, experiment)
        runs = self._logs.runs(ctx, experiment)
        for run in runs:
            metric = trials.metric_of(run["name"])
            run["hparams"] = trials.hparams_of(run["name"])
            run["metric"] = None if metric is None else {"name": metric[0], "value": metric[1]}
        bounds = {**THRESHOLDS, "large": LARGE_VARIANCE}
        return {"runs": runs, "thresholds": bounds}, "application/json"

    def series(self, ctx: Any, experiment: str, query: "Query") -> _Answer:
        """One statistic of all layers of a run, thinned: arrays `last`, `low`, `high`, `steps`.

        Query: `run`, `section`, `statistic`, `points`.
        """
        run = query.text("run")
        series = self._logs.series(ctx, experiment, run, query.text("section"))
        column = series.column(query.text("statistic"))
        kept = self._looks_with_problems(ctx, experiment, run, series)
        return _thinned(series, column, query.number("points", 300), kept)

    def layer(self, ctx: Any, experiment: str, query: "Query") -> _Answer:
        """All statistics of one layer of a run, thinned likewise.

        Query: `run`, `section`, `layer` (its row), `points`.
        """
        run = query.text("run")
        series = self._logs.series(ctx, experiment, run, query.text("section"))
        row = query.number("layer", 0)
        if not 0 <= row < len(series.layers):
            raise UnreadableError(
                f"`layer` must be a row from 0 to {len(series.layers) - 1}. Received: layer={row}."
            )
        kept = self._looks_with_problems(ctx, experiment, run, series)
        return _thinned(series, series.values[:, row, :], query.number("points", 300), kept)

    def histogram(self, ctx: Any, experiment: str, query: "Query") -> _Answer:
        """Histograms of one tensor: arrays `steps` and `bins`.

        Query: `run`, `tag`, `points`.
        """
        run, tag = query.text("run"), query.text("tag")
        points = min(query.number("points", 100), _MOST_POINTS)
        found = self._logs.histograms(ctx, experiment, run, tag, points)
        arrays = {"steps": found.steps.astype(np.float64), "bins": found.bins}
        return packed(arrays), "application/octet-stream"

    def problems(self, ctx: Any, experiment: str, query: "Query") -> _Answer:
        """The problems that the callback found in a run. Query: `run`.

        Problems of one rule at the same layers are one entry: the first, with `last_step` and the
        `count` of its snapshots.
        """
        found, message = self._logs.problems(ctx, experiment, query.text("run"))
        return described_problems(found, message), "application/json"

    def _looks_with_problems(
        self, ctx: Any, experiment: str, run: str, series: Series
    ) -> list[int]:
        """Indices of the looks that broke a rule first; every picture shows them."""
        groups = grouped(self._logs.problems(ctx, experiment, run)[0])[:_MOST_KEPT]
        steps = np.array([group[0].step for group in groups], np.int64)
        return [int(place) for place in np.searchsorted(series.steps, steps)]

    def _route(self, answer: Callable[[Any, str, "Query"], _Answer]) -> Callable:
        @wrappers.Request.application
        def respond(request: wrappers.Request) -> wrappers.Response:
            ctx = plugin_util.context(request.environ)
            experiment = plugin_util.experiment_id(request.environ)
            try:
                content, kind = answer(ctx, experiment, Query(request))
            except UnreadableError as error:
                return _refused(request, str(error), 400)
            except errors.PublicError as error:
                return _refused(request, str(error), error.http_code)
            return http_util.Respond(request, content, kind)

        return respond


class Query:
    """The arguments of a request.

    Args:
        request: The request.
    """

    def __init__(self, request: wrappers.Request):
        self._args = request.args

    def text(self, name: str) -> str:
        """A word that the query must have."""
        if name not in self._args:
            raise UnreadableError(f"`{name}` must be given. Received a request without.")
        return self._args[name]

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        text = self._args.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise UnreadableError(
                f"`{name}` must be a whole number. Received: {name}={text!r:.80}."
            )
        return int(text)


def packed(arrays: dict[str, np.ndarray], **about: Any) -> bytes:
    """Arrays as bytes: length of a JSON header in four bytes, the header, the arrays' bytes.

    Args:
        arrays: float32 or float64, little endian in the bytes. Each starts at a multiple of eight.
        about: Further entries of the header, as JSON can hold them.

    Example:
        >>> content = packed({"x": np.array([1.0], np.float32)}, dropped=0)
        >>> size = int.from_bytes(content[:4], "little")
        >>> json.loads(content[4 : 4 + size])["arrays"]["x"]["shape"]
        [1]
    """
    described, parts, offset = {}, [], 0
    for name, array in arrays.items():
        content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        content += b"\0" * (-len(content) % 8)
        kind = array.dtype.name
        described[name] = {"shape": list(array.shape), "dtype": kind, "offset": offset}
        parts.append(content)
        offset += len(content)
    header = json.dumps({"arrays": described, **about}).encode()
    header += b" " * (-(len(header) + 4) % 8)
    return struct.pack("<I", len(header)) + header + b"".join(parts)


def _thinned(series: Series, values: np.ndarray, points: int, kept: Sequence[int]) -> _Answer:
    """The answer of a route that thins: `low` and `high` only where looks were left out."""
    thinned = thin(values, min(points, _MOST_POINTS), kept)
    steps = series.steps[thinned.last].astype(np.float64)
    arrays = {"steps": steps, "last": values[thinned.last]}
    if len(thinned.last) < len(series.steps):
        arrays |= {"low": thinned.low, "high": thinned.high}
    about = {"dropped": series.dropped, "looks": len(series.steps)}
    return packed(arrays, **about), "application/octet-stream"


def _refused(request: wrappers.Request, text: str, code: int) -> wrappers.Response:
    return http_util.Respond(request, {"error": text}, "application/json", code=code)


def _static_names() -> list[str]:
    folder = resources.files("keras_initlab.board") / "static"
    return sorted(path.name for path in folder.iterdir() if path.name[-3:] in (".js", "css"))


def _served(name: str) -> Callable:
    """A file of the page. Only these names are routes, so no path leads elsewhere."""

    @wrappers.Request.application
    def respond(request: wrappers.Request) -> wrappers.Response:
        content = (resources.files("keras_initlab.board") / "static" / name).read_bytes()
        return http_util.Respond(request, content, _TYPES[name[name.rindex(".") :]])

    return respond
