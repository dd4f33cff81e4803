"""Questions about the graph of a model."""

import keras
import pytest
from keras import layers

from keras_initlab.anatomy.anatomy import Anatomy


def test_models_deeper_than_python_recurses_are_walked():
    inputs = keras.Input((2,))
    first = layers.Dense(2)
    x = first(inputs)
    for _ in range(600):
        x = layers.Add()([x, inputs])
    head = layers.Dense(1)
    graph = Anatomy(keras.Model(inputs, head(x))).graph

    assert graph.is_output(first) is False
    assert graph.is_output(head) is True
    assert graph.is_multiplied(first) is False


def gated(nested):
    """A gate of two dense layers, inside a model of its own or not."""
    squeeze, excite, head = layers.Dense(2), layers.Dense(4), layers.Dense(1)

    def gate_of(tensor):
        return layers.Activation("sigmoid")(excite(squeeze(tensor)))

    x = keras.Input((4,))
    inner = keras.Input((4,))
    gate = keras.Model(inner, gate_of(inner))(x) if nested else gate_of(x)
    model = keras.Model(x, head(layers.Multiply()([x, gate])))
    return Anatomy(model).graph, squeeze, excite, head


@pytest.mark.parametrize("nested", [False, True])
def test_gates_are_known_through_their_activation_and_nested_models(nested):
    graph, squeeze, excite, head = gated(nested)

    assert graph.is_gate(excite)
    assert not graph.is_gate(squeeze)
    assert not graph.is_gate(head)
    assert graph.is_multiplied(squeeze)
    assert graph.is_multiplied(excite)
    assert not graph.is_multiplied(head)


def test_readers_of_an_input_are_those_whose_scale_no_norm_repairs():
    inputs = keras.Input((8, 8, 3))
    conv, behind, beside = layers.Conv2D(4, 3), layers.Conv2D(4, 3), layers.Dense(2)
    normed = layers.BatchNormalization()(behind(inputs))
    pooled = layers.GlobalAveragePooling2D()(layers.Concatenate()([conv(inputs), normed]))
    scaled = beside(layers.Rescaling(1 / 255)(layers.Flatten()(inputs)))
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()([pooled, scaled])))

    assert Anatomy(model).graph.readers_of(model.inputs[0]) == [conv]


def test_maker_of_an_output_is_found_through_shapes_and_nested_models():
    inputs = keras.Input((4,))
    head = layers.Dense(1, "sigmoid")
    inner = keras.Model(inputs, head(inputs))
    x = keras.Input((4,))
    model = keras.Model(x, layers.Reshape(())(inner(x)))

    assert Anatomy(model).graph.maker_of(model.outputs[0]) is head
