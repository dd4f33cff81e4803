"""Layers that are computed anew on the way back."""

import keras
import numpy as np
import pytest
from chains import PERCENT, RNG, X, chain
from keras import layers as kl

from keras_initlab import _backend, diagnose, initialize

Y = RNG.normal(size=(256, 1)).astype("float32")
BACKEND = keras.backend.backend()


def compiled():
    model = chain("relu", units=32, kernel_initializer="he_normal")
    model.compile("sgd", "mse")
    return model


class Block(kl.Layer):
    """Two layers in a function, which may be run twice."""

    def __init__(self, twice, **options):
        super().__init__(**options)
        self.inner = [kl.Dense(32, "relu", kernel_initializer="he_normal") for _ in range(2)]
        self.function = lambda x: self.inner[1](self.inner[0](x))
        self.function = keras.remat(self.function) if twice else self.function

    def build(self, shape):
        for layer in self.inner:
            layer.build((None, 32))
        self.built = True

    def call(self, x):
        return self.function(x)


def with_block(twice):
    first = kl.Dense(32, "relu", kernel_initializer="he_normal")
    model = keras.Sequential([keras.Input((16,)), first, Block(twice), kl.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    "scope",
    [
        {"mode": "full"},
        {"mode": "activations"},
        {"mode": "list_of_layers", "layer_names": ["h1"]},
        {"mode": "larger_than", "output_size_threshold": 1},
    ],
    ids=lambda scope: scope["mode"],
)
def test_gradients_under_a_scope_are_those_without_it(scope):
    plain = compiled()
    with keras.RematScope(**scope):
        model = compiled()
    model.set_weights(plain.get_weights())
    modes = [_backend.remat_mode(layer) for layer in model.layers]

    found, expected = diagnose(model, (X, Y)), diagnose(plain, (X, Y))

    assert not found.notes
    assert [_backend.remat_mode(layer) for layer in model.layers] == modes
    assert None not in modes
    for name in ("before_variance", "variance", "gradient_variance", "weight_gradient_variance"):
        values = [[getattr(layer, name) for layer in report.layers] for report in (found, expected)]
        assert values[0] == pytest.approx(values[1], rel=1e-5), name


def test_layers_under_a_scope_are_corrected():
    with keras.RematScope(mode="full"):
        model = compiled()

    report = initialize(model, data=X, seed=0)

    assert all(change.reason.startswith("x ") for change in report.changes if change.reason)
    variances = [layer.before_variance for layer in report.layers[:3]]
    assert variances == pytest.approx([1, 1, 1], rel=PERCENT)


@pytest.mark.skipif(BACKEND == "jax", reason="Keras 3.15 cannot evaluate it after `fit` there")
def test_gradients_inside_of_a_function_are_measured_or_said_to_be_unknown():
    models = [with_block(twice) for twice in (False, True)]
    models[1].set_weights(models[0].get_weights())
    is_hidden = BACKEND == "tensorflow"

    expected, found = (diagnose(model, (X, Y)) for model in models)

    assert found.healthy
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert ("gradient of" in " ".join(found.notes)) is is_hidden
    for name in ("variance", "gradient_variance", "weight_gradient_variance"):
        values = [getattr(layer, name) for layer in expected.layers]
        if is_hidden and "gradient" in name:
            values[1:3] = [np.nan, np.nan]
        assert [getattr(layer, name) for layer in found.layers] == pytest.approx(
            values, rel=1e-5, nan_ok=True
        ), name
