"""Each Keras internal that gradients and losses lean on."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_initlab import _backend

X = np.arange(6, dtype="float32").reshape(2, 3)


def test_value_and_gradients_are_those_of_the_function():
    def function(tensors):
        a, b = tensors
        return ops.sum(a**2), {"doubled": 2 * b}

    a, b = ops.convert_to_tensor(X), ops.convert_to_tensor(X + 1)
    value, others, (of_a, of_b) = _backend.value_and_gradients(function, [a, b])

    assert float(value) == (X**2).sum()
    assert np.array_equal(ops.convert_to_numpy(others["doubled"]), 2 * (X + 1))
    assert np.array_equal(ops.convert_to_numpy(of_a), 2 * X)
    assert np.array_equal(ops.convert_to_numpy(of_b), 0 * X)


def test_gradients_are_zero_where_nothing_has_one():
    value, _, (of_a,) = _backend.value_and_gradients(
        lambda tensors: (ops.convert_to_tensor(3.0), ()), [ops.convert_to_tensor(X)]
    )

    assert float(value) == 3
    assert not ops.convert_to_numpy(of_a).any()


def test_dry_run_calls_the_function_with_tensors_of_the_same_shape():
    seen = []

    _backend.dry_run(
        lambda x: (seen.append(tuple(x.shape)), ops.zeros(()))[1], ops.convert_to_tensor(X)
    )

    assert seen == [(2, 3)]


@pytest.fixture
def model():
    inputs = keras.Input((3,))
    outputs = [keras.layers.Dense(1, name="p")(inputs), keras.layers.Dense(1, name="q")(inputs)]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 10.0])
    return model


def test_fresh_loss_is_the_compiled_one_with_an_account_of_its_own(model):
    y = [np.zeros((2, 1), "float32"), np.ones((2, 1), "float32")]
    predicted = [np.full((2, 1), 2.0, "float32"), np.full((2, 1), 3.0, "float32")]
    fresh = _backend.fresh_loss(model)

    fresh.build(y, predicted)
    value = float(fresh(y, [ops.convert_to_tensor(each) for each in predicted]))

    assert value == 4 + 10 * 2
    assert not model._compile_loss.built
    assert fresh is not model._compile_loss


def test_model_computes_its_loss_by_the_one_it_is_lent(model):
    kept = model._compile_loss
    fresh = _backend.fresh_loss(model, "mae")
    y = [ops.ones((2, 1)), ops.ones((2, 1))]

    with _backend.with_loss(model, fresh):
        value = float(model.compute_loss(None, y, [3 * each for each in y], None))

    assert value == 2 + 2
    assert model._compile_loss is kept


def test_input_structure_is_what_the_call_takes():
    inputs = {"a": keras.Input((1,), name="a"), "b": keras.Input((2,), name="b")}
    model = keras.Model(inputs, keras.layers.Concatenate()([inputs["a"], inputs["b"]]))
    sequential = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

    assert set(_backend.input_structure(model)) == {"a", "b"}
    assert len(keras.tree.flatten(_backend.input_structure(sequential))) == 1


class ResourceExhaustedError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (MemoryError(), True),
        (ResourceExhaustedError("OOM when allocating"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 3 bytes"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (ValueError("shapes"), False),
    ],
)
def test_want_of_memory_is_told_from_other_errors(error, out):
    assert _backend.is_out_of_memory(error) is out


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (LookupError("gradient registry has no entry for: AdjustHue"), True),
        (NotImplementedError("Differentiation rule for 'igammac' not implemented"), True),
        (KeyError("of a layer"), False),
        (IndexError("of a layer"), False),
        (ValueError("shapes"), False),
    ],
)
def test_missing_gradient_is_told_from_other_errors(error, lacks):
    assert _backend.lacks_gradient(error) is lacks


def test_staged_function_gives_what_it_gives_alone():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

    staged = _backend.staged(model, lambda x: ops.sum(x))

    assert float(staged(ops.convert_to_tensor(X))) == X.sum()


def test_nothing_is_noted_for_gradients_where_none_are_wanted():
    x = ops.convert_to_tensor(X)

    with _backend.without_gradients():
        value = ops.sum(keras.Variable(X) * x)

    assert not getattr(value, "requires_grad", False)


def test_automatic_name_is_what_keras_calls_a_layer():
    layer = keras.layers.DepthwiseConv2D(3)

    assert _backend.automatic_name(layer) == "depthwise_conv2d"
    assert layer.name.startswith("depthwise_conv2d")


def test_losses_of_layers_are_kept():
    dense = keras.layers.Dense(2, activity_regularizer="l2")
    dense(X)
    before = list(dense.losses)

    with _backend.losses_kept([dense]):
        dense(X + 1)
        dense._clear_losses()

    assert len(before) == 1
    assert dense.losses[0] is before[0]


def test_loss_is_known_to_be_compiled(model):
    without = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

    assert _backend.has_loss(model)
    assert not _backend.has_loss(without)
    without.compile("sgd")
    assert not _backend.has_loss(without)


def answers_of(question):
    """What it answers outside of a function that is run twice, and at each run inside."""
    answers = []

    def function(tensors):
        def inner(x):
            answers.append(question())
            return ops.sum(x**2)

        answers.append(question())
        return keras.remat(inner)(tensors[0]), ()

    _backend.value_and_gradients(function, [ops.convert_to_tensor(X)])
    return answers


def test_gradients_are_noted_outside_of_functions_that_are_run_twice():
    noted = answers_of(_backend.notes_gradients)

    assert noted[:2] == [True, keras.backend.backend() != "tensorflow"]


def test_way_back_is_known_on_torch():
    outside, first, *others = answers_of(_backend.in_backward)

    assert outside is first is False
    assert any(others) is (keras.backend.backend() == "torch")


@pytest.mark.parametrize(
    ("loss", "names"),
    [
        ("mse", ["mean_squared_error"] * 2),
        (["mse", None], ["mean_squared_error", None]),
        ({"b": "mae", "a": keras.losses.huber}, ["huber", "mean_absolute_error"]),
        (None, [None, None]),
    ],
)
@pytest.mark.parametrize("compiled", [True, False])
def test_losses_are_known_by_output(loss, names, compiled):
    inputs = keras.Input((2,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in "ab"}
    model = keras.Model(inputs, outputs)
    if compiled:
        model.compile("sgd", loss)

    held = _backend.losses_by_output(model, None if compiled else loss)

    assert [getattr(found, "__name__", None) for found in held] == names


# TensorFlow warns of it, too.
@pytest.mark.filterwarnings("ignore:.*does not represent logits")
def test_logits_are_found_where_keras_keeps_them():
    logits = keras.ops.convert_to_tensor([[2.0, -1.0]])
    labels = keras.ops.convert_to_tensor([[1.0, 0.0]])
    model = keras.Sequential([keras.Input((2,)), keras.layers.Activation("softmax")])
    outputs = model(logits)

    again = keras.losses.categorical_crossentropy(labels, outputs, from_logits=True)
    once = keras.losses.categorical_crossentropy(labels, logits, from_logits=True)

    same = bool(abs(float(again[0]) - float(once[0])) < 1e-6)
    assert same == _backend.finds_logits()
