"""Runs of a log directory, read without a server."""

import os
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext

from keras_initlab._wire import PLUGIN_NAME
from keras_initlab.board.logs import Logs
from keras_initlab.board.saved import SavedRun
from keras_initlab.board.series import UnreadableError
from keras_initlab.board.trials import Trials

__all__ = ["runs_in"]

# Looks of a series that are read; a page shows fewer.
_MOST_LOOKS = 2000


def runs_in(logdir: str | os.PathLike) -> list[SavedRun]:
    """The runs below a directory that hold data for the tab, in TensorBoard's order.

    Args:
        logdir: The directory, as TensorBoard takes it.

    Raises:
        ValueError: If there is no such directory, or no run in it.
    """
    if not Path(logdir).is_dir():
        raise ValueError(f"`LOGDIR` must be a directory. Received: {os.fspath(logdir)!r}.")
    multiplexer = EventMultiplexer(
        tensor_size_guidance={PLUGIN_NAME: _MOST_LOOKS, "histograms": 100}
    )
    multiplexer.AddRunsFromDirectory(os.fspath(logdir))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, os.fspath(logdir))
    ctx, experiment = RequestContext(), ""
    logs, trials = Logs(provider), Trials(provider, ctx, experiment)
    found = [_run(about, logs, trials, ctx) for about in logs.runs(ctx, experiment)]
    runs = [run for run in found if run.sections]
    if not runs:
        raise ValueError(
            "`LOGDIR` must hold runs that the callback watched. "
            f"Received: {os.fspath(logdir)!r} with none. "
            'Try `callbacks=[ActivationVarianceLogger("logs/a_run")]`.'
        )
    return runs


def _run(about: dict[str, Any], logs: Logs, trials: Trials, ctx: RequestContext) -> SavedRun:
    name = about["name"]
    sections, edges = {}, {}
    for section, held in about["sections"].items():
        try:
            sections[section] = logs.series(ctx, "", name, section)
        except UnreadableError:
            continue
        edges[section] = held.get("edges")
    histograms = {}
    for tag in about["histograms"]:
        try:
            histograms[tag] = logs.histograms(ctx, "", name, tag, 100)
        except UnreadableError:
            continue
    return SavedRun(
        name=name,
        sections=sections,
        edges=edges,
        problems=logs.problems(ctx, "", name)[0],
        histograms=histograms,
        scheme=about["scheme"],
        metric=trials.metric_of(name),
        hparams=trials.hparams_of(name),
    )
