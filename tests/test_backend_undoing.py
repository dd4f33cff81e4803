"""What a step changes, kept and put back."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initlab import _backend

TORCH = keras.backend.backend() == "torch"


def compiled():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    inner = keras.optimizers.Adam(use_ema=True, gradient_accumulation_steps=2)
    model.compile(keras.optimizers.LossScaleOptimizer(inner), "mse", metrics=["mae"])
    return model


def test_all_that_a_model_and_its_optimizer_hold_is_known():
    model = compiled()
    model.optimizer.build(model.trainable_variables)

    names = [variable.path for variable in _backend.trained_variables(model)]

    assert len(names) == len(set(map(id, [*model.variables, *model.optimizer.variables])))
    for part in ("kernel", "moving_mean", "dynamic_scale", "velocity", "iteration", "accumulator"):
        assert any(part in name for name in names), part


def test_keras_seed_passes_and_metrics_too():
    keras.utils.set_random_seed(0)
    keras.random.uniform(())
    model = compiled()
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))

    passing = _backend.passing_variables(model)

    assert len(passing) == 1 + len(model.metrics_variables)
    assert len(model.metrics_variables) > 2


def test_kept_value_stays_when_the_variable_changes():
    variable = keras.Variable(np.ones(3, "float32"))
    value = _backend.kept_value(variable)
    variable.assign_add(np.ones(3, "float32"))
    assert keras.ops.convert_to_numpy(value).tolist() == [1, 1, 1]


@pytest.mark.skipif(not TORCH, reason="torch draws beside Keras")
def test_generator_and_buffers_of_torch_are_put_back():
    import torch

    model = compiled()
    model.register_buffer("seen", torch.zeros(2))
    kept = _backend.kept_beside(model)
    drawn = torch.rand(3)
    model.seen += 1

    _backend.put_back_beside(kept)

    assert torch.equal(torch.rand(3), drawn)
    assert model.seen.tolist() == [0, 0]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others build before a step")
def test_an_eager_step_finds_its_variables():
    model = keras.Sequential([layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"], run_eagerly=True)

    _backend.build_for_step(model, (np.ones((4, 3), "float32"), np.ones((4, 2), "float32")))

    assert model.built
    assert model.optimizer.built
    assert len(model.metrics_variables) > 2


def test_logs_are_the_metrics_where_they_have_the_same_names():
    model = compiled()
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    model.reset_metrics()
    logs = {"loss": np.float32("nan"), "mae": np.float32("nan")}

    again = _backend.metric_logs(model, logs)

    assert {name: float(value) for name, value in again.items()} == {"loss": 0, "mae": 0}
    own = {"my_loss": np.float32("nan")}
    assert _backend.metric_logs(model, own) is own
