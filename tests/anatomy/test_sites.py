"""Fans as each layer has them, counted by hand, and what stands around a layer."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initlab.anatomy.anatomy import Anatomy

INPUTS = {1: (8,), 2: (12, 8), 3: (12, 12, 8)}


def model_of(*inside, shape):
    inputs = x = keras.Input(shape)
    for layer in inside:
        x = layer(x)
    return keras.Model(inputs, x)


# Layer, axes of its input with 8 channels, and by weight (role, fan_in, fan_out).
LAYERS = [
    (layers.Dense(5), 1, {"kernel": ("kernel", 8, 5)}),
    # A window of 3 by 3; each input is seen by 9 * 5 outputs, or every fourth with stride 2.
    (layers.Conv2D(5, 3), 3, {"kernel": ("kernel", 72, 45)}),
    (layers.Conv2D(5, 3, strides=2), 3, {"kernel": ("kernel", 72, 45 / 4)}),
    # Two groups of 4 channels, each to 3 of the 6 outputs.
    (layers.Conv2D(6, 3, groups=2), 3, {"kernel": ("kernel", 36, 27)}),
    (layers.Conv1D(5, 3), 2, {"kernel": ("kernel", 24, 15)}),
    (layers.DepthwiseConv2D(3), 3, {"kernel": ("kernel", 9, 9)}),
    (
        layers.SeparableConv2D(5, 3),
        3,
        {"depthwise_kernel": ("kernel", 9, 9), "pointwise_kernel": ("kernel", 8, 5)},
    ),
    # An output of stride 2 is reached by a quarter of the window.
    (layers.Conv2DTranspose(5, 4, strides=2), 3, {"kernel": ("kernel", 32, 80)}),
    (
        layers.LSTM(5),
        2,
        {"kernel": ("kernel", 8, 5), "recurrent_kernel": ("recurrent", 5, 5)},
    ),
    (
        layers.ConvLSTM1D(5, 3, strides=2),
        3,
        {"kernel": ("kernel", 24, 15 / 2), "recurrent_kernel": ("recurrent", 15, 15)},
    ),
    (
        layers.Bidirectional(layers.GRU(5), merge_mode="sum"),
        2,
        {"kernel": ("kernel", 8, 5), "recurrent_kernel": ("recurrent", 5, 5)},
    ),
    (layers.EinsumDense("abc,cde->abde", (None, 2, 3)), 2, {"kernel": ("kernel", 8, 6)}),
    (layers.TimeDistributed(layers.Dense(5)), 2, {"kernel": ("kernel", 8, 5)}),
]


@pytest.mark.parametrize(
    ("layer", "axes", "expected"), LAYERS, ids=lambda x: getattr(x, "name", "")
)
def test_fans_are_those_of_the_layer(layer, axes, expected):
    copy = type(layer).from_config(layer.get_config())
    model = model_of(copy, shape=INPUTS[axes])

    for site in Anatomy(model).sites:
        role, fan_in, fan_out = expected[site.variable.name]
        assert (site.role, site.fans.fan_in, site.fans.fan_out) == (role, fan_in, fan_out)


def test_table_is_looked_up():
    inputs = keras.Input((3,), dtype="int32")
    model = keras.Model(inputs, layers.Embedding(50, 8)(inputs))

    (site,) = Anatomy(model).sites

    assert (site.role, site.fans.fan_in) == ("table", 1)


def dense(**options):
    return layers.Dense(8, **options)


@pytest.mark.parametrize(
    ("inside", "activation"),
    [
        ([dense(activation="gelu")], "gelu"),
        ([dense(), layers.ReLU()], "relu"),
        ([dense(), layers.Activation("tanh")], "tanh"),
        ([dense(), layers.BatchNormalization()], ""),
    ],
)
def test_activation_that_follows_is_known(inside, activation):
    model = model_of(*inside, dense(), shape=(8,))

    assert Anatomy(model).sites[0].activation == activation


@pytest.mark.parametrize(
    ("after", "normed"),
    [
        ([layers.LayerNormalization()], True),
        ([layers.ReLU(), layers.Dropout(0.1), layers.BatchNormalization()], True),
        ([layers.ReLU()], False),
        ([dense(), layers.LayerNormalization()], False),
    ],
)
def test_norm_behind_a_layer_is_seen_through_what_keeps_the_scale(after, normed):
    model = model_of(dense(), *after, dense(), shape=(8,))

    assert Anatomy(model).sites[0].normed == normed


def test_norm_on_one_of_two_ways_is_not_enough():
    inputs = keras.Input((8,))
    x = dense()(inputs)
    model = keras.Model(inputs, layers.Add()([x, layers.LayerNormalization()(x)]))

    site = Anatomy(model).sites[0]

    assert (site.normed, site.added) == (False, True)


def test_what_stands_behind_a_nested_model_is_known():
    inner = keras.Sequential([keras.Input((8,)), dense()])
    model = model_of(inner, layers.LayerNormalization(), dense(), shape=(8,))

    assert [site.normed for site in Anatomy(model).sites] == [True, False]


def test_output_inside_a_nested_model_is_known():
    head = keras.Sequential([keras.Input((8,)), dense(), dense()])
    model = model_of(dense(), head, shape=(8,))

    assert sorted(site.is_output for site in Anatomy(model).sites) == [False, False, True]


def test_layer_inside_a_wrapper_stands_where_the_wrapper_does():
    model = model_of(layers.TimeDistributed(dense()), layers.LayerNormalization(), shape=(3, 8))

    assert Anatomy(model).sites[0].normed is True


def test_shared_layer_that_leads_back_to_itself_ends():
    drop = layers.Dropout(0.1)
    model = model_of(dense(), drop, layers.ReLU(), drop, dense(), shape=(8,))

    assert [site.normed for site in Anatomy(model).sites] == [False, False]


def test_surroundings_are_unknown_without_a_graph():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = dense(), dense()

        def call(self, x):
            return self.last(self.first(x))

    model = Net()
    model(np.zeros((2, 8), "float32"))

    first, last = Anatomy(model).sites
    assert (first.normed, first.added, first.is_output) == (None, None, None)
    assert last.is_output is True


def test_output_is_known_through_its_activation():
    model = model_of(dense(), dense(), layers.Activation("softmax"), shape=(8,))

    assert [site.is_output for site in Anatomy(model).sites] == [False, True]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([dense(activation="gelu")], "gelu"),
        ([dense(), layers.ReLU(), layers.Dropout(0.1), layers.Reshape((2, 4))], "relu"),
        ([dense(activation="tanh"), dense()], "linear"),
        ([layers.Reshape((8, 1)), layers.SimpleRNN(8, "relu")], ""),
        ([dense(activation="relu"), layers.LayerNormalization()], ""),
        ([], ""),
    ],
)
def test_activation_before_a_layer_is_known(before, expected):
    model = model_of(*before, dense(name="last"), shape=(8,))

    assert {site.layer.name: site.nonlinearity_before.name for site in Anatomy(model).sites}[
        "last"
    ] == expected


def test_activation_before_a_nested_model_is_known():
    nested = keras.Sequential([keras.Input((8,)), dense(name="inner"), layers.ReLU()])
    inputs = keras.Input((8,))
    model = keras.Model(inputs, dense(name="last")(nested(dense(activation="gelu")(inputs))))

    found = {site.layer.name: site.nonlinearity_before.name for site in Anatomy(model).sites}

    assert (found["inner"], found["last"]) == ("gelu", "relu")


def test_activations_before_a_shared_layer_must_agree():
    inputs, shared = keras.Input((8,)), dense(name="shared")
    ways = [shared(dense(activation=name)(inputs)) for name in ("relu", "gelu")]
    model = keras.Model(inputs, layers.Add()(ways))

    assert Anatomy(model).sites[-1].nonlinearity_before.is_linear


def test_activation_before_attention_is_not_that_before_its_last_projection():
    inputs = keras.Input((4, 8))
    x = dense(activation="relu")(inputs)
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4, name="mha")(x, x))

    found = {site.layer.name: site.nonlinearity_before.name for site in Anatomy(model).sites}

    assert found["attention_output"] == ""
