"""What `"auto"` draws where the mean square of the input, or the padding, is known."""

import keras
import numpy as np
import pytest
from chains import check_variance
from keras import layers as kl
from keras import ops

from keras_initlab import initialize
from keras_initlab.theory import critical_point, share_inside


@pytest.mark.parametrize(
    "before",
    [
        kl.Identity(),
        kl.Reshape((8, 2)),
        kl.BatchNormalization(),
        keras.Sequential([keras.Input((16,)), kl.Dense(16, "relu"), kl.LayerNormalization()]),
    ],
    ids=["inputs", "shape", "norm", "nested"],
)
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_auto_brings_inputs_and_what_is_normed_to_the_target_at_once(before, activation):
    inputs = keras.Input((16,))
    x = kl.Flatten()(before(inputs))
    x = kl.Dense(512, activation, name="first")(x)
    model = keras.Model(inputs, kl.Dense(1)(kl.Dense(512, activation, name="second")(x)))
    target = {"relu": 1.0, "tanh": 1.0, "gelu": critical_point("gelu").q}[activation]

    initialize(model, seed=1)

    first = model.get_layer("first")
    bias = critical_point(activation).bias_variance
    # Inputs of mean square 1, and biases, come to the target.
    check_variance(first.kernel, (target - bias) / 16)
    after = {"relu": 2.0, "tanh": 1.0, "gelu": 1.98306}[activation]
    check_variance(model.get_layer("second").kernel, after / 512)


@pytest.mark.parametrize("strides", [1, 2])
def test_auto_makes_up_for_weights_that_lie_on_padding(strides):
    model = keras.Sequential(
        [
            keras.Input((4, 6, 64)),
            kl.Conv2D(256, 1, activation="relu"),
            kl.Conv2D(128, 3, strides, padding="same", activation="relu", name="same"),
            kl.Conv2D(64, 3, activation="relu", padding="valid" if strides == 1 else "same"),
        ]
    )
    # The sums of a kernel of ones over a signal of ones count the weights that lie on it.
    counts = ops.conv(
        np.ones((1, 4, 6, 1), "float32"), np.ones((3, 3, 1, 1), "float32"), strides, "same"
    )
    inside = np.array(ops.convert_to_numpy(counts)).mean() / 9

    initialize(model, seed=1)

    check_variance(model.get_layer("same").kernel, 2 / (9 * 256) / inside)


@pytest.mark.parametrize("size", [None, 7])
def test_auto_knows_nothing_of_padding_where_sizes_are_open(size):
    inputs = keras.Input((size, 16))
    x = kl.Conv1D(256, 1, activation="relu")(inputs)
    x = kl.Conv1D(256, 5, padding="same", activation="relu", name="same")(x)
    model = keras.Model(inputs, kl.Dense(1)(x))

    initialize(model, seed=1)

    # Of 7 places two miss 2 weights, two 1.
    inside = 1.0 if size is None else (35 - 6) / 35
    check_variance(model.get_layer("same").kernel, 2 / (5 * 256) / inside)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_share_inside_is_what_a_convolution_of_ones_counts(size, window, stride):
    signal, kernel = np.ones((1, size, 1), "float32"), np.ones((window, 1, 1), "float32")
    counts = ops.convert_to_numpy(ops.conv(signal, kernel, stride, "same"))

    assert share_inside(size, window, stride) == pytest.approx(counts.mean() / window, rel=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_causal_convolution_has_all_of_its_padding_before_the_signal(stride):
    x = keras.Input((8, 16))
    y = kl.Conv1D(64, 1, activation="relu")(x)
    causal = {"padding": "causal", "strides": stride, "dilation_rate": 3 if stride == 1 else 1}
    y = kl.Conv1D(128, 2, **causal, activation="relu", name="causal")(y)
    model = keras.Model(x, kl.Dense(1)(y))
    ones = kl.Conv1D(1, 2, **causal, kernel_initializer="ones")
    inside = np.array(ops.convert_to_numpy(ones(np.ones((1, 8, 1), "float32")))).mean() / 2

    initialize(model, seed=1)

    check_variance(model.get_layer("causal").kernel, 2 / (2 * 64) / inside)


def test_share_inside_knows_dilation():
    signal, kernel = np.ones((1, 9, 1), "float32"), np.ones((3, 1, 1), "float32")
    counts = ops.convert_to_numpy(ops.conv(signal, kernel, 1, "same", dilation_rate=4))

    assert share_inside(9, 3, dilation=4) == pytest.approx(counts.mean() / 3, rel=1e-6)
