"""Where snapshots go: event files that TensorBoard reads, written while training goes on."""

import atexit
import itertools
import os
import socket
import threading
import time
import warnings
import weakref
from collections import deque
from pathlib import Path
from typing import Any, Protocol

from keras_initlab._wire import LayerInfo
from keras_initlab.monitor.event_file import EventFile
from keras_initlab.monitor.events import (
    events_of,
    first_events_of,
    outcome_events,
    records_of,
    session_start,
)
from keras_initlab.monitor.outcome import Outcome
from keras_initlab.monitor.scalars import ScalarChoice, Shown, checked_scalars
from keras_initlab.signal.looks import Look

__all__ = ["Sink", "TensorBoardSink"]

_serial = itertools.count()

# How many looks may wait for a slow disk, and how long the end of training waits for them.
_MOST_WAITING, _PATIENCE_S = 64, 30.0

# So long may a step wait, once, for a writer that is slower than the training.
_MOST_PAUSE_S = 1.0

# A failed write is tried again after this time, then after twice as long, up to the most.
_RETRY_S, _MOST_RETRY_S = 0.5, 30.0

# An idle writer ends, which frees its memory; the next look starts another.
_IDLE_S = 5.0


class Sink(Protocol):
    """Where snapshots go; it may have a method `flush()`, which is called when training ends."""

    def append(self, look: Look, /) -> object:
        """Receive a snapshot."""


