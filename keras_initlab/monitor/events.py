"""Turns a look into the events of a TensorBoard log."""

import io
import re
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from keras_initlab._wire import (
    FIRST_SUFFIX,
    LAYERS_SUFFIX,
    PLUGIN_NAME,
    PROBLEMS_TAG,
    encode_metadata,
    encode_problems,
    tag_of,
)
from keras_initlab._words import printable
from keras_initlab.monitor.outcome import Outcome
from keras_initlab.monitor.scalars import Shown
from keras_initlab.signal.histograms import BIN_EDGES
from keras_initlab.signal.looks import Look, Section

__all__ = [
    "events_of",
    "experiment_events",
    "first_events_of",
    "outcome_events",
    "records_of",
    "session_start",
    "trial_events",
]


def session_start(step: int) -> list[Any]:
    """The head of a file; readers drop records of earlier files from this step on."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    now = time.time()
    start = SessionLog(status=SessionLog.START)
    return [
        Event(wall_time=now, file_version="brain.Event:2"),
        Event(wall_time=now, step=step, session_log=start),
    ]


def records_of(events: Sequence[Any]) -> bytes:
    """Events as the bytes of an event file."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    records = io.BytesIO()
    for event in events:
        RecordWriter(records).write(event.SerializeToString())
    return records.getvalue()


def events_of(look: Look, shown: Shown, described: Collection[str] = ()) -> tuple[Any, Shown]:
    """The event of one look, and what the log shows then.

    Args:
        look: The look.
        shown: What the log shows so far.
        described: Sections whose layers an earlier event of the file has named. Readers take the
            names from there: with a hundred layers they are more bytes than the numbers.
    """
    scalars, shown = shown.with_scalars(look)
    words, shown = shown.with_problems(look)
    values = _scalar_values(scalars)
    for name, section in look.sections.items():
        if name != "theory":
            values.append(_packed(name, section, tag_of(name), named=name not in described))
            values += _histogram_values(name, section)
    if look.problems:
        values.append(_value(PROBLEMS_TAG, encode_problems(look.problems), _about(b"")))
    if words:
        values.append(_words_value("problems", words))
    return _event(look, values), shown


def first_events_of(look: Look) -> Any:
    """The event before the first look, and before the first look with other layers."""
    values = [_words_value("watched_layers", _layer_table(look))]
    for name, section in look.sections.items():
        values.append(_packed(name, section, tag_of(name) + FIRST_SUFFIX))
        names = encode_metadata(name, section.layers, section.edges)
        values.append(_value(tag_of(name) + LAYERS_SUFFIX, names, _about(b"")))
    # Readers drop the problems of an earlier training here only if the tag has a new record.
    values.append(_value(PROBLEMS_TAG, encode_problems([]), _about(b"")))
    return _event(look, values)


def outcome_events(outcome: Outcome) -> list[Any]:
    """The events of an epoch's metrics, and of the choices of a training."""
    events = []
    if outcome.hparams:
        from tensorboard.plugins.hparams import summary_v2

        start = summary_v2.hparams_pb(dict(outcome.hparams), start_time_secs=time.time())
        events.append(_summary_event(0, start.value))
    if outcome.metrics:
        events.append(_summary_event(outcome.epoch, _scalar_values(outcome.metrics)))
    return events


def experiment_events(choices: Mapping[str, Sequence[Any]], metrics: Sequence[str]) -> list[Any]:
    """The choices of each hyperparameter and the metrics, for the HPARAMS dashboard."""
    from tensorboard.plugins.hparams import summary_v2

    hparams = [
        summary_v2.HParam(name, summary_v2.Discrete(values)) for name, values in choices.items()
    ]
    about = summary_v2.hparams_config_pb(hparams, [summary_v2.Metric(name) for name in metrics])
    return [*session_start(0)[:1], _summary_event(0, about.value)]


def trial_events(
    hparams: Mapping[str, Any],
    curves: Mapping[str, Mapping[int, float]],
    *,
    duration_s: float,
    succeeded: bool,
) -> list[Any]:
    """A whole training as one row of the HPARAMS dashboard.

    Args:
        hparams: Names and values.
        curves: For each metric its values by training step.
        duration_s: Seconds of training until now.
        succeeded: Whether the training finished.
    """
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
    from tensorboard.plugins.scalar import metadata as scalar

    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    now = time.time()
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=now)
    data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    about = scalar.create_summary_metadata(display_name=None, description=None)
    ending = _value(metadata.SESSION_END_INFO_TAG, 0.0, metadata.create_summary_metadata(data))
    values = [
        _summary_event(step, [_value(name, _single(value), about)])
        for name, curve in curves.items()
        for step, value in curve.items()
    ]
    start = summary_v2.hparams_pb(dict(hparams), start_time_secs=now - duration_s)
    return [
        *session_start(0)[:1],
        _summary_event(0, start.value),
        *values,
        _summary_event(0, [ending]),
    ]


def _event(look: Look, values: list[Any]) -> Any:
    return _summary_event(look.step, values, look.wall_time_s)


def _summary_event(step: int, values: Any, wall_time_s: float | None = None) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    now = time.time() if wall_time_s is None else wall_time_s
    return Event(wall_time=now, step=step, summary=Summary(value=values))


def _scalar_values(numbers: Mapping[str, float]) -> list[Any]:
    from tensorboard.plugins.scalar import metadata

    about = metadata.create_summary_metadata(display_name=None, description=None)
    return [_value(tag, _single(number), about) for tag, number in numbers.items()]


def _packed(name: str, section: Section, tag: str, *, named: bool = True) -> Any:
    about = _about(encode_metadata(name, section.layers, section.edges)) if named else None
    return _value(tag, _single(section.values), about)


def _single(values: Any) -> Any:
    """As float32; an exploding signal may become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float64).astype(np.float32)


def _about(content: bytes) -> Any:
    from tensorboard.compat.proto import summary_pb2

    plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME, content=content)
    return summary_pb2.SummaryMetadata(plugin_data=plugin, data_class=summary_pb2.DATA_CLASS_TENSOR)


def _histogram_values(name: str, section: Section) -> list[Any]:
    if section.histograms is None:
        return []
    from tensorboard.plugins.histogram import metadata

    about = metadata.create_summary_metadata(display_name=None, description=None)
    kind = {"activations": "activation", "weights": "gradient"}.get(name, name)
    edges = np.stack([BIN_EDGES[:-1], BIN_EDGES[1:]], axis=-1)
    return [
        _value(
            f"{kind}_histogram/{layer.name}", np.column_stack([edges, counts]).astype(float), about
        )
        for layer, counts in zip(section.layers, section.histograms, strict=True)
    ]


def _words_value(tag: str, words: str) -> Any:
    from tensorboard.plugins.text import metadata

    return _value(tag, words, metadata.create_summary_metadata(display_name=None, description=None))


def _value(tag: str, content: Any, about: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.util import tensor_util

    return Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(content), metadata=about)


def _layer_table(look: Look) -> str:
    columns = ("depth", "name", "kind", "activation", "scheme")
    rows = [
        f"| {' | '.join(_markdown_cell(getattr(layer, column)) for column in columns)} |"
        for layer in look.layers
    ]
    head = ["| depth | layer | kind | activation | scheme |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _markdown_cell(value: object) -> str:
    """Escaped for a Markdown table; TensorBoard makes other Markdown harmless."""
    return re.sub(r"([\\|])", r"\\\1", printable(value))
