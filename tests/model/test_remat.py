"""Layers that are computed anew on the way back."""

import keras
import numpy as np
import pytest
from chains import RNG
from keras import layers as kl

from keras_initlab import diagnose, initialize

X = RNG.normal(size=(64, 16)).astype("float32")
Y = RNG.normal(size=(64, 1)).astype("float32")
BACKEND = keras.backend.backend()


def chain():
    hidden = [kl.Dense(32, "relu", name=f"h{k}", kernel_initializer="he_normal") for k in range(3)]
    model = keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(1, name="out")])
    model.compile("sgd", "mse")
    return model


@keras.saving.register_keras_serializable("tests")
class Block(kl.Layer):
    """Two layers in a function that is run twice."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = [kl.Dense(32, "relu", kernel_initializer="he_normal") for _ in range(2)]
        self.function = keras.remat(lambda x: self.inner[1](self.inner[0](x)))

    def build(self, shape):
        for layer in self.inner:
            layer.build((None, 32))
        self.built = True

    def call(self, x):
        return self.function(x)


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
    plain = chain()
    with keras.RematScope(**scope):
        model = chain()
    model.set_weights(plain.get_weights())
    modes = [layer._remat_mode for layer in model.layers]

    found, expected = diagnose(model, (X, Y)), diagnose(plain, (X, Y))

    assert not found.notes
    assert [layer._remat_mode for layer in model.layers] == modes
    assert None not in modes
    for name in ("before_variance", "variance", "gradient_variance", "weight_gradient_variance"):
        values = [[getattr(layer, name) for layer in each.layers] for each in (found, expected)]
        assert values[0] == pytest.approx(values[1], rel=1e-5), name


def test_layers_under_a_scope_are_corrected():
    with keras.RematScope(mode="full"):
        model = chain()

    report = initialize(model, data=X, seed=0)

    assert all(change.reason.startswith("x ") for change in report.changes if change.reason)
    variances = [layer.before_variance for layer in report.layers[:3]]
    assert variances == pytest.approx([1, 1, 1], rel=0.01)


@pytest.mark.skipif(BACKEND == "jax", reason="Keras 3.15 cannot evaluate it after `fit` there")
def test_gradients_inside_of_a_function_are_measured_or_said_to_be_unknown():
    layers = [kl.Dense(32, "relu", kernel_initializer="he_normal"), Block(), kl.Dense(1)]
    model = keras.Sequential([keras.Input((16,)), *layers])
    model.compile("sgd", "mse")

    report = diagnose(model, (X, Y))

    gradients = [layer.gradient_variance for layer in report.layers]
    of_weights = [layer.weight_gradient_variance for layer in report.layers]
    assert report.healthy
    assert all(value > 0 for value in (gradients[0], gradients[-1], of_weights[0], of_weights[-1]))
    is_hidden = BACKEND == "tensorflow"
    assert list(np.isnan(gradients)) == [False, is_hidden, is_hidden, False]
    assert list(np.isnan(of_weights)) == [False, is_hidden, is_hidden, False]
    assert ("gradient of" in " ".join(report.notes)) is is_hidden
