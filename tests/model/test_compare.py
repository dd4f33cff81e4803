"""Comparing schemes: what is trained, kept, gone on from and shown."""

import functools
import json
import math
import multiprocessing
import random
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import comparisons
import keras
import numpy as np
import pytest
from comparisons import BATCH, DATA, EAGER, EPOCHS, STEPS, X, Y, built, counted, data_with, lines_of
from tensorboard.backend.event_processing import data_provider
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from keras_initlab import RandomNormal
from keras_initlab.model.comparing.compare import compare

SCHEMES = {
    "as built": None,
    "he": "he_normal",
    "huge": RandomNormal(stddev=1e15),
    "broken": "no such scheme",
}
OPTIONS = {"seeds": 2, "epochs": EPOCHS, "batch_size": BATCH, "verbose": 0}
TARGET = 2.5
ONE = {**OPTIONS, "seeds": 1}


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    validation = X[:32], Y[:32]
    return compare(
        built, SCHEMES, DATA, validation_data=validation, target=TARGET, directory=folder, **OPTIONS
    )


def run_of(comparison, scheme, seed=0):
    (run,) = [each for each in comparison.runs if (each.scheme, each.seed) == (scheme, seed)]
    return run


def by_hand(seed=0, **options):
    keras.utils.set_random_seed(seed)
    model = built()
    before = model.get_weights()
    history = model.fit(**DATA, batch_size=BATCH, epochs=EPOCHS, verbose=0, **options).history
    return before, history


# --- what is trained -----------------------------------------------------------------------------


def test_runs_are_all_schemes_with_all_seeds_in_order(comparison):
    runs = [(run.scheme, run.seed) for run in comparison.runs]

    assert runs == [(scheme, seed) for scheme in SCHEMES for seed in (0, 1)]


@pytest.mark.parametrize("seed", [0, 1])
def test_run_is_what_fit_does_with_its_seed(comparison, seed):
    _, history = by_hand(seed, validation_data=(X[:32], Y[:32]))

    run = run_of(comparison, "as built", seed)

    assert run.status == "finished"
    assert run.steps == (STEPS, 2 * STEPS)
    assert set(run.history) == {"loss", "mae", "val_loss", "val_mae"}
    for name, values in history.items():
        np.testing.assert_allclose(run.history[name], values, rtol=1e-5)


def test_first_look_is_the_signal_of_the_untrained_model(comparison):
    weights, _ = by_hand()
    a = np.maximum(X[:BATCH] @ weights[0] + weights[1], 0)
    b = a @ weights[2] + weights[3]

    run = run_of(comparison, "as built")

    expected = {"a": a.var(), "b": b.var()}
    assert run.first_variance == pytest.approx(expected, rel=1e-4)
    assert set(run.last_variance) == {"a", "b"}
    assert run.last_variance != run.first_variance


def test_schemes_and_seeds_make_different_weights(comparison):
    losses = {run.history["loss"] for run in comparison.runs if run.status == "finished"}

    assert len(losses) == 4


def test_scheme_that_raises_is_told_and_the_others_go_on(comparison):
    run = run_of(comparison, "broken")

    assert run.status == "failed"
    assert run.error.startswith("ValueError: ")
    assert not run.history
    assert not run.healthy


def test_run_whose_loss_is_lost_is_stopped_at_once(comparison):
    run = run_of(comparison, "huge")

    assert run.status == "diverged"
    assert len(run.steps) == 1
    assert run.steps[0] < STEPS
    assert run.first_problems
    assert not run.healthy


def test_generators_of_the_caller_stay_as_they_were():
    random.seed(5)
    np.random.seed(5)
    expected = random.random(), np.random.rand()
    random.seed(5)
    np.random.seed(5)

    compare(built, [None], DATA, **{**ONE, "epochs": 1})

    assert (random.random(), np.random.rand()) == expected


def test_data_may_come_from_a_function_and_with_weights():
    data = X, Y, np.zeros(len(X))

    (run,) = compare(built, [None], lambda: data, **{**ONE, "epochs": 1}).runs

    assert run.metrics["loss"] == 0
    assert run.metrics["mae"] > 0


def unnamed():
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=EAGER)
    return model


