"""The report as data and as a table, the columns of the looks, and how looks are thinned."""

import base64
import io
import json
import math
import re

import numpy as np
import pytest
from monitoring import compiled, fitted, logger_of
from rich.console import Console

from keras_initlab._wire import SECTIONS
from keras_initlab.monitor import Look, Problem, TrainingReport
from keras_initlab.signal.looks import History

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def logger():
    """Has watched six steps of a healthy network."""
    logger = logger_of()
    fitted(compiled(), logger)
    return logger


def printed(report, width=120):
    console = Console(width=width, file=io.StringIO())
    console.print(report)
    return console.file.getvalue()


def sick(report):
    problem = Problem("dead", "activations", ("b",), 3, 0.9, 0.5, "step 3, b: is [dead]")
    return TrainingReport(report.layers, report.first, report.last, (problem,), ("c is in a loop",))


def test_report_is_plain_json_without_numbers_that_json_lacks(logger):
    text = json.dumps(sick(logger.report).to_dict(), allow_nan=False)

    record = json.loads(text)
    assert record["healthy"] is False
    assert (record["first_step"], record["last_step"]) == (0, 5)
    assert record["problems"][0]["layers"] == ["b"]
    assert record["notes"] == ["c is in a loop"]


def test_report_holds_first_and_last_numbers_of_each_layer(logger):
    layers = logger.report.to_dict()["layers"]

    assert [layer["name"] for layer in layers] == ["a", "b", "c"]
    for layer in layers:
        for when, look in (("first", logger.looks[0]), ("last", logger.looks[-1])):
            assert layer[when]["variance"] == look.by_layer("variance")[layer["name"]]
            assert layer[when]["gradient_norm"] == look.by_layer("gradient_norm")[layer["name"]]


def test_number_that_is_not_known_is_null(logger):
    first = logger.report.to_dict()["layers"][0]["first"]

    assert math.isnan(logger.looks[0].by_layer("untouched_fraction")["a"])
    assert first["untouched_fraction"] is None


def test_report_is_healthy_exactly_without_problems(logger):
    assert logger.report.healthy
    assert not sick(logger.report).healthy


def test_report_before_any_look_is_empty_and_prints():
    report = logger_of().report

    assert report.to_dict()["layers"] == []
    assert report.to_dict()["first_step"] is None
    assert "No snapshots" in printed(report)
    assert report.healthy is None
    assert "is healthy in" not in printed(report)
    assert "It is not known whether the signal is healthy" in printed(report)


def test_report_of_weights_alone_names_the_layers():
    logger = logger_of(watch="weights")

    fitted(compiled(), logger)

    assert [layer.name for layer in logger.report.layers] == ["a", "b", "c"]


def test_printed_report_has_a_row_for_each_layer(logger):
    lines = [line.split() for line in printed(logger.report).splitlines() if line.strip()]

    heads = [words[:3] for words in lines]
    assert ["a", "Dense", "relu"] in heads
    assert ["b", "Dense", "tanh"] in heads
    assert any(words[:2] == ["c", "Dense"] for words in lines)
    assert " ".join(lines[0]) == "Signal per layer, step 0 > step 5"
    assert "The signal is healthy in every snapshot." in printed(logger.report)


def test_printed_numbers_are_the_first_over_the_last(logger):
    lines = printed(logger.report).splitlines()
    row = next(place for place, line in enumerate(lines) if line.split()[:1] == ["a"])

    first, last = (f"{logger.looks[k].by_layer('variance')['a']:.1e}" for k in (0, -1))
    assert first in lines[row]
    assert last in lines[row + 1]


def test_printed_report_tells_problems_and_notes_word_by_word(logger):
    text = printed(sick(logger.report))

    assert "dead: step 3, b: is [dead]" in text
    assert "note: c is in a loop" in text
    assert "healthy" not in text


@pytest.mark.parametrize(
    ("verbose", "of_fit", "prints"),
    [(1, 0, True), (0, 1, False), ("auto", 0, False), ("auto", 1, True), ("auto", 2, True)],
)
def test_table_is_printed_at_the_end_of_training_as_verbose_says(verbose, of_fit, prints, capsys):
    fitted(compiled(), logger_of(verbose=verbose, update_freq=100), verbose=of_fit)

    assert ("Signal per layer" in capsys.readouterr().out) == prints


@pytest.mark.parametrize("verbose", [3, -1, "yes", None])
def test_other_verbosity_is_refused(verbose):
    with pytest.raises(ValueError, match="Received: verbose="):
        logger_of(verbose=verbose)


def test_history_has_columns_of_equal_length_one_row_per_look_and_layer(logger):
    history = logger.history

    assert {len(column) for column in history.values()} == {6 * 3}
    assert history["step"] == [step for step in range(6) for _ in "abc"]
    assert history["layer"] == ["a", "b", "c"] * 6
    assert set(history) == {
        "step",
        "layer",
        *(name for statistics in SECTIONS.values() for name in statistics),
    }


