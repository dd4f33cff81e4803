"""What `_backend` takes from inside Keras is still there."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initlab import _backend


def test_keras_still_has_the_layer_internals():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    assert _backend.own_sublayers(model)
    assert _backend.owns_weights(model.layers[-1])
    assert _backend.call_count(model.layers[-1]) >= 1
    assert model._seed_generators == []


def test_keras_still_has_the_symbolic_scope():
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, x):
            seen.append(_backend.in_symbolic_scope())
            return x

    Spy()(keras.Input((2,)))
    Spy()(np.ones((1, 2)))

    # Torch infers the shape in two passes.
    assert all(seen[:-1])
    assert not seen[-1]
    assert len(seen) > 1


def test_state_rides_outside_weights_and_comes_off_again():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    weights = len(model.weights)
    state = _backend.StepState(model, np.zeros((2, 3), "float32"))

    state.attach()
    assert len(model.weights) == weights
    state.write(np.full((2, 3), 4.0, "float32"))
    held = state.read()
    state.detach()

    np.testing.assert_array_equal(held, np.full((1, 2, 3), 4.0))
    assert model._seed_generators == []


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_tensor_is_filled_in_place(dtype):
    def fill(out):
        out[...] = np.arange(6).reshape(2, 3)

    tensor = _backend.filled_tensor((2, 3), dtype, fill)

    assert keras.backend.standardize_dtype(tensor.dtype) == dtype
    values = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
    np.testing.assert_array_equal(values, np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("kind", [layers.MultiHeadAttention, layers.GroupQueryAttention])
def test_attention_still_holds_its_query_and_key(kind):
    arguments = (2, 4) if kind is layers.MultiHeadAttention else (4, 2, 1)
    attention = kind(*arguments)
    attention(np.ones((1, 3, 8)), np.ones((1, 3, 8)))

    assert [inner.name for inner in _backend.compared_projections(attention)] == ["query", "key"]
    assert _backend.compared_projections(layers.Dense(1)) == []


def _rule(optimizer):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    return _backend.step_rule_of(model)


@pytest.mark.parametrize(
    "name",
    ["adam", "adamw", "nadam", "adamax", "rmsprop", "adadelta", "lion", "adafactor", "muon"],
)
def test_where_an_optimizer_divides_by_the_gradient(name):
    rule = _rule(name)
    moved = []
    # The first step, from a gradient above and one far below.
    for size in (rule.smallest * 100, rule.smallest / 100):
        weight = keras.Variable(np.zeros((2, 2), "float32"))
        optimizer = keras.optimizers.get(name)
        optimizer.build([weight])
        optimizer.apply([keras.ops.convert_to_tensor(np.full((2, 2), size, "float32"))])
        moved.append(float(np.abs(keras.ops.convert_to_numpy(weight)).max()))

    assert rule.divides
    # Lion's smallest number is the smallest there is, and Muon makes a matrix orthogonal.
    assert name in ("lion", "muon", "adafactor") or moved[1] < moved[0] / 20


def test_optimizers_that_follow_the_gradient_have_a_rate():
    sgd = keras.optimizers.SGD(0.1, momentum=0.75)
    warm = keras.optimizers.schedules.CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=5)
    adagrad = _rule(keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.25))

    assert _rule(sgd).rate == pytest.approx(0.4)
    assert _rule(keras.optimizers.LossScaleOptimizer(sgd)) == _rule(sgd)
    assert _rule(keras.optimizers.SGD(warm)) == _backend.StepRule()
    assert (adagrad.smallest, adagrad.rate) == pytest.approx((0.5, 0.2))
    assert not adagrad.divides


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="strings are TensorFlow's")
@pytest.mark.parametrize("dtype", [str, bytes, object])
def test_strings_become_tensors_where_there_are_any(dtype):
    assert _backend.tensor_of(np.array(["a", "b"], dtype)).numpy().tolist() == [b"a", b"b"]


def test_numbers_become_tensors():
    assert tuple(_backend.tensor_of(np.ones((2, 3), "float32")).shape) == (2, 3)