def test_weights_do_not_depend_on_the_names_that_keras_gives():
    options = {**ONE, "epochs": 1}

    first, second = (compare(unnamed, ["auto"], DATA, **options).runs[0] for _ in range(2))

    assert list(first.first_variance) != list(second.first_variance)
    assert first.history == second.history


def trained():
    model = built()
    for variable in model.trainable_variables:
        variable.assign(variable + 1)
    return model


def test_scheme_that_leaves_all_weights_alone_is_told():
    (run,) = compare(trained, ["he_normal"], DATA, **ONE).runs

    assert run.status == "failed"
    assert "must draw at least one weight" in run.error


# --- the target ----------------------------------------------------------------------------------


def test_steps_to_target_of_validation_are_counted_in_epochs(comparison):
    for run in comparison.runs:
        reached = [
            step
            for step, loss in zip(run.steps, run.history.get("val_loss", ()), strict=False)
            if loss <= TARGET
        ]
        assert run.steps_to_target == (reached[0] if reached else None)
    assert run_of(comparison, "as built").steps_to_target


class Running(keras.callbacks.Callback):
    """The running loss after each step."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_batch_end(self, batch, logs=None):
        comparisons.note(self.path, float(logs["loss"]))


def test_steps_to_target_of_training_hold_to_the_end_of_the_epoch(tmp_path):
    path = str(tmp_path / "losses")
    compare(built, [None], data_with(Running(path)), **ONE)
    losses = np.array([float(line) for line in lines_of(path)]).reshape(EPOCHS, STEPS)
    # Met at the end of the second epoch, and not of the first one.
    target = float(losses[1, -1]) * 1.0001
    assert losses[0, -1] > target
    missed = np.flatnonzero(losses[1] > target)
    expected = STEPS + (missed[-1] + 1 if len(missed) else 0) + 1

    run = compare(built, [None], DATA, target=target, **ONE).runs[0]

    assert run.monitor == "loss"
    assert run.steps_to_target == expected


def classifier():
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(1, "sigmoid", name="c")])
    options = {"metrics": ["accuracy"], "run_eagerly": EAGER}
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", **options)
    return model


def test_target_of_a_metric_of_which_more_is_better_is_reached_from_below():
    labels = (X[:, :1] > 0).astype("float32")
    options = {**ONE, "epochs": 6, "monitor": "accuracy"}

    low = compare(classifier, [None], (X, labels), target=0.85, **options).runs[0]
    high = compare(classifier, [None], (X, labels), target=1.01, **options).runs[0]

    first = next(k for k, value in enumerate(low.history["accuracy"]) if value >= 0.85)
    before = low.steps[first - 1] if first else 0
    assert before < low.steps_to_target <= low.steps[first]
    assert high.steps_to_target is None


# --- going on ------------------------------------------------------------------------------------


def test_finished_comparison_repeats_nothing(tmp_path):
    build = functools.partial(counted, str(tmp_path / "built"))
    options = {**OPTIONS, "directory": tmp_path / "runs"}
    first = compare(build, [None], DATA, **options)

    again = compare(build, [None], DATA, **options)
    wider = compare(build, [None], DATA, **{**options, "seeds": [0, 1, 2]})

    assert len(lines_of(tmp_path / "built")) == 3
    assert again.runs == first.runs
    assert wider.runs[:2] == first.runs


def test_failed_run_is_tried_again(tmp_path):
    build = functools.partial(counted, str(tmp_path / "built"))
    options = {**ONE, "directory": tmp_path / "runs"}

    for _ in range(2):
        compare(build, ["no such scheme"], DATA, **options)

    assert len(lines_of(tmp_path / "built")) == 2


KILLED = """
import sys
import time
from comparisons import Ends, built, data_with, exit_now
from keras_initlab.model.comparing.compare import compare
data = data_with(Ends(sys.argv[1], 3, exit_now))
compare(built, [None], data, seeds=2, epochs=2, batch_size=16, directory=sys.argv[2], verbose=0)
"""


def test_killed_comparison_goes_on_from_the_last_whole_epoch(tmp_path):
    path, folder = tmp_path / "epochs", tmp_path / "runs"
    tests = Path(comparisons.__file__).parent
    command = [sys.executable, "-c", KILLED, str(path), str(folder)]
    killed = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=False)
    assert killed.returncode == 17, killed.stderr
    assert lines_of(path) == ["0", "1", "0"]
    # Event files are read in the order of the second in which they were begun.
    time.sleep(1)

    data = data_with(comparisons.Ends(path, 3, comparisons.exit_now))
    runs = compare(built, [None], data, directory=folder, **OPTIONS).runs

    assert lines_of(path) == ["0", "1", "0", "1"]
    assert not list(folder.rglob("*.h5"))
    for run in runs:
        assert run.status == "finished"
        assert run.steps == (STEPS, 2 * STEPS)
        _, history = by_hand(run.seed)
        np.testing.assert_allclose(run.history["loss"], history["loss"], rtol=1e-5)
        events = EventAccumulator(run.directory).Reload().Tensors("activation_variance/a")
        assert [event.step for event in events] == [0, STEPS - 1, 2 * STEPS - 1]


def test_interrupted_comparison_keeps_what_is_finished(tmp_path):
    path, folder = tmp_path / "epochs", tmp_path / "runs"
    data = data_with(comparisons.Ends(path, EPOCHS, comparisons.interrupt))

    with pytest.raises(KeyboardInterrupt):
        compare(built, [None], data, directory=folder, **OPTIONS)
    compare(built, [None], data, directory=folder, **OPTIONS)

    assert len(lines_of(path)) == 2 * EPOCHS


def test_record_that_is_cut_off_is_made_again(tmp_path):
    options = {**ONE, "epochs": 1, "directory": tmp_path}
    first = compare(built, [None], DATA, **options)
    record = Path(first.runs[0].directory, "result.json")
    whole = record.read_text()
    record.write_text(whole[: len(whole) // 2])

    again = compare(built, [None], DATA, **options)

    assert again.runs[0].history["loss"] == pytest.approx(first.runs[0].history["loss"], rel=1e-5)
    assert json.loads(record.read_text())["run"]["status"] == "finished"


def test_directory_that_was_moved_is_known(tmp_path):
    options = {**ONE, "epochs": 1}
    compare(built, [None], DATA, directory=tmp_path / "old", **options)
    (tmp_path / "old").rename(tmp_path / "new")

    (run,) = compare(built, [None], DATA, directory=tmp_path / "new", **options).runs

    assert run.directory == str(tmp_path / "new" / "as built" / "seed_0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 4}, "epochs=2, where epochs=4"),
        ({"batch_size": 8}, "batch_size=16, where batch_size=8"),
        ({"data": {**DATA, "x": X + 1}}, "made with data="),
        ({"schemes": {"as built": "zeros"}}, "scheme=None, where scheme='zeros'"),
    ],
)
def test_directory_with_runs_of_other_settings_is_refused(comparison, change, words):
    arguments = {
        "schemes": {"as built": None},
        "data": DATA,
        "validation_data": (X[:32], Y[:32]),
        "target": TARGET,
        "directory": comparison.directory,
        **OPTIONS,
    }
    compare(built, **arguments)

    with pytest.raises(ValueError, match=words):
        compare(built, **{**arguments, **change})


# --- elsewhere -----------------------------------------------------------------------------------

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def here():
    return compare(built, ["he_normal"], DATA, **OPTIONS).runs


def check_same(runs, here):
    assert [(run.scheme, run.seed) for run in runs] == [("he_normal", 0), ("he_normal", 1)]
    for run, other in zip(runs, here, strict=True):
        assert run.status == "finished"
        np.testing.assert_allclose(run.history["loss"], other.history["loss"], rtol=1e-5)


def test_runs_may_go_to_processes(here):
    with ProcessPoolExecutor(2, mp_context=SPAWN) as executor:
        runs = compare(built, ["he_normal"], DATA, executor=executor, **OPTIONS).runs

    check_same(runs, here)


def test_runs_may_go_to_threads(here):
    with ThreadPoolExecutor(2) as executor:
        runs = compare(lambda: built(), ["he_normal"], DATA, executor=executor, **OPTIONS).runs

    check_same(runs, here)


def test_runs_may_go_to_dask(here):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}

    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        runs = compare(built, ["he_normal"], DATA, executor=client.get_executor(), **OPTIONS).runs

    check_same(runs, here)


def test_function_that_cannot_be_pickled_is_refused_with_the_fix():
    told = pytest.raises(TypeError, match="define it at the top level")
    with ProcessPoolExecutor(1, mp_context=SPAWN) as executor, told as caught:
        compare(lambda: built(), [None], DATA, executor=executor, **ONE)

    assert caught.value.__cause__ is not None


def test_executor_that_forks_is_refused_with_the_fix():
    fork = multiprocessing.get_context("fork")
    told = pytest.raises(ValueError, match="must not fork")
    with ProcessPoolExecutor(1, mp_context=fork) as executor, told:
        compare(built, [None], DATA, executor=executor, **ONE)


def fails():
    raise OSError("no memory")


def test_death_of_a_worker_is_told(caplog):
    told = pytest.raises(RuntimeError, match="A process of the executor has died")
    with ThreadPoolExecutor(1, initializer=fails) as executor, told:
        compare(built, [None], DATA, executor=executor, **ONE)


# --- what is shown -------------------------------------------------------------------------------


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
    assert "huge, first look, " in text
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
        values = {each.name.tag: each.value for each in session.metric_values}
        if finished:
            assert values == pytest.approx(run.metrics)


def test_progress_is_shown_unless_it_is_not_wanted(capsys):
    compare(built, [None], DATA, **{**ONE, "epochs": 1})
    assert not capsys.readouterr().out

    compare(built, [None], DATA, **{**ONE, "epochs": 1, "verbose": 1})
    assert "as built, seed 0" in capsys.readouterr().out


# --- bad input -----------------------------------------------------------------------------------


def uncompiled():
    return keras.Sequential([keras.Input((12,)), keras.layers.Dense(1)])


def unbuilt():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"schemes": []}, ValueError, "at least one scheme. Received: schemes="),
        ({"schemes": "zeros"}, TypeError, "a list of schemes"),
        ({"schemes": ["zeros", "zeros"]}, ValueError, "must differ in their labels"),
        ({"schemes": {1: "zeros"}}, TypeError, "must be strings"),
        ({"seeds": 0}, ValueError, "at least 1.* Received: seeds=0"),
        ({"seeds": [1, 1]}, ValueError, "different"),
        ({"seeds": [-1]}, ValueError, "Received: seeds="),
        ({"seeds": True}, ValueError, "Received: seeds=True"),
        ({"epochs": 0}, ValueError, "Received: epochs=0"),
        ({"batch_size": 1.5}, ValueError, "Received: batch_size=1.5"),
        ({"target": math.nan}, ValueError, "Received: target=nan"),
        ({"target": "low"}, ValueError, "Received: target='low'"),
        ({"build_model": 3}, TypeError, "type int"),
        ({"build_model": dict}, TypeError, "compiled Keras model. Received: .* dict"),
        ({"build_model": uncompiled}, TypeError, "compiled=False"),
        ({"build_model": unbuilt}, ValueError, "built=False. Try `keras.Input"),
        ({"data": None}, TypeError, "Received: data=None"),
        ({"data": {**DATA, "epochs": 3}}, ValueError, "Received: data with epochs"),
        ({"executor": 3}, TypeError, "type int"),
        ({"monitor": "val_loss"}, ValueError, "of validation"),
        ({"monitor": "auc"}, ValueError, "one of what `fit` logs: loss, mae. Received"),
        ({"directory": __file__}, ValueError, "must be a directory"),
    ],
    ids=str,
)
def test_bad_input_is_refused(change, error, words):
    arguments = {"build_model": built, "schemes": [None], "data": DATA, **ONE}

    with pytest.raises(error, match=words):
        compare(**{**arguments, **change})


def distance(y, z):
    return keras.ops.mean(keras.ops.abs(y - z))


def with_own_metric():
    model = built()
    model.compile("sgd", "mse", metrics=[distance], run_eagerly=EAGER)
    return model


def test_target_of_a_metric_that_keras_does_not_know_is_refused():
    options = {**ONE, "monitor": "distance", "target": 0.1}

    with pytest.raises(ValueError, match="more is better"):
        compare(with_own_metric, [None], DATA, **options)
