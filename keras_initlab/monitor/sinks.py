"""Where looks go: event files that TensorBoard reads, written beside the training."""

import atexit
import itertools
import os
import queue
import socket
import threading
import time
import warnings
import weakref
from pathlib import Path
from typing import Any

from keras_initlab._wire import LayerInfo
from keras_initlab.monitor.events import events_of, first_events_of, records_of, session_start
from keras_initlab.monitor.looks import Look

__all__ = ["TensorBoardSink"]

_serial = itertools.count()

# So many looks may wait for a slow disk, and so long does the end of training wait for them.
_MOST_WAITING, _PATIENCE_S = 64, 30.0

# A writer with nothing to do ends, and with it what it holds; the next look starts another.
_IDLE_S = 5.0


class TensorBoardSink:
    """Appends each look to an event file: scalars, packed records, once the layout and layers.

    A thread of its own writes, so that a slow disk does not hold up the training. The file is
    opened for each look only, so it is readable to its last look whatever happens. If the disk
    refuses a look or falls far behind, one warning is given and writing stops; training goes on.

    Args:
        log_dir: Directory of the run, made if missing.
        scalars: Whether to write plain scalars beside the packed records.

    Raises:
        ValueError: If `log_dir` is a file or cannot be written.

    Example:
        >>> import tempfile
        >>> sink = TensorBoardSink(tempfile.mkdtemp())
        >>> sink.append(Look(0, 0.0))
        >>> sink.flush()
    """

    def __init__(self, log_dir: str | os.PathLike, *, scalars: bool = True):
        self.log_dir = Path(log_dir)
        self.scalars = scalars
        self.path: Path | None = None
        self._known: dict[str, tuple[LayerInfo, ...]] = {}
        self._error: str | None = None
        self._warned = False
        self._waiting: queue.Queue = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        try:
            self.log_dir.mkdir(parents=True, exist_ok=True)
        # A `ValueError` is of a name that no file system has, with a NUL say.
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

    def __deepcopy__(self, memo: dict) -> "TensorBoardSink":
        """A sink with a run of its own below this one, `copy_1` say: KerasTuner copies callbacks
        for every trial, and trials in one run would overwrite one another."""
        number = 1
        while (self.log_dir / f"copy_{number}").exists():
            number += 1
        return TensorBoardSink(self.log_dir / f"copy_{number}", scalars=self.scalars)

    def append(self, look: Look) -> None:
        """Hand a look to the writer."""
        if self._error is None:
            try:
                self._hand_over(look)
            except queue.Full:
                self._error = f"{_MOST_WAITING} looks wait for the disk"
        self._warn()

    def flush(self, timeout_s: float = _PATIENCE_S) -> None:
        """Wait until what was handed over is written."""
        end = time.monotonic() + timeout_s
        while self._waiting.unfinished_tasks and self._error is None and time.monotonic() < end:
            time.sleep(0.002)
        if self._waiting.unfinished_tasks and self._error is None:
            self._error = f"looks waited for the disk for {timeout_s:.0f} s"
        self._warn()

    def _warn(self) -> None:
        if self._error is None or self._warned:
            return
        self._warned = True
        warnings.warn(
            "Looks can no longer be written; later ones are kept in memory only. "
            f"Received: log_dir={str(self.log_dir)!r} ({self._error}).",
            stacklevel=3,
        )

    def _hand_over(self, look: Look) -> None:
        with self._lock:
            self._waiting.put_nowait(look)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name="initlab-writer", daemon=True
                )
                self._thread.start()

    def _work(self) -> None:
        while True:
            try:
                look = self._waiting.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            try:
                if self._error is None:
                    self._write(look)
            except OSError as error:
                self._error = str(error)
            finally:
                self._waiting.task_done()

    def _write(self, look: Look) -> None:
        events = []
        rows = {name: section.layers for name, section in look.sections.items()}
        if any(self._known.get(name) != layers for name, layers in rows.items() if layers):
            events.append(first_events_of(look, self.scalars))
        described = [name for name, layers in rows.items() if self._known.get(name) == layers]
        events.append(events_of(look, self.scalars, described))
        new = self.path is None
        if self.path is None:
            # Readers take the files in the order of their names.
            serial = f"{os.getpid()}.{next(_serial):06d}"
            stamp = f"{int(time.time()):010d}.{socket.gethostname()}.{serial}"
            self.path = self.log_dir / f"events.out.tfevents.{stamp}.initlab"
        start = session_start(look.step) if new else []
        with self.path.open("ab" if new else "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(records_of([*start, *events]))
        self._known.update(rows)


def _flush_at_exit(sink: TensorBoardSink) -> None:
    held = weakref.ref(sink)

    def flush() -> None:
        left: Any = held()
        if left is not None:
            left.flush()

    atexit.register(flush)
