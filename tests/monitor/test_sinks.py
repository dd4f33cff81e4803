import itertools
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from logged import LAYERS, PROBLEM, array, look_at, read, written

from keras_initlab._wire import (
    FIRST_SUFFIX,
    LAYERS_SUFFIX,
    PLUGIN_NAME,
    PROBLEMS_TAG,
    SECTIONS,
    LayerInfo,
    decode_metadata,
    decode_problems,
    encode_metadata,
    encode_problems,
    tag_of,
)
from keras_initlab.monitor import Look, TensorBoardSink
from keras_initlab.signal.looks import Section

pytestmark = pytest.mark.once

TAG = tag_of("activations")


def test_scalars_read_back_as_written(tmp_path):
    written(tmp_path, *map(look_at, (0, 10, 20)))

    events = read(tmp_path).Tensors("signal/activation_variance/two")

    assert [event.step for event in events] == [0, 10, 20]
    first = len(SECTIONS["activations"]) + SECTIONS["activations"].index("variance")
    assert [float(array(event)) for event in events] == [first, first + 10, first + 20]


def test_scalars_can_be_left_out(tmp_path):
    written(tmp_path, look_at(0), scalars=None)

    assert set(read(tmp_path).Tags()["tensors"]) == {
        *(TAG, TAG + FIRST_SUFFIX, TAG + LAYERS_SUFFIX, PROBLEMS_TAG, "watched_layers")
    }


def test_packed_record_carries_every_statistic_and_names_its_rows(tmp_path):
    written(tmp_path, look_at(0), look_at(7))

    events = read(tmp_path)

    np.testing.assert_array_equal(
        array(events.Tensors(TAG)[-1]), look_at(7).sections["activations"].values
    )
    content = events.SummaryMetadata(TAG).plugin_data.content
    assert decode_metadata(content) == list(LAYERS)
    layers = TAG + LAYERS_SUFFIX
    assert set(events.PluginTagToContent(PLUGIN_NAME)) == {
        *(TAG, TAG + FIRST_SUFFIX, layers, PROBLEMS_TAG)
    }
    assert decode_metadata(array(events.Tensors(layers)[0]).item()) == list(LAYERS)
    assert [event.step for event in events.Tensors(TAG + FIRST_SUFFIX)] == [0]


def test_problems_are_written_in_words_and_as_data(tmp_path):
    written(tmp_path, look_at(0), look_at(7, problems=(PROBLEM,)))

    events = read(tmp_path)

    # The first says that there are none yet, also to readers that know of an earlier training.
    nothing, event = events.Tensors(PROBLEMS_TAG)
    assert decode_problems(array(nothing).item()) == []
    assert event.step == 7
    assert decode_problems(array(event).item()) == [PROBLEM]
    assert b"one is dead" in array(events.Tensors("problems")[0]).item()


def test_text_lists_the_layers(tmp_path):
    written(tmp_path, look_at(0))

    text = array(read(tmp_path).Tensors("watched_layers")[0]).item().decode()

    assert "| 0 | one | Dense | relu |" in text


def test_two_sinks_never_share_a_file(tmp_path):
    for _ in range(2):
        written(tmp_path, look_at(0))

    assert len(list(tmp_path.iterdir())) == 2


def test_a_later_file_replaces_what_an_earlier_one_logged_from_its_first_step_on(tmp_path):
    written(tmp_path, *map(look_at, (0, 10, 20, 30)))
    written(tmp_path, *map(look_at, (20, 40)))

    assert [event.step for event in read(tmp_path).Tensors(TAG)] == [0, 10, 20, 40]


def test_copies_write_runs_of_their_own(tmp_path):
    import copy

    first = copy.deepcopy(TensorBoardSink(tmp_path))
    second = copy.deepcopy(TensorBoardSink(tmp_path))

    assert {first.log_dir, second.log_dir} == {tmp_path / "copy_1", tmp_path / "copy_2"}


def test_directory_that_vanishes_gives_one_warning_and_no_error(tmp_path):
    sink = TensorBoardSink(tmp_path / "run")
    (tmp_path / "run").rmdir()

    with pytest.warns(UserWarning, match="Received: log_dir="):
        sink.append(look_at(0))
        sink.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sink.append(look_at(1))
        sink.flush()


