"""Layer objects in the place of an activation."""

import keras
import numpy as np
import pytest

import keras_initlab as kil
from keras_initlab.theory import gain_of, moments_of, stability_of

SLOPE = 0.25
# E[phi^2] of a leaky ReLU is (1 + slope^2) / 2; layers compute in float32.
LEAKY = (2 / (1 + SLOPE**2)) ** 0.5


def prelu(slope=SLOPE, **arguments):
    start = keras.initializers.Constant(slope)
    return keras.layers.PReLU(alpha_initializer=start, **arguments)


class Snake(keras.layers.Layer):
    def build(self, shape):
        self.rate = self.add_weight(shape=(shape[-1],), initializer="ones", name="rate")

    def call(self, x):
        return x + keras.ops.square(keras.ops.sin(self.rate * x)) / self.rate


def snake(x):
    return x + np.sin(x) ** 2


@pytest.mark.parametrize(
    "layer",
    [
        prelu(),
        prelu(shared_axes=[1]),
        prelu(shared_axes=[1, 2]),
        prelu(shared_axes=[1, 2, 3]),
        keras.layers.LeakyReLU(SLOPE),
        keras.Sequential([prelu()]),
    ],
    ids=["prelu", "one shared axis", "image", "volume", "leaky", "sequential"],
)
def test_layer_has_the_gain_of_its_function_and_is_not_built(layer):
    assert gain_of(layer) == pytest.approx(LEAKY, rel=1e-6)
    assert stability_of(layer).holds
    assert not layer.weights


def test_layer_with_a_weight_for_each_unit_has_the_moments_of_its_function():
    assert moments_of(Snake()).second == pytest.approx(moments_of(snake).second, rel=1e-5)


def test_built_layer_has_the_gain_of_the_slope_that_it_holds():
    layer = prelu()
    layer.build((None, 5, 5, 3))
    before = gain_of(layer)

    layer.alpha.assign(keras.ops.full((5, 5, 3), 0.5))

    assert (before, gain_of(layer)) == pytest.approx((LEAKY, 1.6**0.5), rel=1e-6)
    assert tuple(layer.alpha.shape) == (5, 5, 3)


def test_layer_whose_units_differ_is_refused():
    layer = prelu()
    layer.build((None, 3))
    layer.alpha.assign([0.1, 0.2, 0.3])

    with pytest.raises(ValueError, match=r"one function for all units.* from 0\.1 to 0\.3"):
        gain_of(layer)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (keras.layers.Normalization(), "keeps statistics"),
        (keras.layers.BatchNormalization(), "keeps statistics"),
        (keras.layers.LayerNormalization(), "depend on one another"),
        (keras.layers.Softmax(), "depend on one another"),
        (keras.layers.Dense(3), "depend on one another"),
        (keras.layers.Dense(1), r"it makes \(4, 1\) from \(4, 3\)"),
        (keras.layers.LSTM(3), "it makes"),
        (keras.layers.StringLookup(vocabulary=["a"]), "it "),
    ],
    ids=lambda each: type(each).__name__,
)
def test_layer_that_is_no_activation_is_refused_with_what_is_allowed(layer, reason):
    for answer in (gain_of, stability_of):
        with pytest.raises(ValueError, match=f"pointwise.*LeakyReLU.*PReLU.*Received: .*{reason}"):
            answer(layer)


def test_layer_without_a_configuration_of_its_own_is_copied():
    layer = keras.layers.Lambda(lambda x: keras.ops.maximum(x, SLOPE * x))

    assert gain_of(layer) == pytest.approx(LEAKY, rel=1e-6)


def test_layer_that_serves_as_activation_is_left_for_the_model_to_build():
    layer = prelu()
    scheme = kil.HeNormal(activation=layer, seed=1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, layer)])
    model(np.ones((2, 4), "float32"))

    weights = keras.ops.convert_to_numpy(scheme((400, 100)))

    assert tuple(layer.alpha.shape) == (8,)
    # The relative standard error of the variance of 40,000 normal numbers is sqrt(2 / 40,000).
    assert abs(weights.var() * 400 / LEAKY**2 - 1) < 5 * (2 / 40_000) ** 0.5


def test_layer_that_does_not_know_its_configuration_is_called_itself():
    class Scaled(keras.layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, inputs):
            return self.function(inputs)

    layer = Scaled(lambda x: keras.ops.maximum(x, 0.5 * x))

    assert gain_of(layer) == pytest.approx(np.sqrt(2 / 1.25), rel=1e-5)
