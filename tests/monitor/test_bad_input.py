import keras
import numpy as np
import pytest
from monitoring import compiled, fitted, is_clean

from keras_initlab import ActivationVarianceLogger
from keras_initlab.monitor.judge import SignalWarning


@pytest.mark.parametrize("update_freq", [0, -1, 2.5, "sometimes", None, True])
def test_logger_refuses_an_update_freq_that_is_no_count(update_freq):
    with pytest.raises(ValueError, match="Received: update_freq="):
        ActivationVarianceLogger(update_freq=update_freq)


def test_logger_refuses_no_elements():
    with pytest.raises(ValueError, match="Received: max_elements=0"):
        ActivationVarianceLogger(max_elements=0)


def test_logger_refuses_a_log_dir_that_is_a_file(tmp_path):
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(ValueError, match="Received: log_dir="):
        ActivationVarianceLogger(file)


def test_logger_refuses_a_log_dir_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ValueError, match="Received: log_dir="):
        ActivationVarianceLogger(tmp_path / "file" / "run")


def test_logger_refuses_a_log_dir_without_write_permission(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)

    with pytest.raises(ValueError, match="Received: log_dir="):
        ActivationVarianceLogger(tmp_path)


def test_look_refuses_an_unknown_statistic():
    logger = ActivationVarianceLogger()
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[logger])

    with pytest.raises(ValueError, match="Received: statistic='colour'"):
        logger.looks[0].by_layer("colour")


class Bare(keras.Model):
    """A model whose weights are its own, without a layer."""

    def build(self, shape):
        self.scale = self.add_weight(shape=())

    def call(self, x):
        return x * self.scale


def fitted_bare(**options):
    model, logger = Bare(name="bare"), ActivationVarianceLogger(**options)
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0, callbacks=[logger])
    return model, logger


def test_logger_names_a_model_without_layers_and_training_goes_on():
    with pytest.warns(SignalWarning, match=r"no layers to watch.*Received: model='bare'"):
        model, logger = fitted_bare()

    assert int(model.optimizer.iterations) == 1
    assert is_clean(model)
    assert logger.report.healthy is None
    assert "no layers to watch" in logger.report.notes[0]


def test_logger_refuses_layers_that_are_not_there():
    model = compiled()

    with pytest.raises(ValueError, match=r"matches no layer.*Received: model="):
        fitted(model, ActivationVarianceLogger(layers="nowhere"))

    assert is_clean(model)
    fitted(model)


@pytest.mark.parametrize("name", ["nul\0byte", "\ud800", "x" * 300])
def test_logger_refuses_a_log_dir_that_no_file_system_takes(tmp_path, name):
    with pytest.raises(ValueError, match=r"`log_dir` must be .* Received: log_dir="):
        ActivationVarianceLogger(tmp_path / name)
