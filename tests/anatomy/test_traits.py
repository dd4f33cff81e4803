"""One row for each layer class, and subclasses that are known by it."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_initlab
from keras_initlab import initialize
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.ledger import scheme_noted
from keras_initlab.anatomy.traits import _ROWS, NOTHING, traits_of


class Users(layers.Embedding):
    """A table by another name."""


class Doubled(layers.Embedding):
    def call(self, inputs):
        return 2 * super().call(inputs)


class Skipping(layers.Dropout):
    def call(self, inputs, training=False):
        return inputs * 0 if training else inputs


class LSTMCellOfOwn(layers.LSTMCell):
    """A cell by another name."""


class Wide(layers.Conv2DTranspose):
    """A transposed convolution by another name."""


class Add(layers.Layer):
    """Not Keras's."""

    def call(self, inputs):
        return inputs


class T5LayerNorm(layers.Layer):
    """As in libraries that have their own."""


def test_every_row_is_of_a_class_that_exists():
    keras_rs = pytest.importorskip("keras_rs")
    homes = [keras.layers, keras_rs.layers, keras.src.ops.numpy, keras.src.ops.nn]
    homes += [keras.src.ops.core, keras.src.layers, keras.src.layers.rnn.conv_lstm]

    unknown = [name for name in _ROWS if not any(hasattr(home, name) for home in homes)]

    assert not unknown


@pytest.mark.parametrize("layer", [Users(3, 2), Doubled(3, 2), layers.ReversibleEmbedding(3, 2)])
def test_subclass_of_a_table_is_a_table(layer):
    assert traits_of(layer).looks_up


def test_subclass_with_its_own_call_is_known_for_its_weights_alone():
    assert traits_of(Skipping(0.5)) == NOTHING
    assert traits_of(layers.SpatialDropout2D(0.5)).shapes
    assert not traits_of(Doubled(3, 2)).of_own_call().passes


def test_class_of_ones_own_is_not_taken_for_one_of_keras():
    assert traits_of(Add()) == NOTHING
    assert traits_of(layers.Add()).adds


def test_normalizations_of_other_libraries_are_known():
    assert traits_of(T5LayerNorm()).normalizes
    assert not traits_of(layers.Normalization()).normalizes


def test_subclasses_have_the_fans_of_what_they_derive_from():
    inputs = keras.Input((4, 4, 3))
    x = layers.Reshape((8, 48))(Wide(6, 2, strides=2)(inputs))
    model = keras.Model(inputs, layers.RNN(LSTMCellOfOwn(5))(x))

    gates = {site.variable.name: site.use.kind.gates for site in Anatomy(model).sites}
    transposed = Anatomy(model).sites[0]

    assert gates == {"kernel": 4, "recurrent_kernel": 4}
    assert transposed.use.kind.name == "transposed"
    assert transposed.fans.fan_in == 2 * 2 * 3 / 4


def test_subclass_of_a_table_is_drawn_as_a_table():
    ids = keras.Input((2,), dtype="int32")
    model = keras.Model(ids, layers.Dense(1)(layers.Flatten()(Users(50, 8, name="users")(ids))))

    initialize(model, seed=1)

    assert scheme_noted(model.get_layer("users")) == "TiedEmbedding"


def test_activations_have_the_constants_of_their_layers():
    calls = [
        (layers.LeakyReLU(0.5), np.sqrt(2 / 1.25)),
        (layers.ReLU(negative_slope=0.5), np.sqrt(2 / 1.25)),
        (layers.ReLU(), np.sqrt(2)),
        (layers.PReLU(alpha_initializer=keras.initializers.Constant(0.5)), np.sqrt(2 / 1.25)),
        (layers.Activation(lambda x: keras.ops.maximum(x, 0.5 * x)), np.sqrt(2 / 1.25)),
    ]
    for call, gain in calls:
        inputs = keras.Input((4,))
        model = keras.Model(inputs, layers.Dense(2)(call(layers.Dense(8)(inputs))))
        curve = Anatomy(model).sites[0].nonlinearity.curve
        assert keras_initlab.gain_of(curve) == pytest.approx(gain, rel=1e-5), call


def test_operations_have_the_constants_of_their_calls():
    inputs = keras.Input((4,))
    x = keras.ops.leaky_relu(layers.Dense(8)(inputs), negative_slope=0.5)
    model = keras.Model(inputs, layers.Dense(2)(x))

    curve = Anatomy(model).sites[0].nonlinearity.curve

    assert float(curve(np.array(-2.0))) == -1.0


def snake(x):
    return x + keras.ops.sin(x) ** 2


def squared_relu(x):
    return keras.ops.relu(x) ** 2


DEEP = {
    "snake": snake,
    "leaky": layers.LeakyReLU(0.1),
    "prelu": lambda: layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25)),
    "elu": lambda: layers.ELU(0.5),
    "own": layers.Lambda(lambda x: keras.ops.maximum(x, 0.3 * x)),
}


# Mean and spread, over 30 seeds, of the logarithm of base 2 of the mean square behind 30 layers of
# 64 units. Keras's own start is at -33 where it shrinks the signal; ELU holds small signals alone.
DRIFT = {
    "snake": (-2.3, 1.1),
    "leaky": (-2.5, 2.4),
    "prelu": (-2.1, 2.1),
    "elu": (-5.5, 1.3),
    "own": (-1.9, 2.0),
}


@pytest.mark.parametrize("name", DEEP)
def test_thirty_layers_hold_the_signal_before_any_activation(name):
    inputs = x = keras.Input((64,))
    for _ in range(30):
        if name in ("prelu", "elu"):
            x = DEEP[name]()(layers.Dense(64)(x))
        else:
            x = layers.Dense(64, activation=DEEP[name])(x)
    model = keras.Model(inputs, layers.Dense(1)(x))

    initialize(model, seed=1)

    hidden = keras.Model(inputs, model.layers[-1].input)
    rows = np.random.default_rng(0).normal(size=(256, 64)).astype("float32")
    square = float(np.mean(keras.ops.convert_to_numpy(hidden(rows)) ** 2))
    mean, spread = DRIFT[name]
    assert abs(np.log2(square) - mean) < 5 * spread, square
