"""Units that cannot learn: nothing comes in, nothing comes out, or they are alike."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initlab import lint


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent_layer_that_nothing_comes_into_is_found(layer):
    inner = layer(8, kernel_initializer="zeros", name="loop")
    model = keras.Sequential([keras.Input((5, 4)), inner, layers.Dense(1)])

    (finding,) = [finding for finding in lint(model) if finding.rule == "equal-units"]

    assert "nothing enters the state" in finding.evidence


@pytest.mark.parametrize(
    ("activation", "bias"),
    [("gelu", -50), ("silu", -50), ("tanh", 50), ("sigmoid", -50), ("relu6", 50), ("elu", -50)],
)
def test_units_on_the_flat_of_any_activation_are_dead(activation, bias):
    def found(value):
        biases = keras.initializers.Constant(value)
        hidden = layers.Dense(16, activation, bias_initializer=biases)
        model = keras.Sequential([keras.Input((16,)), hidden, layers.Dense(1)])
        return [finding.rule for finding in lint(model)]

    assert found(bias) == ["dead"]
    assert found(0.5) == []


def test_rows_that_are_repeated_far_apart_are_found():
    table = layers.Embedding(100, 8)
    model = keras.Sequential(
        [keras.Input((3,), dtype="int32"), table, layers.Flatten(), layers.Dense(1)]
    )
    five = np.random.default_rng(0).normal(size=(5, 8))
    table.embeddings.assign(np.tile(five, (20, 1)))

    (finding,) = lint(model)

    assert finding.rule == "equal-rows"
    assert finding.evidence.startswith("95% of the rows")
