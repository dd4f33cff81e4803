"""Layers that train some of their weights, none, or others than they had."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers
from monitoring import TENSORFLOW, fitted, is_clean, logger_of

from keras_initlab import SignalWarning

RNG = np.random.default_rng(7)
X = RNG.normal(size=(16, 6)).astype("float32")
Y = RNG.normal(size=(16, 1)).astype("float32")


def network():
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu", name="a"), layers.Dense(1, name="b")]
    )


def variance_of(layer):
    """Of its output in float64."""
    kernel, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    return np.maximum(X @ kernel + bias, 0).var()


def test_weights_of_frozen_layers_have_no_row():
    model = network()
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    logger = logger_of()

    fitted(model, logger, x=X, y=Y)

    assert set(logger.looks[0].by_layer("weight_variance")) == {"b"}
    assert set(logger.looks[0].by_layer("variance")) == {"a", "b"}


def test_lora_trains_its_own_weights():
    model = network()
    expected = variance_of(model.layers[0])
    model.layers[0].enable_lora(2)
    model.compile("sgd", "mse")
    logger = logger_of()

    fitted(model, logger, x=X, y=Y, batch_size=16)

    look = logger.looks[0]
    # The first update starts at B = 0, so the output is that of the frozen kernel.
    assert look.by_layer("variance")["a"] == pytest.approx(expected, rel=2e-5)
    assert look.by_layer("gradient_norm")["a"] >= 0
    assert is_clean(model)


def test_quantized_layers_are_watched():
    model = network()
    expected = variance_of(model.layers[0])
    for layer in model.layers:
        layer.quantize("int8")
    model.compile("sgd", "mse")
    logger = logger_of()

    fitted(model, logger, x=X, y=Y, batch_size=16)

    # int8 inputs and weights leave about one part in 127, of each.
    assert logger.looks[0].by_layer("variance")["a"] == pytest.approx(expected, rel=0.08)


@pytest.mark.skipif(TENSORFLOW, reason="Keras 3.15 cannot train it: custom_gradient and keywords")
def test_rematerialized_layer_is_watched_as_a_whole():
    with keras.RematScope(mode="full"):
        layer = layers.Dense(8, "relu", name="a")
    model = keras.Sequential([keras.Input((6,)), layer, layers.Dense(1, name="b")])
    expected = variance_of(layer)
    model.compile("sgd", "mse")
    logger = logger_of()

    fitted(model, logger, x=X, y=Y, batch_size=16)

    assert logger.looks[0].by_layer("variance")["a"] == pytest.approx(expected, rel=2e-5)


@pytest.mark.skipif(TENSORFLOW, reason="Keras 3.15 cannot train it: custom_gradient and keywords")
def test_rematerialized_model_is_trained_and_no_layer_has_two_rows():
    with keras.RematScope(mode="full"):
        hidden = [layers.Dense(8, "relu", name=name) for name in "ab"]
        model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(1, name="c")])
    model.compile("sgd", "mse")
    logger = logger_of()

    hidden_from_us = keras.backend.backend() == "jax"
    told = pytest.warns(SignalWarning, match="RematScope") if hidden_from_us else nullcontext()
    with told:
        fitted(model, logger, x=X, y=Y, batch_size=16)

    names = [row.name for row in logger.looks[0].sections["activations"].layers]
    assert names == ([] if hidden_from_us else [*"abc"])