class TensorBoardSink:
    """Appends each snapshot to an event file: scalars, packed records and, once, the layers.

    A separate thread writes, so a slow disk does not delay the training. The file is opened only
    for each snapshot, so it is always readable up to its last one. If a write fails, training goes
    on, and the write is tried again until the disk answers. If too many snapshots wait, every
    second one is dropped. One warning reports the trouble, and one at the end of training reports
    how many snapshots are missing.

    Args:
        log_dir: Directory of the run, created if missing.
        scalars: Which plain scalars to write in addition to the packed records, which hold every
            number: `"main"` for variance, gradient norm and update ratio of each layer, and its
            dead and saturated shares from the first step at which they are not zero; `"all"` for
            nine statistics; `None` for none.

    Raises:
        ValueError: If `log_dir` is a file or cannot be written, or `scalars` is not one of these.

    Example:
        >>> import tempfile
        >>> sink = TensorBoardSink(tempfile.mkdtemp())
        >>> sink.append(Look(0, 0.0))
        >>> sink.flush()
    """

    def __init__(self, log_dir: str | os.PathLike, *, scalars: ScalarChoice | None = "main"):
        self.log_dir = Path(log_dir)
        self.scalars = checked_scalars(scalars)
        self._shown = Shown(self.scalars)
        self._file: EventFile | None = None
        self._known: dict[str, tuple[LayerInfo, ...]] = {}
        self._waiting: deque[Look | Outcome] = deque()
        # Guards all entries below, and is notified of every change.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._writing = self._hurried = False
        self._retry_s = 0.0
        self._appended = self._missing = self._failures = 0
        self._trouble = ""
        self._warned = self._reported_missing = 0
        try:
            self.log_dir.mkdir(parents=True, exist_ok=True)
        # A name that no file system allows, with a NUL for example, is a `ValueError`.
        except (OSError, ValueError) as error:
            raise ValueError(
                "`log_dir` must be a directory that can be written. "
                f"Received: log_dir={str(log_dir)!r} ({error})."
            ) from error
        if not os.access(self.log_dir, os.W_OK):
            raise ValueError(
                f"`log_dir` must be writable by this process. Received: log_dir={str(log_dir)!r}."
            )
        _flush_at_exit(self)

    @property
    def path(self) -> Path | None:
        """The event file, `None` before the first snapshot."""
        return None if self._file is None else self._file.path

    def __deepcopy__(self, memo: dict) -> "TensorBoardSink":
        """A sink with its own run below this one, such as `copy_1`: KerasTuner copies callbacks for
        every trial, and trials in the same run overwrite one another."""
        number = 1
        while (self.log_dir / f"copy_{number}").exists():
            number += 1
        return TensorBoardSink(self.log_dir / f"copy_{number}", scalars=self.scalars)

    def append(self, look: Look) -> None:
        """Pass a snapshot to the writer."""
        self._append(look)

    def append_outcome(self, outcome: Outcome) -> None:
        """Pass the metrics of an epoch to the writer, or the choices of a training."""
        self._append(outcome)

    def _append(self, look: Look | Outcome) -> None:
        with self._changed:
            self._appended += isinstance(look, Look)
            if not self._has_room() and not self._trouble:
                # Training that is faster than the writer waits for it; a disk must not hold it up.
                self._changed.wait_for(self._has_room, _MOST_PAUSE_S)
            if not self._has_room():
                self._thin()
            self._waiting.append(look)
            self._start()
            self._changed.notify_all()
        self._warn_of_trouble()

    def _has_room(self) -> bool:
        return len(self._waiting) < _MOST_WAITING

    def flush(self, timeout_s: float = _PATIENCE_S) -> None:
        """Wait until all snapshots are written, or the disk has refused one once more."""
        with self._changed:
            before, self._hurried = self._failures, True
            if self._waiting:
                self._start()
            self._changed.notify_all()
            settled = self._changed.wait_for(
                lambda: not (self._waiting or self._writing) or self._failures > before + 1,
                timeout_s,
            )
            self._hurried = False
            if not settled:
                self._trouble = f"snapshots waited for the disk for {timeout_s:.0f} s"
        self._warn_of_missing()
        self._warn_of_trouble()

    # --- warnings ------------------------------------------------------------------------------

    def _warn_of_trouble(self) -> None:
        if self._trouble and not self._warned:
            self._warned = 1
            self._warn(
                "Snapshots cannot be written now, and will be when the disk answers; training goes "
                "on"
            )

    def _warn_of_missing(self, waiting: int = 0) -> None:
        missing = self._missing + waiting
        if missing > self._reported_missing:
            self._warned, self._reported_missing = 1, missing
            self._warn(f"{missing} of {self._appended} snapshots are missing from the log")

    def _warn(self, what: str) -> None:
        warnings.warn(
            f"{what}. Received: log_dir={str(self.log_dir)!r} ({self._trouble}).", stacklevel=4
        )

    # --- the writer ----------------------------------------------------------------------------

    def _thin(self) -> None:
        """Drop every second look, so that the others span the whole time of the trouble."""
        self._trouble = self._trouble or f"{_MOST_WAITING} snapshots are waiting for the disk"
        kept: list[Look | Outcome] = []
        even = True
        for item in self._waiting:
            if even or isinstance(item, Outcome):
                kept.append(item)
            even = even != isinstance(item, Look)
        self._missing += len(self._waiting) - len(kept)
        self._waiting = deque(kept)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="initlab-writer", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (look := self._next()) is not None:
            refusal: Exception | None = None
            try:
                self._write(look)
            except Exception as error:
                refusal = error
            with self._changed:
                self._settle(look, refusal)
                self._changed.notify_all()

    def _next(self) -> Look | Outcome | None:
        """The next look, when it is time to write it; `None` if none comes for long."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, _IDLE_S):
                self._thread = None
                return None
            self._changed.wait_for(lambda: self._hurried, self._retry_s)
            self._writing = True
            return self._waiting.popleft()

    def _settle(self, look: Look | Outcome, refusal: Exception | None) -> None:
        self._writing = False
        if refusal is None:
            self._retry_s = 0.0
            # Trouble without missing looks is over.
            self._trouble = self._trouble if self._missing else ""
            return
        self._failures += 1
        self._trouble = str(refusal)
        if isinstance(refusal, OSError):
            self._waiting.appendleft(look)
            self._retry_s = min(max(_RETRY_S, 2 * self._retry_s), _MOST_RETRY_S)
        else:
            # A second try ends the same way.
            self._missing += isinstance(look, Look)

    def _write(self, look: Look | Outcome) -> None:
        if self._file is None:
            # Readers take the files in the order of their names.
            serial = f"{os.getpid()}.{next(_serial):06d}"
            stamp = f"{int(time.time()):010d}.{socket.gethostname()}.{serial}"
            self._file = EventFile(self.log_dir / f"events.out.tfevents.{stamp}.initlab")
        begin = look.step if isinstance(look, Look) else look.begin
        events = session_start(begin) if self._file.is_new else []
        if isinstance(look, Outcome):
            self._file.add(records_of([*events, *outcome_events(look)]))
            return
        rows = {name: section.layers for name, section in look.sections.items()}
        if any(self._known.get(name) != layers for name, layers in rows.items() if layers):
            events.append(first_events_of(look))
        described = [name for name, layers in rows.items() if self._known.get(name) == layers]
        event, shown = events_of(look, self._shown, described)
        self._file.add(records_of([*events, event]))
        self._known.update(rows)
        self._shown = shown


def _flush_at_exit(sink: TensorBoardSink) -> None:
    held = weakref.ref(sink)

    def flush() -> None:
        left: Any = held()
        if left is not None:
            left.flush()
            # Looks that still wait are lost with the process.
            with left._changed:
                waiting = len(left._waiting) + left._writing
            left._warn_of_missing(waiting)

    atexit.register(flush)
