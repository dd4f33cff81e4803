"""Where looks go: event files that TensorBoard reads."""

import io
import itertools
import os
import socket
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from keras_initlab._wire import (
    FIRST_LOOK_TAG,
    LOOKS_TAG,
    PLUGIN_NAME,
    STATISTICS,
    LayerInfo,
    encode_metadata,
)
from keras_initlab.monitor.looks import Look

__all__ = ["TensorBoardSink"]

# What the Scalars dashboard shows: one category each, one chart per layer.
_SCALARS = tuple(name for name in STATISTICS if name not in ("count", "nonfinite_fraction"))

_serial = itertools.count()


class TensorBoardSink:
    """Appends each look to an event file: scalars, a packed record, once the layout and layers.

    The file is opened for each look only, so it is readable to its last look whatever happens. If
    the disk refuses a look, one warning is given and writing stops; training goes on.

    Args:
        log_dir: Directory of the run, made if missing.

    Raises:
        ValueError: If `log_dir` is a file or cannot be written.

    Example:
        >>> import tempfile
        >>> sink = TensorBoardSink(tempfile.mkdtemp())
        >>> sink.append(Look(0, 0.0, (LayerInfo("d", "Dense", "", 0),), np.zeros((1, 6))))
    """

    def __init__(self, log_dir: str | os.PathLike):
        self.log_dir = Path(log_dir)
        self.path: Path | None = None
        self._layers: tuple[LayerInfo, ...] = ()
        self._broken = False
        try:
            self.log_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                "`log_dir` must be a directory that can be written. "
                f"Received: log_dir={str(log_dir)!r} ({error})."
            ) from error
        if not os.access(self.log_dir, os.W_OK):
            raise ValueError(
                f"`log_dir` must be writable by this process. Received: log_dir={str(log_dir)!r}."
            )

    def append(self, look: Look) -> None:
        """Write one look."""
        if self._broken:
            return
        try:
            self._write(look)
        except OSError as error:
            self._broken = True
            warnings.warn(
                f"The look at step {look.step} could not be written; later ones are kept in "
                f"memory only. Received: log_dir={str(self.log_dir)!r} ({error}).",
                stacklevel=2,
            )

    def _write(self, look: Look) -> None:
        events = [_event(look, _values_of(look))]
        if look.layers != self._layers:
            events.insert(0, _event(look, _first_values_of(look)))
        records = io.BytesIO()
        if self.path is None:
            stamp = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_serial)}"
            self.path = self.log_dir / f"events.out.tfevents.{stamp}.initlab"
            _append_record(records, _version_event())
        for event in events:
            _append_record(records, event)
        with self.path.open("ab") as file:
            file.write(records.getvalue())
        self._layers = look.layers


def _append_record(file: io.BytesIO, event: Any) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    RecordWriter(file).write(event.SerializeToString())


def _version_event() -> Any:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), file_version="brain.Event:2")


def _event(look: Look, values: list[Any]) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Event(wall_time=look.wall_time_s, step=look.step, summary=Summary(value=values))


def _values_of(look: Look) -> list[Any]:
    from tensorboard.plugins.scalar import metadata

    about = metadata.create_summary_metadata(display_name=None, description=None)
    scalars = [
        _value(f"activation_{statistic}/{name}", np.float32(number), about)
        for statistic in _SCALARS
        for name, number in look.by_layer(statistic).items()
    ]
    return [*scalars, _packed(look, LOOKS_TAG)]


def _first_values_of(look: Look) -> list[Any]:
    from tensorboard.plugins.custom_scalar import metadata as custom_scalar
    from tensorboard.plugins.text import metadata as text

    layout = _value(
        custom_scalar.CONFIG_SUMMARY_TAG, _layout(), custom_scalar.create_summary_metadata()
    )
    about = text.create_summary_metadata(display_name=None, description=None)
    return [layout, _value("watched_layers", _table(look), about), _packed(look, FIRST_LOOK_TAG)]


def _packed(look: Look, tag: str) -> Any:
    from tensorboard.compat.proto import summary_pb2

    plugin = summary_pb2.SummaryMetadata.PluginData(
        plugin_name=PLUGIN_NAME, content=encode_metadata(look.layers)
    )
    about = summary_pb2.SummaryMetadata(
        plugin_data=plugin, data_class=summary_pb2.DATA_CLASS_TENSOR
    )
    return _value(tag, look.values.astype(np.float32), about)


def _value(tag: str, content: Any, about: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.util import tensor_util

    return Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(content), metadata=about)


def _layout() -> bytes:
    from tensorboard.plugins.custom_scalar import layout_pb2

    charts = [
        layout_pb2.Chart(
            title=f"activation {statistic.replace('_', ' ')}, all layers",
            multiline=layout_pb2.MultilineChartContent(tag=[f"^activation_{statistic}/.*$"]),
        )
        for statistic in _SCALARS
    ]
    category = layout_pb2.Category(title="Signal in every layer", chart=charts)
    return layout_pb2.Layout(category=[category]).SerializeToString()


def _table(look: Look) -> str:
    rows = [f"| {x.depth} | {x.name} | {x.kind} | {x.activation} |" for x in look.layers]
    return "\n".join(["| depth | layer | kind | activation |", "|---|---|---|---|", *rows])
