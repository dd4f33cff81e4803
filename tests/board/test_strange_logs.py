"""Logs that anyone may have written: a message or nothing, never an error of the server."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page import Page, write_events
from signal_logs import (
    VARIANCE,
    layers_of,
    look_at,
    problem_at,
    provider_of,
    values_at,
    write_run,
)
from tensorboard.plugins.histogram import metadata as histogram

from keras_initlab._wire import PROBLEMS_TAG, SECTIONS, Problem, encode_problems, tag_of
from keras_initlab.monitor import Look, TensorBoardSink
from keras_initlab.monitor.events import _about, _summary_event, _value, records_of
from keras_initlab.signal.looks import Section

pytestmark = pytest.mark.once

LAYERS = layers_of(4)


BAD_METADATA = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"version": 2}',
    b'{"version": 99, "layers": [], "statistics": []}',
    b'{"version": 2, "layers": [1], "statistics": ["variance"]}',
    b'{"version": 2, "layers": [{"name": "a"}], "statistics": ["variance"]}',
    b'{"version": 2, "layers": [{"name": 1, "kind": "", "activation": "", "depth": 0}]}',
    b'{"version": 2, "layers": [], "statistics": [null]}',
    b'{"version": "2", "layers": []}',
    b"[" * 100_000,
    b"\xff\xfe",
]


@pytest.mark.parametrize("content", BAD_METADATA)
def test_metadata_from_anyone_is_a_message(tmp_path, content):
    tag = tag_of("activations")
    write_events(tmp_path / "bad", (0, _value(tag, np.zeros((1, 1), np.float32), _about(content))))
    page = Page(provider_of(tmp_path))

    (run,) = page.json("/runs")["runs"]
    error = page.error("/series", run="bad", section="activations", statistic="variance")

    assert run["message"]
    assert run["message"] in error
    if b"99" in content:
        assert "pip install -U keras_initlab" in error


@given(
    content=st.binary(max_size=60)
    | st.recursive(st.none() | st.text(), st.lists).map(
        lambda value: json.dumps({"version": 2, "problems": value}).encode()
    )
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_problems_from_anyone_break_nothing(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("logs")
    write_events(folder / "bad", (0, _value(PROBLEMS_TAG, content, _about(b""))))

    assert Page(provider_of(folder)).json("/problems", run="bad")["problems"] == []


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), np.float32),
        np.zeros(3, np.float32),
        np.array([["a"]]),
        np.zeros((1, 1), int),
    ],
)
def test_records_of_another_shape_are_counted_and_left_out(tmp_path, array):
    layers = layers_of(1)
    write_run(tmp_path / "run", [0, 4], layers)
    (path,) = (tmp_path / "run").iterdir()
    stray = _summary_event(8, [_value(tag_of("activations"), array, _about(b""))])
    path.write_bytes(path.read_bytes() + records_of([stray]))

    arrays, header = Page(provider_of(tmp_path)).arrays(
        "/series", run="run", section="activations", statistic="mean"
    )

    assert arrays["steps"].tolist() == [0, 4]
    assert header["dropped"] == 1


@pytest.mark.parametrize("cut", [1, 30, 500])
def test_truncated_file_is_read_to_its_last_whole_record(tmp_path, cut):
    write_run(tmp_path / "run", [0, 1, 2], LAYERS)
    (path,) = (tmp_path / "run").iterdir()
    path.write_bytes(path.read_bytes()[:-cut])

    arrays, _ = Page(provider_of(tmp_path)).arrays(
        "/series", run="run", section="activations", statistic="variance"
    )

    assert arrays["steps"].tolist() == [0, 1]


NAMES = ["<script>alert(1)</script>", "a\"b'c", "\u202egnihtemos", "x" * 10_000, "../..", "a\x00b"]


def test_names_come_through_as_they_are(tmp_path):
    write_run(tmp_path / "run", [0], layers_of(len(NAMES), NAMES))

    (run,) = Page(provider_of(tmp_path)).json("/runs")["runs"]

    assert [layer["name"] for layer in run["sections"]["activations"]["layers"]] == NAMES


def test_numbers_that_are_none_come_through(tmp_path):
    layers = layers_of(3)
    values = np.ones((3, len(SECTIONS["activations"])))
    values[:, VARIANCE] = [np.nan, np.inf, 0.0]
    sink = TensorBoardSink(tmp_path / "run")
    sink.append(Look(0, 1.0, {"activations": Section(layers, values)}))
    sink.flush()

    arrays, _ = Page(provider_of(tmp_path)).arrays(
        "/series", run="run", section="activations", statistic="variance"
    )

    assert np.isnan(arrays["last"][0, 0])
    assert arrays["last"][0, 1:].tolist() == [np.inf, 0.0]


@pytest.mark.parametrize("names", [["new_0", "new_1", "new_2", "new_3"], ["only"]])
def test_another_model_in_the_same_directory_has_its_own_names(tmp_path, names):
    write_run(tmp_path / "run", range(20), LAYERS, broken=15)
    write_run(tmp_path / "run", range(5), layers_of(len(names), names), seed=1)

    page = Page(provider_of(tmp_path))
    (run,) = page.json("/runs")["runs"]
    arrays, header = page.arrays("/series", run="run", section="activations", statistic="variance")

    assert [layer["name"] for layer in run["sections"]["activations"]["layers"]] == names
    assert arrays["steps"].tolist() == list(range(5))
    expected = [values_at(step, len(names), 1)[:, VARIANCE] for step in range(5)]
    np.testing.assert_array_equal(arrays["last"], np.float32(expected))
    assert page.json("/problems", run="run")["problems"] == []
    assert header["dropped"] == 0


def test_problem_that_lasts_is_one_entry(tmp_path):
    sink = TensorBoardSink(tmp_path / "run", scalars=None)
    late = Problem("nonfinite", "activations", ("dense_0",), 900, 1.0, 0.0, "NaN")
    for step in range(1000):
        problems = [problem_at(step, "dense_3"), *([late] if step == 900 else [])]
        sink.append(look_at(step, LAYERS, problems=problems))
        sink.flush()
    page = Page(provider_of(tmp_path))

    lasting, other = page.json("/problems", run="run")["problems"]
    arrays, _ = page.arrays(
        "/series", run="run", section="activations", statistic="mean", points=50
    )

    assert (lasting["step"], lasting["last_step"], lasting["count"]) == (0, 999, 1000)
    assert (other["rule"], other["step"], other["count"]) == ("nonfinite", 900, 1)
    assert len(arrays["steps"]) <= 51
    assert 900 in arrays["steps"]


@pytest.mark.parametrize("step", [10**30, -(10**30), 2**63])
def test_steps_beyond_all_numbers_break_nothing(tmp_path, step):
    write_run(tmp_path / "run", [0, 1], LAYERS)
    (path,) = (tmp_path / "run").iterdir()
    content = encode_problems([problem_at(step, "dense_3")])
    stray = _summary_event(1, [_value(PROBLEMS_TAG, content, _about(b""))])
    path.write_bytes(path.read_bytes() + records_of([stray]))
    page = Page(provider_of(tmp_path))

    answer = page.json("/problems", run="run")
    arrays, _ = page.arrays("/series", run="run", section="activations", statistic="mean")

    assert answer["problems"] == []
    assert "`step` of a Problem" in answer["message"]
    assert arrays["steps"].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["lr1²", "ⅷ", "a\u0660b", "٣", "<b>", "x" * 200])
def test_any_name_of_a_run_or_a_tag_is_listed(tmp_path, name):
    write_run(tmp_path / name, [0], LAYERS, histograms=True)
    bins = np.array([[0.0, 1.0, 2.0]])
    about = histogram.create_summary_metadata(display_name=None, description=None)
    write_events(tmp_path / "theirs", (0, _value(name, bins, about)))
    page = Page(provider_of(tmp_path))

    runs = page.json("/runs")["runs"]

    assert {run["name"] for run in runs} == {name, "theirs"}
    assert page.arrays("/histogram", run="theirs", tag=name)[0]["bins"].shape == (1, 1, 3)
