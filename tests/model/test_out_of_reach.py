"""Targets that a weight cannot reach, because biases or the layer itself decide the variance."""

import keras
import numpy as np
import pytest
from chains import PERCENT
from keras import layers as kl
from keras import ops

from keras_initlab import initialize

RNG = np.random.default_rng(0)


def test_weights_are_corrected_apart_from_biases_of_the_users_own():
    wide = keras.initializers.RandomUniform(-5, 5, seed=2)
    first = kl.Dense(48, "relu", bias_initializer=wide)
    model = keras.Sequential([keras.Input((2,)), first, kl.Dense(48, "relu"), kl.Dense(1)])
    x = RNG.uniform(-2, 2, size=(256, 2)).astype("float32")

    report = initialize(model, data=x, seed=1)

    kernel, bias = map(np.float64, first.get_weights())
    assert bias.var() > 5
    assert (x @ kernel).var() == pytest.approx(1, rel=PERCENT)
    assert report.healthy


@pytest.mark.once
@pytest.mark.parametrize("wave", [lambda x: ops.sin(10 * x), ops.sin, ops.cos])
def test_weights_before_a_wave_stay_as_they_are(wave):
    first = kl.Dense(48, wave, kernel_initializer=keras.initializers.RandomUniform(-5, 5, seed=3))
    model = keras.Sequential([keras.Input((2,)), first, kl.Dense(1)])
    before = first.get_weights()[0]

    report = initialize(model, data=RNG.uniform(-1, 1, size=(256, 2)).astype("float32"), seed=1)

    np.testing.assert_array_equal(first.get_weights()[0], before)
    assert "choose `SirenFirst`" in report.changes[0].reason


def test_heads_of_several_outputs_keep_their_weights_beside_unequal_priors():
    classes = RNG.choice(4, size=256, p=[0.94, 0.03, 0.02, 0.01])
    model = keras.Sequential(
        [keras.Input((8,)), kl.Dense(32, "relu"), kl.Dense(4, "softmax", name="head")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    x = RNG.normal(size=(256, 8)).astype("float32")

    initialize(model, data=(x, classes), seed=1)

    kernel, bias = map(np.float64, model.get_layer("head").get_weights())
    sums = keras.Model(model.inputs, model.layers[0].output).predict(x, verbose=0) @ kernel
    assert np.argmax(bias) == 0
    assert sums.var() == pytest.approx(1, rel=PERCENT)


class UnitLength(kl.Dense):
    """Divides its kernel by its length, so that its scale means nothing."""

    def call(self, x):
        return x @ (self.kernel / ops.sqrt(ops.sum(ops.square(self.kernel))))


def test_weight_whose_target_is_out_of_reach_stays_as_drawn_and_is_told():
    model = keras.Sequential([keras.Input((8,)), UnitLength(16, name="unit"), kl.Dense(1)])
    x = RNG.normal(size=(256, 8)).astype("float32")
    drawn = np.float64(initialize(model, seed=1) and model.get_layer("unit").get_weights()[0])

    report = initialize(model, data=x, seed=1, overwrite=True)

    np.testing.assert_array_equal(model.get_layer("unit").get_weights()[0], drawn)
    assert "not corrected: unit: its target is out of reach" in report.notes
    assert report.notes[-1].startswith("corrected to within 1 %")
