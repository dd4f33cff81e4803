"""Event files on disks that are full or slow for a while."""

import errno
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from keras_initlab._wire import SECTIONS, LayerInfo, tag_of
from keras_initlab.monitor import Look, TensorBoardSink
from keras_initlab.signal.looks import Section

pytestmark = pytest.mark.once

LAYERS = (LayerInfo("one", "Dense", "relu", 0), LayerInfo("two", "Dense", "", 1))


def look_at(step):
    width = len(SECTIONS["activations"])
    values = np.arange(2.0 * width).reshape(2, width) + step
    return Look(step, 1e9 + step, {"activations": Section(LAYERS, values)})


def steps_in(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return [event.step for event in events.Tensors(tag_of("activations"))]


class Disk:
    """A disk with room for so many bytes more; what does not fit is written by half."""

    def __init__(self, monkeypatch):
        self.room, self.open = float("inf"), Path.open
        monkeypatch.setattr(Path, "open", lambda path, *a, **k: File(self, path, a, k))
        monkeypatch.setattr("keras_initlab.monitor.sinks._RETRY_S", 0.005)
        monkeypatch.setattr("keras_initlab.monitor.sinks._MOST_RETRY_S", 0.01)


class File:
    def __init__(self, disk, path, arguments, options):
        self._disk, self._file = disk, disk.open(path, *arguments, **options)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        if not self._disk.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._file.write(data[: int(min(len(data), self._disk.room))])
        self._disk.room -= written
        return written


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def told_by(caught):
    return [
        str(warning.message) for warning in caught if "Received: log_dir=" in str(warning.message)
    ]


def until(fact):
    end = time.monotonic() + 30
    while not fact() and time.monotonic() < end:
        time.sleep(0.002)
    assert fact()


@pytest.mark.parametrize("room", [0, 1, 300, 1000])
@pytest.mark.parametrize("full_at", [0, 1, 17])
def test_looks_that_a_full_disk_has_refused_are_written_when_it_answers(
    tmp_path, disk, full_at, room
):
    sink = TensorBoardSink(tmp_path)
    for step in range(full_at):
        sink.append(look_at(step))
    sink.flush()

    with pytest.warns(UserWarning, match="No space left on device") as caught:
        disk.room = room
        for step in range(full_at, 40):
            sink.append(look_at(step))
        sink.flush()
        assert not full_at or steps_in(tmp_path)[:full_at] == list(range(full_at))
        disk.room = float("inf")
        for step in range(40, 60):
            sink.append(look_at(step))
        sink.flush()

    assert steps_in(tmp_path) == list(range(60))
    assert len(told_by(caught)) == 1


def test_file_is_readable_while_the_disk_is_full(tmp_path, disk):
    sink = TensorBoardSink(tmp_path)
    sink.append(look_at(0))
    sink.flush()
    whole = sink.path.read_bytes()

    disk.room = 100
    with pytest.warns(UserWarning, match="cannot be written now"):
        sink.append(look_at(1))
        sink.flush()

    assert sink.path.read_bytes() == whole


def test_half_a_record_that_could_not_be_cut_off_at_once_is_cut_off_later(
    tmp_path, disk, monkeypatch
):
    sink = TensorBoardSink(tmp_path)
    sink.append(look_at(0))
    sink.flush()
    monkeypatch.setattr("os.truncate", lambda *_: (_ for _ in ()).throw(OSError("not now")))

    disk.room = 100
    with pytest.warns(UserWarning, match="cannot be written now"):
        sink.append(look_at(1))
        sink.flush()
    disk.room = float("inf")
    sink.append(look_at(2))
    sink.flush()

    assert steps_in(tmp_path) == [0, 1, 2]


def test_long_trouble_thins_the_looks_and_says_how_many_are_missing(tmp_path, disk):
    sink = TensorBoardSink(tmp_path)
    sink.append(look_at(0))
    sink.flush()

    with pytest.warns(UserWarning, match="log_dir") as caught:
        disk.room = 0
        for step in range(1, 301):
            sink.append(look_at(step))
        disk.room = float("inf")
        for step in range(301, 321):
            sink.append(look_at(step))
        sink.flush()

    steps = steps_in(tmp_path)
    assert steps == sorted(set(steps))
    assert steps[-20:] == list(range(301, 321))
    # At most 64 wait, and those that are left span the trouble: each time every second is dropped.
    assert 32 <= len(steps) - 21 <= 65
    assert min(steps[1:]) < 10
    assert max(np.diff(steps)) <= 150
    told = told_by(caught)
    assert [line for line in told if f"{321 - len(steps)} of 321 snapshots are missing" in line]
    assert len(told) <= 2


def test_slow_disk_is_written_to_again_when_it_answers(tmp_path, monkeypatch):
    sink, gate, write = TensorBoardSink(tmp_path), threading.Event(), TensorBoardSink._write

    def slow(self, look):
        gate.wait(60)
        write(self, look)

    monkeypatch.setattr(TensorBoardSink, "_write", slow)
    with pytest.warns(UserWarning, match="waiting for the disk") as caught:
        for step in range(160):
            sink.append(look_at(step))
        gate.set()
        sink.flush()
        sink.append(look_at(160))
        sink.flush()

    steps = steps_in(tmp_path)
    assert steps[0] == 0
    assert steps[-1] == 160
    assert f"{161 - len(steps)} of 160 snapshots are missing" in told_by(caught)[-1]


def test_trouble_that_passes_before_anybody_looks_is_not_told(tmp_path, disk):
    sink = TensorBoardSink(tmp_path)
    disk.room = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sink.append(look_at(0))
        until(lambda: sink._failures)
        disk.room = float("inf")
        until(lambda: not sink._trouble)
        sink.flush()

    assert steps_in(tmp_path) == [0]


def test_look_that_cannot_be_put_into_words_is_missing_and_holds_up_no_other(tmp_path):
    sink = TensorBoardSink(tmp_path)
    broken = Look(1, 1e9, {"no such section": look_at(1).sections["activations"]})

    with pytest.warns(UserWarning, match="1 of 3 snapshots are missing"):
        for look in (look_at(0), broken, look_at(2)):
            sink.append(look)
        sink.flush()

    assert steps_in(tmp_path) == [0, 2]


def test_file_that_somebody_has_cut_off_is_not_written_behind(tmp_path, disk):
    sink = TensorBoardSink(tmp_path)
    for step in range(2):
        sink.append(look_at(step))
    sink.flush()
    sink.path.write_bytes(sink.path.read_bytes()[:-100])

    with pytest.warns(UserWarning, match="truncated by another program"):
        sink.append(look_at(2))
        sink.flush()

    assert steps_in(tmp_path) == [0]


LOST = """
import sys, pathlib
from keras_initlab.monitor import Look, TensorBoardSink
sink = TensorBoardSink(sys.argv[1])
pathlib.Path(sys.argv[1]).rmdir()
sink.append(Look(0, 0.0))
"""


def test_looks_that_still_wait_at_the_end_of_the_process_are_counted(tmp_path):
    command = [sys.executable, "-c", LOST, str(tmp_path / "run")]

    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "1 of 1 snapshots are missing from the log" in ended.stderr


def test_training_that_is_faster_than_the_writer_loses_nothing(tmp_path, monkeypatch):
    sink = TensorBoardSink(tmp_path)
    write = TensorBoardSink._write

    def slow(self, look):
        time.sleep(0.005)
        write(self, look)

    monkeypatch.setattr(TensorBoardSink, "_write", slow)

    for step in range(200):
        sink.append(Look(step, 0.0))
    sink.flush()

    assert sink._missing == 0
    assert not sink._warned
