"""Sinks for trackers, and the two numbers in the metrics of an epoch."""

import csv
import math
import sys
import types

import keras
import numpy as np
import pytest

from keras_initlab import ActivationVarianceLogger, Look, MLflowSink, WandbSink

pytestmark = pytest.mark.once

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X[:, :1]


def model():
    hidden = keras.layers.Dense(8, "relu", kernel_initializer="zeros", name="hidden")
    built = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1, name="end")])
    built.compile("sgd", "mse")
    return built


class Run:
    """What `wandb.init` returns, as far as the sink calls it."""

    def __init__(self):
        self.defined, self.logged = {}, []

    def define_metric(self, name, **settings):
        self.defined[name] = settings

    def log(self, numbers):
        self.logged.append(numbers)


@pytest.fixture
def mlflow(monkeypatch):
    """A module that notes what is logged."""
    fake = types.ModuleType("mlflow")
    fake.logged = []
    fake.active_run = lambda: types.SimpleNamespace(info=types.SimpleNamespace(run_id="r1"))
    fake.log_metrics = lambda numbers, step, run_id: fake.logged.append((numbers, step, run_id))
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    return fake


def fitted(**arguments):
    logger = ActivationVarianceLogger(update_freq=4, on_problem=None, **arguments)
    model().fit(X, Y, batch_size=len(X) // 8, epochs=1, verbose=0, callbacks=[logger])
    return logger


def test_wandb_gets_the_numbers_of_each_snapshot_against_its_step():
    run = Run()

    logger = fitted(sink=WandbSink(run))

    assert run.defined["signal/*"] == {"step_metric": "signal/step"}
    assert [numbers["signal/step"] for numbers in run.logged] == [0, 4]
    seen = [look.by_layer("variance")["end"] for look in logger.looks]
    assert [numbers["signal/variance/end"] for numbers in run.logged] == seen
    assert run.logged[0]["signal/dead_fraction/hidden"] == 1


def test_wandb_without_a_run_is_refused(monkeypatch):
    module = types.ModuleType("wandb")
    module.run = None
    monkeypatch.setitem(sys.modules, "wandb", module)

    with pytest.raises(RuntimeError, match=r"Try `wandb.init\(\)`"):
        WandbSink()


def test_mlflow_gets_the_numbers_of_each_snapshot_at_its_step(mlflow):
    fitted(sink=MLflowSink())

    assert [(step, run) for _, step, run in mlflow.logged] == [(0, "r1"), (4, "r1")]
    assert mlflow.logged[0][0]["signal/dead_fraction/hidden"] == 1


def test_trackers_get_no_number_that_is_not_finite():
    run = Run()
    fitted(sink=WandbSink(run), watch="activations")

    assert all(math.isfinite(value) for numbers in run.logged for value in numbers.values())
    assert not any("gradient" in name for name in run.logged[0])


def test_snapshot_without_tables_is_logged_without_numbers():
    run = Run()

    WandbSink(run).append(Look(3, 0.0))

    assert run.logged == [{"signal/step": 3}]


# --- metrics of an epoch -----------------------------------------------------------------------


def trained(logger, path, epochs=2):
    csv_logger = keras.callbacks.CSVLogger(path)
    history = model().fit(X, Y, epochs=epochs, verbose=0, callbacks=[logger, csv_logger])
    with open(path) as file:
        return history.history, list(csv.DictReader(file))


def test_logs_get_the_two_numbers_of_the_newest_snapshot(tmp_path):
    logger = ActivationVarianceLogger(update_freq="epoch", logs=True, on_problem=None)

    history, rows = trained(logger, tmp_path / "log.csv")

    last = logger.looks[-1]
    assert history["signal_min_variance"][-1] == min(last.by_layer("variance").values())
    assert history["signal_dead"] == [1, 1]
    assert [float(row["signal_dead"]) for row in rows] == [1, 1]


def test_logs_are_nan_where_nothing_was_measured(tmp_path):
    logger = ActivationVarianceLogger(watch="weights", logs=True, on_problem=None)

    history, _ = trained(logger, tmp_path / "log.csv")

    assert np.isnan(history["signal_dead"]).all()


def test_history_is_unchanged_by_default(tmp_path):
    history, _ = trained(ActivationVarianceLogger(on_problem=None), tmp_path / "log.csv")

    assert list(history) == ["loss"]
