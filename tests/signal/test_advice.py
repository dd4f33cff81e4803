"""One adviser: whoever is asked says the same, and what it says can be typed in."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_initlab
from keras_initlab import Kind, diagnose, lint
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.selection import Selection
from keras_initlab.signal.advice import in_keras, needed_variance, scheme_for

pytestmark = pytest.mark.once

KINDS = [
    None,
    Kind(),
    Kind("depthwise"),
    Kind("transposed", strides=2),
    Kind("transposed", strides=[2, 1]),
    Kind(groups=4),
]


# What `from keras_initlab import *` gives.
NAMES = {name: getattr(keras_initlab, name) for name in keras_initlab.__all__}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["", "linear", "tanh", "relu", "gelu", "elu", "sigmoid"])
def test_advice_can_be_typed_in_and_gives_what_it_says(activation, kind):
    code = scheme_for(activation, kind=kind)

    ours = eval(code, NAMES)
    theirs = keras.initializers.get(eval(in_keras(code), {"keras_initlab": keras_initlab}))

    needed = 1.0 if activation == "sigmoid" else needed_variance(activation)
    shape = (3, 3, 64, 64)
    fan_in = (kind or Kind()).fans(shape).fan_in
    for scheme in (ours, theirs):
        values = keras.ops.convert_to_numpy(scheme(shape)).astype("float64")
        # Truncated at two sigmas or not, the fourth moment is at most 3.
        error = 5 * np.sqrt(2 / values.size)
        assert values.var() * fan_in == pytest.approx(needed, rel=error)


def test_advice_in_depth_can_be_typed_in():
    schemes = scheme_for("gelu", depth=30).split(" and ")

    assert [type(eval(code, NAMES)).__name__
            for code in schemes] == ["CriticalNormal", "CriticalBias"]  # fmt: skip


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "elu", None])
def test_advisers_agree(activation):
    inputs = keras.Input((64,))
    x = inputs
    for name in "abcdef":
        scheme = keras.initializers.RandomNormal(stddev=1e-3, seed=ord(name))
        x = layers.Dense(48, activation, kernel_initializer=scheme, name=name)(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    x = np.random.default_rng(0).normal(size=(256, 64)).astype("float32")

    told = [each.fix for each in lint(model) if each.rule == "gain"]
    (problem, *_) = diagnose(model, x).problems

    scheme = scheme_for(activation or "")
    assert {each.partition("=")[2] for each in told} == {in_keras(scheme)}
    assert f"use {scheme}" in problem.text
    assert f"{needed_variance(activation or ''):.3g} / fan_in" in problem.text


def test_scheme_that_is_there_is_not_advised():
    # As wide as not: what GlorotUniform divides by is the mean of both fans.
    inputs = keras.Input((256,))
    x = inputs
    for units in (16, 256, 16, 256, 16):
        x = layers.Dense(units, "tanh", kernel_initializer="glorot_uniform")(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    x = np.random.default_rng(0).normal(size=(256, 256)).astype("float32")

    said = [*lint(model), *diagnose(model, x).problems]

    assert not [each for each in said if "Xavier" in str(each) or 'glorot_uniform"' in str(each)]


def test_output_is_known_through_its_activation():
    inputs = keras.Input((4,))
    inner = keras.Sequential([layers.Dense(3, "relu", name="hidden"), layers.Dense(1, name="head")])
    outputs = layers.Activation("sigmoid", name="last")(inner(inputs))
    selection = Selection(Anatomy(keras.Model(inputs, outputs)))

    found = {name: selection.is_output(layer) for layer, name in selection.names.items()}

    assert found == {"hidden": False, "head": True, "last": True}
