"""What the callback logs of the metrics and the choices of a training."""

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

from keras_initlab import ActivationVarianceLogger
from keras_initlab.monitor.outcome import Outcomes, metrics_of

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")


def compiled(optimizer="sgd"):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, "relu", kernel_initializer="he_normal", name="first"),
            keras.layers.Dense(1, kernel_initializer="he_normal", name="last"),
        ]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def trained(folder, *callbacks, optimizer="sgd", **arguments):
    logger = ActivationVarianceLogger(folder, on_problem=None, verbose=0)
    fit = {"batch_size": 8, "epochs": 2, "verbose": 0, "validation_split": 0.2, **arguments}
    model = compiled(optimizer)
    history = model.fit(X, X[:, :1], callbacks=[logger, *callbacks], **fit)
    return history.history, EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def curve(events, tag):
    held = events.Tensors(tag)
    return {event.step: float(tensor_util.make_ndarray(event.tensor_proto)) for event in held}


def hparams(events):
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    held = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: value.string_value or value.number_value for name, value in held.items()}


def test_metrics_are_those_of_the_history(tmp_path):
    history, events = trained(tmp_path)

    for name, tag in (
        *(("loss", "epoch_loss"), ("mae", "epoch_mae")),
        *(("val_loss", "evaluation_loss"), ("val_mae", "evaluation_mae")),
    ):
        expected = {epoch: np.float32(value) for epoch, value in enumerate(history[name])}
        assert curve(events, tag) == expected


def test_choices_are_logged_once(tmp_path):
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)

    _, events = trained(tmp_path / "rate", optimizer=keras.optimizers.Adam(1e-3))
    _, scheduled = trained(tmp_path / "schedule", optimizer=keras.optimizers.SGD(rate))

    expected = {"scheme": "HeNormal", "optimizer": "Adam", "learning_rate": 0.001, "batch_size": 8}
    assert hparams(events) == expected
    assert hparams(scheduled)["learning_rate"] == "ExponentialDecay"


def test_keras_callback_in_the_same_directory_keeps_its_metrics(tmp_path):
    kind = keras.callbacks.TensorBoard
    if keras.backend.backend() == "torch":
        pytest.skip("Keras's callback needs TensorFlow or JAX")

    _, same = trained(tmp_path / "a", kind(str(tmp_path / "a"), write_graph=False))
    _, other = trained(tmp_path / "b", kind(str(tmp_path / "c"), write_graph=False))

    assert "epoch_loss" not in same.Tags()["tensors"]
    assert "epoch_loss" in other.Tags()["tensors"]


def test_choices_of_the_hparams_plugin_are_not_logged_twice(tmp_path):
    class Theirs(keras.callbacks.Callback):
        __module__ = "tensorboard.plugins.hparams._keras"

    _, events = trained(tmp_path, Theirs())

    assert "hparams" not in events.Tags()["tensors"]
    with pytest.raises(KeyError):
        events.PluginTagToContent("hparams")


def test_what_is_no_number_is_left_out():
    logs = {"loss": np.float32(0.5), "each": np.ones(3), "note": "fine", "val_x\n": 1}

    assert metrics_of(logs) == {"epoch_loss": 0.5, "evaluation_x\\n": 1.0}


def test_a_sink_of_the_users_gets_looks_alone():
    looks = []
    logger = ActivationVarianceLogger(sink=looks, on_problem=None, verbose=0)

    compiled().fit(X, X[:, :1], verbose=0, callbacks=[logger])

    assert [look.step for look in looks] == [0]


def test_metrics_of_an_epoch_without_numbers_are_not_written():
    class Refusing:
        def append_outcome(self, outcome):
            raise AssertionError(outcome)

    outcomes = Outcomes()
    outcomes.begin(compiled(), None)

    outcomes.note(Refusing(), 0, {"note": "fine"})