def test_file_that_vanishes_is_not_begun_anew_in_the_middle(tmp_path):
    sink = written(tmp_path, look_at(0))
    sink.path.unlink()

    with pytest.warns(UserWarning, match="cannot be written now"):
        sink.append(look_at(1))
        sink.flush()


def test_full_disk_gives_one_warning_and_leaves_what_was_written(tmp_path, monkeypatch):
    sink = written(tmp_path, look_at(0))

    def full(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        sink.append(look_at(1))
        sink.flush()

    # While it is full: later it is tried again.
    assert [event.step for event in read(tmp_path).Tensors(TAG)] == [0]


def test_slow_disk_does_not_hold_up_and_is_said_once(tmp_path, monkeypatch):
    sink, gate = TensorBoardSink(tmp_path), threading.Event()
    monkeypatch.setattr(TensorBoardSink, "_write", lambda self, look: gate.wait(30))

    begin = time.monotonic()
    with pytest.warns(UserWarning, match="waiting for the disk") as said:
        for step in range(200):
            sink.append(look_at(step))
    took_s = time.monotonic() - begin
    gate.set()

    assert len(said) == 1
    # Each write would have taken 30 s.
    assert took_s < 30


def test_end_of_training_waits_for_a_disk_that_hangs_only_so_long(tmp_path, monkeypatch):
    sink, gate = TensorBoardSink(tmp_path), threading.Event()
    monkeypatch.setattr(TensorBoardSink, "_write", lambda self, look: gate.wait(30))

    sink.append(look_at(0))
    with pytest.warns(UserWarning, match="waited for the disk"):
        sink.flush(timeout_s=0.05)
    gate.set()


def test_file_cut_off_in_the_middle_of_a_look_is_readable_to_the_look_before(tmp_path):
    sink = written(tmp_path, *map(look_at, (0, 10)))
    content = sink.path.read_bytes()
    sink.path.write_bytes(content[:-100])

    assert [event.step for event in read(tmp_path).Tensors(TAG)] == [0]


@pytest.mark.parametrize(
    ("encoded", "decode"),
    [
        (encode_metadata("activations", LAYERS), decode_metadata),
        (encode_problems([PROBLEM]), decode_problems),
    ],
)
def test_record_of_a_later_version_is_refused(encoded, decode):
    content = encoded.replace(b'"version": 2', b'"version": 9')

    with pytest.raises(ValueError, match="Received: version=9"):
        decode(content)


def test_entries_that_this_version_does_not_know_are_passed_over():
    content = encode_metadata("activations", LAYERS).replace(b'"kind"', b'"colour": 1, "kind"')

    assert decode_metadata(content) == list(LAYERS)


def test_idle_writer_ends_and_the_next_look_starts_another(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_initlab.monitor.sinks._IDLE_S", 0.01)
    sink = written(tmp_path, look_at(0))
    end = time.monotonic() + 10
    while sink._thread is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert sink._thread is None

    for step in range(1, 40):
        sink.append(look_at(step))
        time.sleep(0.003 * (step % 7))
    sink.flush()

    assert [event.step for event in read(tmp_path).Tensors(TAG)] == list(range(40))


def test_layers_are_named_once_in_a_file(tmp_path):
    layers = tuple(LayerInfo(f"layer_{k}", "Dense", "relu", k) for k in range(100))
    values = np.ones((100, len(SECTIONS["activations"])))

    def look(step):
        return Look(step, 1e9 + step, {"activations": Section(layers, values)})

    sizes = []
    sink = TensorBoardSink(tmp_path, scalars=None)
    for step in range(3):
        sink.append(look(step))
        sink.flush()
        sizes.append(sink.path.stat().st_size)

    # A record: the numbers as float32, and what an event needs around them.
    assert sizes[2] - sizes[1] < 4 * values.size + 200
    events = read(tmp_path)
    content = events.SummaryMetadata(TAG).plugin_data.content
    assert [layer.name for layer in decode_metadata(content)] == [row.name for row in layers]
    assert [event.step for event in events.Tensors(TAG)] == [0, 1, 2]


def test_files_of_one_second_are_read_in_the_order_in_which_they_were_begun(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_initlab.monitor.sinks.time.time", lambda: 1e9)
    monkeypatch.setattr("keras_initlab.monitor.sinks._serial", itertools.count(8))

    paths = [written(tmp_path, look_at(step)).path for step in range(4)]

    assert sorted(paths) == paths
    assert [event.step for event in read(tmp_path).Tensors(TAG)] == [0, 1, 2, 3]