def test_history_holds_the_numbers_of_the_looks(logger):
    history = logger.history

    rows = zip(history["step"], history["layer"], history["variance"], strict=True)
    for step, layer, variance in rows:
        assert variance == logger.looks[step].by_layer("variance")[layer]


def test_history_has_nan_where_a_look_has_no_number(logger):
    predicted = logger.history["predicted_variance"]

    # Theory speaks of the first look alone.
    assert [math.isnan(value) for value in predicted] == [False] * 3 + [True] * 15


def test_history_before_any_look_is_empty_columns():
    assert {len(column) for column in logger_of().history.values()} == {0}


@pytest.mark.parametrize("count", [2_000, 2_001, 2_002, 9_999])
def test_thinned_history_keeps_the_first_and_the_newest_look(count):
    history = History()

    for step in range(count):
        history.append(Look(step, 0.0))

    steps = [look.step for look in history]
    assert len(steps) <= 2_000
    assert (steps[0], steps[-1]) == (0, count - 1)
    # At equal distances, but for the newest one.
    assert len(set(np.diff(steps[:-1]))) == 1


def test_history_is_whole_up_to_two_thousand_looks():
    history = History()

    for step in range(2_000):
        history.append(Look(step, 0.0))

    assert len(history) == 2_000


def test_report_prints_itself_as_a_table(logger):
    assert "Signal per layer" in str(logger.report)
    assert repr(logger.report) == str(logger.report)
    assert max(map(len, str(logger.report).splitlines())) <= 150
    assert logger.report._repr_html_().startswith("<pre")


@pytest.mark.parametrize("ending", ["json", "html", "txt", "png", "svg"])
def test_report_is_saved_as_its_ending_says(logger, tmp_path, ending):
    path = tmp_path / f"report.{ending}"

    logger.report.save(path)

    begins = {"json": b"{", "html": b"<!doctype", "png": b"\x89PNG", "svg": b"<?xml"}
    assert path.read_bytes().lstrip().startswith(begins.get(ending, b"Signal per layer"))


def test_report_says_which_endings_there_are(logger, tmp_path):
    with pytest.raises(ValueError, match=r"must end with .json, .html.*report.docx"):
        logger.report.save(tmp_path / "report.docx")


def test_table_of_pandas_has_first_and_last_numbers(logger):
    frame = logger.report.to_pandas()

    assert list(frame.index) == ["a", "b", "c"]
    last = logger.looks[-1].by_layer("variance")
    assert frame["last_variance"].to_dict() == pytest.approx(last)
    assert frame["first_variance"]["a"] == logger.looks[0].by_layer("variance")["a"]


def test_empty_report_is_a_table_too():
    empty = TrainingReport((), None, None, (), ())

    assert empty.to_pandas().empty
    assert "No snapshots" in str(empty)
    assert empty.plot() is not None


def test_unhealthy_or_unseen_fails_a_test_with_the_reason(logger):
    logger.report.assert_healthy()

    with pytest.raises(AssertionError, match=r"dead: step 3, b: is \[dead\]"):
        sick(logger.report).assert_healthy()
    with pytest.raises(AssertionError, match="signal is healthy\\.\nno steps"):
        TrainingReport((), None, None, (), ("no steps",)).assert_healthy()


def test_curves_of_the_figure_are_those_of_the_looks(logger):
    forward, backward = logger.report.plot().axes

    drawn = {line.get_label(): list(line.get_ydata()) for line in forward.lines}
    assert drawn["last snapshot"] == list(logger.looks[-1].by_layer("variance").values())
    assert drawn["first snapshot"] == list(logger.looks[0].by_layer("variance").values())
    assert len(backward.lines) == 2


def test_saved_page_holds_the_snapshots(logger, tmp_path):
    path = tmp_path / "signal.html"

    logger.report.save(path)

    page = path.read_text("utf-8")
    (text,) = re.findall(r'id="initlab-data">(.*)</script>', page)
    held = json.loads(text)["series"]["training"]["activations"]
    assert held["steps"] == [look.step for look in logger.looks]
    numbers = np.frombuffer(base64.b64decode(held["values"]), "<f4")
    expected = [look.sections["activations"].values for look in logger.looks]
    np.testing.assert_array_equal(numbers, np.float32(expected).ravel())


def test_notebook_shows_the_page_in_a_frame_of_its_own(logger):
    shown = logger.show(height=500)._repr_html_()

    assert shown.startswith('<iframe sandbox="allow-scripts allow-downloads" srcdoc="&lt;!doctype')
    assert "height: 500px" in shown
    assert shown.count("<") == 2
