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
    SECTIONS,
    encode_metadata,
    encode_problems,
    tag_of,
)
from keras_initlab._words import printable
from keras_initlab.signal.histograms import BIN_EDGES
from keras_initlab.signal.looks import Look, Section

__all__ = [
    "events_of",
    "experiment_events",
    "first_events_of",
    "records_of",
    "session_start",
    "trial_events",
]

# What the Scalars dashboard shows, by section: one category per statistic, one chart per layer.
# The packed records hold everything; a scalar for every number takes thirty times the bytes.
_SCALARS = {
    "activations": {
        name: f"activation_{name}"
        for name in ("mean", "variance", "zero_fraction", "dead_fraction", "saturated_fraction")
    },
    "weights": {
        name: name
        for name in ("weight_variance", "gradient_variance", "gradient_norm", "update_ratio")
    },
}


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


def events_of(look: Look, scalars: bool, described: Collection[str] = ()) -> Any:
    """The event of one look.

    Args:
        look: The look.
        scalars: Whether plain scalars are wanted.
        described: Sections whose layers an earlier event of the file has named. Readers take the
            names from there: with a hundred layers they are more bytes than the numbers.
    """
    values = _scalar_values(look) if scalars else []
    for name, section in look.sections.items():
        if name != "theory":
            values.append(_packed(name, section, tag_of(name), named=name not in described))
            values += _histogram_values(name, section)
    if look.problems:
        values += _problem_values(look)
    return _event(look, values)


def first_events_of(look: Look, scalars: bool) -> Any:
    """The event before the first look, and before the first look with other layers."""
    from tensorboard.plugins.custom_scalar import metadata as custom_scalar
    from tensorboard.plugins.text import metadata as text

    about = text.create_summary_metadata(display_name=None, description=None)
    values = [_value("watched_layers", _layer_table(look), about)]
    if scalars:
        layout = custom_scalar.create_summary_metadata()
        values.append(_value(custom_scalar.CONFIG_SUMMARY_TAG, _scalars_layout(look), layout))
    for name, section in look.sections.items():
        values.append(_packed(name, section, tag_of(name) + FIRST_SUFFIX))
        names = encode_metadata(name, section.layers)
        values.append(_value(tag_of(name) + LAYERS_SUFFIX, names, _about(b"")))
    # Readers drop the problems of an earlier training here only if the tag has a new record.
    values.append(_value(PROBLEMS_TAG, encode_problems([]), _about(b"")))
    return _event(look, values)


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
        curves: By metric its values by training step.
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


def _scalar_values(look: Look) -> list[Any]:
    from tensorboard.plugins.scalar import metadata

    about = metadata.create_summary_metadata(display_name=None, description=None)
    return [
        _value(f"{tag}/{layer.name}", _single(row[SECTIONS[name].index(statistic)]), about)
        for name, section in look.sections.items()
        for statistic, tag in _SCALARS.get(name, {}).items()
        if _is_watched(section, SECTIONS[name].index(statistic))
        for layer, row in zip(section.layers, section.values, strict=True)
    ]


def _is_watched(section: Section, column: int) -> bool:
    return not np.isnan(section.values[:, column]).all()


def _packed(name: str, section: Section, tag: str, *, named: bool = True) -> Any:
    about = _about(encode_metadata(name, section.layers)) if named else None
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


def _problem_values(look: Look) -> list[Any]:
    from tensorboard.plugins.text import metadata

    text = "\n".join(f"- **{problem.rule}** {problem.text}" for problem in look.problems)
    about = metadata.create_summary_metadata(display_name=None, description=None)
    packed = _value(PROBLEMS_TAG, encode_problems(look.problems), _about(b""))
    return [packed, _value("problems", text, about)]


def _value(tag: str, content: Any, about: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.util import tensor_util

    return Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(content), metadata=about)


def _scalars_layout(look: Look) -> bytes:
    from tensorboard.plugins.custom_scalar import layout_pb2

    tags = [tag for name in look.sections for tag in _SCALARS.get(name, {}).values()]
    charts = [
        layout_pb2.Chart(
            title=f"{tag.replace('_', ' ')}, all layers",
            multiline=layout_pb2.MultilineChartContent(tag=[f"^{tag}/.*$"]),
        )
        for tag in tags
    ]
    category = layout_pb2.Category(title="Signal in every layer", chart=charts)
    return layout_pb2.Layout(category=[category]).SerializeToString()


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
