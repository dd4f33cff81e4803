"""What a comparison shows."""

import json
import sys

import numpy as np
import pytest
from comparisons import DATA, ONE, SCHEMES, built, run_of, whole
from tensorboard.backend.event_processing import data_provider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from keras_initlab.model.comparing.compare import compare

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return whole(tmp_path_factory.mktemp("comparison"))


def test_summary_gives_mean_and_spread_over_the_seeds(comparison):
    built_row, he, huge, broken = comparison.summary()
    losses = [run_of(comparison, "he", seed).history["val_loss"][-1] for seed in (0, 1)]

    assert he.mean["val_loss"] == pytest.approx(np.mean(losses))
    assert he.std["val_loss"] == pytest.approx(np.std(losses, ddof=1))
    assert (built_row.healthy, built_row.runs) == (1.0, 2)
    assert (huge.diverged, huge.failed, huge.healthy, huge.mean) == (2, 0, 0.0, {})
    assert (broken.diverged, broken.failed, broken.looked) == (0, 2, 0)


def test_table_says_how_each_scheme_did(comparison):
    text = str(comparison)

    mean, std = comparison.summary()[1].mean["val_loss"], comparison.summary()[1].std["val_loss"]
    assert f"{mean:.4g} ± {std:.2g}" in text
    assert "2, 2 diverged" in text
    assert "2, 2 failed" in text
    assert "broken, seed 1 failed, ValueError" in text
    assert "huge, first snapshot, " in text
    assert "not reached" in text
    assert "<pre" in comparison._repr_html_()


def test_everything_is_plain_data(comparison, tmp_path):
    comparison.save(tmp_path / "all.json")

    held = json.loads((tmp_path / "all.json").read_text(), parse_constant=pytest.fail)

    assert held == comparison.to_dict()
    assert held["monitor"] == "val_loss"
    assert len(held["runs"]) == 8
    with pytest.raises(ValueError, match=r"must end with \.json"):
        comparison.save(tmp_path / "all.csv")


def test_frame_has_a_row_for_each_run(comparison):
    frame = comparison.to_pandas()

    assert len(frame) == 8
    row = frame[(frame.scheme == "he") & (frame.seed == 1)].iloc[0]
    assert row.val_loss == run_of(comparison, "he", 1).metrics["val_loss"]
    assert row.status == "finished"


def test_figure_shows_curves_with_bands_and_the_first_signal(comparison):
    curves, profile = comparison.plot().axes

    lines = {tuple(np.asarray(line.get_ydata(), float)) for line in curves.lines}
    losses = [run_of(comparison, "he", seed).history["val_loss"] for seed in (0, 1)]
    assert tuple(np.mean(losses, axis=0)) in lines
    assert len(curves.collections) == 2, "the bands of the schemes that came to a number"
    assert [text.get_text() for text in curves.get_legend().get_texts()] == list(SCHEMES)
    variances = [list(run_of(comparison, "he", seed).first_variance.values()) for seed in (0, 1)]
    np.testing.assert_allclose(
        profile.lines[1].get_ydata(), np.sqrt(np.prod(variances, axis=0)), rtol=1e-6
    )
    assert profile.get_yscale() == "log"
    assert [tick.get_text() for tick in profile.get_xticklabels()] == ["a", "b"]


@pytest.mark.parametrize(
    ("method", "module"), [("plot", "matplotlib.figure"), ("to_pandas", "pandas")]
)
def test_package_that_is_missing_is_named(comparison, monkeypatch, method, module):
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ImportError, match=f"pip install {module.split('.')[0]}"):
        getattr(comparison, method)()


def test_hparams_dashboard_lists_the_runs(comparison):
    events = EventMultiplexer(tensor_size_guidance={"tensors": 0})
    events.AddRunsFromDirectory(comparison.directory)
    events.Reload()
    provider = data_provider.MultiplexerDataProvider(events, comparison.directory)
    backend = backend_context.Context(TBContext(data_provider=provider))
    context = RequestContext()
    metadata = backend.hparams_metadata(context, "")
    experiment = backend.experiment_from_metadata(context, "", True, metadata, [])
    statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]
    request = api_pb2.ListSessionGroupsRequest(slice_size=99, allowed_statuses=statuses)

    response = list_session_groups.Handler(context, backend, "", request).run()

    assert {info.name for info in experiment.hparam_infos} == {"scheme", "seed"}
    tags = {info.name.tag for info in experiment.metric_infos}
    assert tags == {"loss", "mae", "val_loss", "val_mae"}
    rows = {
        (group.hparams["scheme"].string_value, int(group.hparams["seed"].number_value)): group
        for group in response.session_groups
    }
    assert set(rows) == {(run.scheme, run.seed) for run in comparison.runs}
    for (scheme, seed), group in rows.items():
        run, (session,) = run_of(comparison, scheme, seed), group.sessions
        finished = run.status == "finished"
        assert session.status == statuses[0 if finished else 1]
        lasted = session.end_time_secs - session.start_time_secs
        assert lasted == pytest.approx(run.duration_s, abs=1e-3)
        values = {metric.name.tag: metric.value for metric in session.metric_values}
        if finished:
            assert values == pytest.approx(run.metrics)


def test_progress_is_shown_unless_it_is_not_wanted(capsys):
    compare(built, [None], DATA, **{**ONE, "epochs": 1})
    assert not capsys.readouterr().out

    compare(built, [None], DATA, **{**ONE, "epochs": 1, "verbose": 1})
    assert "as built, seed 0" in capsys.readouterr().out
