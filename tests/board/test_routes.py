"""The routes, called as TensorBoard calls them, on logs that the real sink has written."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page import Page, write_events
from signal_logs import (
    VARIANCE,
    layers_of,
    provider_of,
    values_at,
    write_run,
)
from tensorboard.plugins.histogram import metadata as histogram
from tensorboard.plugins.hparams import summary_v2

from keras_initlab._wire import (
    SECTIONS,
    THRESHOLDS,
)
from keras_initlab.monitor.events import (
    _summary_event,
    _value,
    records_of,
    session_start,
    trial_events,
)

pytestmark = pytest.mark.once

LAYERS = layers_of(4)
STEPS = range(0, 200, 2)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    write_run(folder / "he", STEPS, LAYERS, broken=6, histograms=True)
    write_run(folder / "zeros", [0, 5], layers_of(2), seed=1)
    trial = trial_events(
        {"scheme": "HeNormal", "seed": 3}, {"val_auc": {9: 0.75}}, duration_s=1.0, succeeded=True
    )
    (folder / "he" / "events.out.tfevents.2.trial").write_bytes(records_of(trial))
    return Page(provider_of(folder))


def test_runs_tell_what_they_hold(page):
    answer = page.json("/runs")

    he, zeros = answer["runs"]
    assert answer["thresholds"].items() >= THRESHOLDS.items()
    assert (he["name"], zeros["name"]) == ("he", "zeros")
    assert he["scheme"] == "HeNormal"
    assert [layer["name"] for layer in he["sections"]["activations"]["layers"]] == [
        layer.name for layer in LAYERS
    ]
    # Logs of before say nothing of the graph.
    assert he["sections"]["activations"]["edges"] is None
    assert he["sections"]["activations"]["statistics"] == list(SECTIONS["activations"])
    assert he["sections"]["activations"]["last_step"] == STEPS[-1]
    assert he["hparams"] == {"scheme": "HeNormal", "seed": 3}
    assert he["metric"] == {"name": "val_auc", "value": 0.75}
    assert zeros["metric"] is None
    assert len(he["histograms"]) == len(LAYERS)


def test_series_is_what_was_logged(page):
    arrays, header = page.arrays(
        "/series", run="he", section="activations", statistic="variance", points=1000
    )

    expected = [values_at(step, 4)[:, VARIANCE] for step in STEPS]
    assert arrays["steps"].tolist() == list(STEPS)
    np.testing.assert_array_equal(arrays["last"], np.float32(expected))
    assert set(arrays) == {"steps", "last"}
    assert header == {"dropped": 0, "looks": len(STEPS)}


def test_thinned_series_keeps_first_last_problem_and_extremes(page):
    arrays, header = page.arrays(
        "/series", run="he", section="activations", statistic="mean", points=5
    )

    column = SECTIONS["activations"].index("mean")
    every = np.float32([values_at(step, 4)[:, column] for step in STEPS])
    assert {0, 6, STEPS[-1]} <= set(arrays["steps"].tolist())
    assert len(arrays["steps"]) <= 6
    np.testing.assert_array_equal(arrays["high"].max(0), every.max(0))
    np.testing.assert_array_equal(arrays["low"].min(0), every.min(0))
    assert header["looks"] == len(STEPS)


def test_layer_has_all_statistics(page):
    arrays, _ = page.arrays("/layer", run="he", section="activations", layer=2, points=1000)

    np.testing.assert_array_equal(
        arrays["last"], np.float32([values_at(step, 4)[2] for step in STEPS])
    )


def test_problems_come_in_the_callbacks_words(page):
    answer = page.json("/problems", run="he")

    (problem,) = answer["problems"]
    assert answer["total"] == 1
    assert problem["text"] == "the signal vanishes; use HeNormal()"
    assert (problem["step"], problem["layers"]) == (6, ["dense_3"])
    assert page.json("/problems", run="zeros")["problems"] == []


def test_histograms_are_what_was_logged(page):
    arrays, _ = page.arrays("/histogram", run="he", tag="activation_histogram/dense_1", points=20)

    assert arrays["bins"].shape == (20, 64, 3)
    counts = np.random.default_rng([0, 0, 1]).integers(0, 9, (4, 64))
    np.testing.assert_array_equal(arrays["bins"][0, :, 2], counts[1])


def test_first_look_survives_the_sampling_of_tensorboard(tmp_path):
    write_run(tmp_path / "he", STEPS, LAYERS)

    arrays, _ = Page(provider_of(tmp_path, samples=5)).arrays(
        "/series", run="he", section="activations", statistic="variance"
    )

    assert len(arrays["steps"]) in (5, 6)
    assert arrays["steps"][0] == 0
    np.testing.assert_array_equal(arrays["last"][0], np.float32(values_at(0, 4)[:, VARIANCE]))


def test_resumed_run_keeps_its_initialization(tmp_path):
    write_run(tmp_path / "he", range(0, 100), LAYERS)
    write_run(tmp_path / "he", range(100, 200), LAYERS)

    arrays, _ = Page(provider_of(tmp_path, samples=5)).arrays(
        "/series", run="he", section="activations", statistic="variance"
    )

    steps = arrays["steps"].tolist()
    assert {0, 100, 199} <= set(steps)
    assert steps == sorted(steps)
    expected = [values_at(int(step), 4)[:, VARIANCE] for step in steps]
    np.testing.assert_array_equal(arrays["last"], np.float32(expected))


def test_logs_of_kerass_callback_show_their_weights(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.normal(2.0, 3.0, 20_000)
    counts, edges = np.histogram(weights, 200)
    bins = np.column_stack([edges[:-1], edges[1:], counts]).astype(float)
    about = histogram.create_summary_metadata(display_name=None, description=None)
    write_events(tmp_path / "train", (3, _value("dense/kernel/histogram", bins, about)))

    page = Page(provider_of(tmp_path))

    (run,) = page.json("/runs")["runs"]
    assert list(run["sections"]) == ["histograms"]
    query = {"run": "train", "section": "histograms"}
    variance, _ = page.arrays("/series", statistic="histogram_variance", **query)
    mean, _ = page.arrays("/series", statistic="histogram_mean", **query)
    # The centre of a bin is off by at most half its width.
    width = edges[1] - edges[0]
    assert mean["last"][0, 0] == pytest.approx(weights.mean(), abs=width / 2)
    assert variance["last"][0, 0] == pytest.approx(weights.var(), abs=width * weights.std())


def test_trial_above_a_run_is_the_runs(tmp_path):
    write_run(tmp_path / "trial" / "train", [0], LAYERS)
    write_run(tmp_path / "other", [0], LAYERS)
    hparams = summary_v2.hparams_pb({"scheme": "Zeros", "deep": True}, start_time_secs=0.0)
    (tmp_path / "trial" / "events.out.tfevents.2.trial").write_bytes(
        records_of([*session_start(0), _summary_event(0, hparams.value)])
    )

    runs = {run["name"]: run for run in Page(provider_of(tmp_path)).json("/runs")["runs"]}

    assert runs["trial/train"]["hparams"] == {"scheme": "Zeros", "deep": True}
    assert runs["other"]["hparams"] == {}


@pytest.mark.parametrize(
    ("route", "query", "word"),
    [
        ("/series", {}, "`run`"),
        ("/series", {"run": "he"}, "`section`"),
        ("/series", {"run": "he", "section": "activations"}, "`statistic`"),
        ("/series", {"run": "he", "section": "../..", "statistic": "mean"}, "`section`"),
        ("/series", {"run": "he", "section": "activations", "statistic": "x"}, "`statistic`"),
        ("/series", {"run": "no", "section": "activations", "statistic": "mean"}, "'no'"),
        ("/layer", {"run": "he", "section": "activations", "layer": "4"}, "from 0 to 3"),
        ("/layer", {"run": "he", "section": "activations", "layer": "-1"}, "whole number"),
        ("/layer", {"run": "he", "section": "activations", "layer": "²"}, "whole number"),
        ("/layer", {"run": "he", "section": "activations", "layer": "9" * 5000}, "whole number"),
        ("/histogram", {"run": "he", "tag": "nothing"}, "'nothing'"),
        ("/problems", {}, "`run`"),
    ],
)
def test_bad_question_is_answered_with_what_is_wrong(page, route, query, word):
    assert word in page.error(route, **query)


def quick(examples):
    """So many examples, however long one takes; fixtures may outlive one."""
    checks = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks)


TEXT = st.text(max_size=40) | st.sampled_from(
    ["he", "activations", "variance", "../../etc/passwd", "<script>", "\u202e", "x" * 10_000]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    route=st.sampled_from(["/runs", "/series", "/layer", "/histogram", "/problems"]),
    query=st.dictionaries(
        st.sampled_from(["run", "section", "statistic", "points", "layer", "tag"]), TEXT
    ),
)
def test_no_question_breaks_a_route(page, route, query):
    answer = page.get(route, **query)

    assert answer.status_code in (200, 400, 404)
    assert not answer.content_type.startswith("text/html")


def test_newer_looks_are_seen(tmp_path):
    write_run(tmp_path / "run", [0, 1], LAYERS)
    provider = provider_of(tmp_path)
    page = Page(provider)
    query = {"run": "run", "section": "activations", "statistic": "mean"}
    before, _ = page.arrays("/series", **query)

    write_run(tmp_path / "run", [2, 3], LAYERS)
    provider._multiplexer.AddRunsFromDirectory(str(tmp_path))
    provider._multiplexer.Reload()
    after, _ = page.arrays("/series", **query)

    assert before["steps"].tolist() == [0, 1]
    assert after["steps"].tolist() == [0, 1, 2, 3]


def test_pages_files_are_served_with_their_types(page):
    names = [route for route in page.apps if route.endswith((".js", ".css"))]

    assert "/index.js" in names
    for name in names:
        answer = page.get(name)
        kind = "text/css" if name.endswith("css") else "text/javascript"
        assert answer.status_code == 200
        assert answer.content_type.startswith(kind)
