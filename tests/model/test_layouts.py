"""Kernels whose layout a shape does not tell: their fans, their units, and fixes that help."""

import keras
import pytest
from keras import layers

import keras_initlab
from keras_initlab import lint


def functional(shape, layer):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(layer(inputs))))


# What Keras draws with the wrong fans: the layer, and what it takes.
MISCOUNTED = [
    (layers.DepthwiseConv2D, {"activation": "relu"}, "depthwise_initializer"),
    (layers.DepthwiseConv2D, {"activation": "gelu"}, "depthwise_initializer"),
    (layers.DepthwiseConv2D, {}, "depthwise_initializer"),
    (layers.SeparableConv2D, {"filters": 8, "activation": "relu"}, "depthwise_initializer"),
    (
        layers.Conv2DTranspose,
        {"filters": 64, "strides": 4, "activation": "relu"},
        "kernel_initializer",
    ),
]


@pytest.mark.parametrize(("kind", "options", "argument"), MISCOUNTED)
def test_fix_of_a_wrong_fan_can_be_pasted_and_helps(kind, options, argument):
    def found(initializer):
        layer = kind(kernel_size=4, name="a", **{argument: initializer}, **options)
        return lint(functional((8, 8, 64), layer))

    (finding,) = found("he_normal")
    assert finding.rule == "wrong-fan"
    name, _, code = finding.fix.removeprefix("Use ").partition("=")
    assert name == argument

    assert found(eval(code, {"keras_initlab": keras_initlab})) == []


@pytest.mark.parametrize(
    ("build", "units"),
    [
        (lambda **options: layers.DepthwiseConv2D(3, **options), 8),
        (lambda **options: layers.Conv2DTranspose(5, 3, **options), 5),
        (lambda **options: layers.Conv2D(5, 3, **options), 5),
    ],
)
def test_dead_units_are_found_in_any_layout(build, units):
    layer = build(activation="relu", bias_initializer=keras.initializers.Constant(-50.0), name="a")

    # Keras's variance for a depthwise kernel is just about as wrong as is reported.
    found = lint(functional((8, 8, 8), layer), ignore=["wrong-fan"])

    assert [finding.rule for finding in found] == ["dead"]
    assert layer.bias.shape == (units,)


def test_fix_of_an_empty_depthwise_kernel_has_no_finding_of_its_own():
    def findings(initializer):
        layer = keras.layers.DepthwiseConv2D(
            3, activation="relu", depthwise_initializer=initializer, name="d"
        )
        end = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)]
        return lint(keras.Sequential([keras.Input((8, 8, 64)), layer, *end]))

    (found,) = findings("zeros")
    code = found.fix.removeprefix("Use depthwise_initializer=")

    assert found.rule == "equal-units"
    assert findings(eval(code, {"keras_initlab": keras_initlab})) == []
