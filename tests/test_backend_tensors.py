"""What the package asks of the backends' tensors, seeds and scopes, each thing by itself."""

import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from monitoring import JAX, TENSORFLOW, compiled

from keras_initlab import _backend


def values(tensor):
    return ops.convert_to_numpy(tensor)


def traced(function, *arguments):
    """The result of a function that the backend traces, where it does."""
    model = compiled(jit_compile=False) if TENSORFLOW else compiled()
    return _backend.compiled(model, function)(*arguments)


def test_every_helper_has_a_test():
    tests = Path(__file__).parent
    text = "".join((tests / name).read_text() for name in BACKEND_TESTS)

    used = set(re.findall(r"_backend\.(\w+)", text))

    assert set(_backend.__all__) - used == set()


BACKEND_TESTS = (
    *("test_backend_memory.py", "test_backend_model.py"),
    *("test_backend.py", "test_backend_gradients.py", "test_backend_tensors.py"),
    "test_backend_training.py",
    *("test_backend_internals.py", "test_backend_slots.py", "test_backend_undoing.py"),
)


def test_every_helper_tells_what_it_is_for():
    assert all(inspect.getdoc(getattr(_backend, name)) for name in _backend.__all__)


def test_concrete_is_the_value_outside_a_trace_and_none_inside():
    seen = []

    def function(x):
        seen.append(_backend.concrete(x))
        return x

    tensor = ops.ones((2,))
    traced(function, tensor)

    np.testing.assert_array_equal(_backend.concrete(tensor), [1, 1])
    assert (seen[0] is None) == (TENSORFLOW or JAX)


def test_eager_scope_gives_values_inside_a_trace():
    seen = []

    def function(x):
        with _backend.eager_scope():
            seen.append(_backend.concrete(ops.ones((2,)) + 1.0))
        return x

    traced(function, ops.ones((2,)))

    np.testing.assert_array_equal(seen[0], [2, 2])


def test_key_seed_hands_out_its_key():
    assert _backend.KeySeed("key").next() == "key"


def test_key_seed_passes_for_a_seed_generator_of_keras():
    generator = keras.random.SeedGenerator(7)
    key = generator.next()

    first, second = (values(keras.random.normal((4,), seed=_backend.KeySeed(key))) for _ in "ab")

    np.testing.assert_array_equal(first, second)


def test_isolated_tensor_keeps_its_values():
    np.testing.assert_array_equal(values(traced(_backend.isolated, ops.arange(3))), [0, 1, 2])


@pytest.mark.parametrize("axis", [0, 1])
def test_gathered_places_are_those_of_take(axis):
    table = np.arange(12.0).reshape(3, 4)

    found = _backend.gathered(ops.convert_to_tensor(table), np.array([2, 0], "int32"), axis=axis)

    np.testing.assert_array_equal(values(found), table.take([2, 0], axis=axis))


def test_mask_is_the_one_that_keras_attached():
    layer = keras.layers.Embedding(3, 2, mask_zero=True)

    found = _backend.mask_of(layer(np.array([[1, 2, 0]])))

    np.testing.assert_array_equal(values(found), [[True, True, False]])
    assert _backend.mask_of(ops.ones((2,))) is None


def test_reachable_tensor_keeps_its_values():
    tensor = ops.ones((2,))

    np.testing.assert_array_equal(values(_backend.reachable(tensor)), [1, 1])
    assert _backend.reachable_gradient(tensor) is tensor


@pytest.mark.skipif(not (TENSORFLOW or JAX), reason="torch has no inner functions")
def test_tensor_of_a_loop_body_cannot_be_reached():
    kept = []

    def body(x):
        kept.append(x * 2.0)
        return x + 1.0

    def function(x):
        x = ops.while_loop(lambda x: ops.sum(x) < 3.0, lambda x: (body(x),), (x,))[0]
        kept.append(_backend.reachable(kept[0]))
        kept.append(_backend.reachable_gradient(kept[0]))
        return x

    traced(function, ops.zeros(()))

    assert kept[-2:] == [None, None]


def test_other_errors_of_reachable_are_not_hidden(monkeypatch):
    def fail(tensor):
        raise ZeroDivisionError

    monkeypatch.setattr(keras.ops, "stop_gradient", fail)

    with pytest.raises(ZeroDivisionError):
        _backend.reachable(None)


def test_flat_tensors_are_those_of_a_nest_without_the_rest():
    one, two = ops.ones((1,)), ops.ones((2,))

    found = _backend.flat_tensors({"a": one, "b": [two, None, "text", 3]})

    assert [tuple(each.shape) for each in found] == [(1,), (2,)]


def test_dense_tensor_is_its_own_values():
    tensor = ops.ones((2,))

    assert _backend.dense_values(tensor) is tensor


@pytest.mark.skipif(not TENSORFLOW, reason="ragged and sparse tensors of TensorFlow")
def test_values_of_ragged_and_sparse_tensors_are_dense():
    import tensorflow as tf

    ragged, sparse = tf.ragged.constant([[1, 2], [3]]), tf.sparse.from_dense([[0, 5], [6, 0]])

    np.testing.assert_array_equal(_backend.dense_values(ragged), [1, 2, 3])
    np.testing.assert_array_equal(_backend.dense_values(sparse), [5, 6])
    assert [_backend.is_sparse(each) for each in (ragged, sparse)] == [False, True]


@pytest.mark.skipif(not (TENSORFLOW or JAX), reason="Keras has no sparse tensors on torch")
def test_mean_square_of_a_sparse_tensor_counts_its_zeros():
    dense = np.array([[0.0, 3.0, 0.0], [4.0, 0.0, 0.0]], "float32")
    if TENSORFLOW:
        import tensorflow as tf

        sparse = tf.sparse.from_dense(dense)
    else:
        from jax.experimental.sparse import BCOO

        sparse = BCOO.fromdense(dense)

    assert float(_backend.mean_square_of_sparse(sparse)) == pytest.approx(25 / 6)
    assert _backend.reachable(sparse) is sparse


@pytest.mark.parametrize(("limit", "expected"), [(None, [1, 2, 5]), (3, [1, 5]), (1, [5])])
def test_distinct_rows_are_each_id_once(limit, expected):
    ids, first = _backend.distinct_rows(np.array([[5, 1], [5, 2]]), limit)

    assert values(ids)[values(first)].tolist() == expected


def test_rows_of_a_dense_table_are_taken():
    found = _backend.rows_of(ops.reshape(ops.arange(6), (3, 2)), [0, 2])

    np.testing.assert_array_equal(values(found), [[0, 1], [4, 5]])


@pytest.mark.skipif(not TENSORFLOW, reason="sparse gradients of TensorFlow")
def test_rows_of_a_sparse_gradient_sum_repetitions_and_skip_the_rest():
    import tensorflow as tf

    parts = tf.constant([[1.0, 2.0], [10.0, 20.0], [3.0, 4.0], [7.0, 7.0]])
    sparse = tf.IndexedSlices(parts, tf.constant([4, 1, 4, 9]), (10, 2))

    found = _backend.rows_of(sparse, tf.constant([1, 4, 5]))

    np.testing.assert_array_equal(values(found), [[10, 20], [4, 6], [0, 0]])


@pytest.mark.parametrize("shape", [(70, 3), (2, 35, 3)])
def test_half_sum_of_squares_is_of_each_block(shape):
    array = np.random.default_rng(0).normal(size=shape).astype("float32")

    half = values(_backend.half_sum_of_squares(keras.ops.convert_to_tensor(array)))

    # 210 sums, each rounded once at most on the way.
    expected = np.square(array.astype("float64")).sum((-2, -1)) / 2
    np.testing.assert_allclose(half, expected, rtol=210 * np.finfo("float32").eps)


def test_flags_are_set_at_the_places_named_alone():
    flags = keras.Variable(np.zeros(5, "int32"), trainable=False, dtype="int32")

    _backend.set_flags(flags, np.array([[1, 3], [3, 1]]))
    _backend.set_flags(flags, np.array([4]))

    np.testing.assert_array_equal(values(flags), [0, 1, 0, 1, 1])


@pytest.mark.parametrize("due", [True, False])
def test_when_runs_the_function_at_due_steps_alone(due):
    def function(due, x):
        return _backend.when(due, lambda: x + 1.0, x)

    found = traced(function, ops.convert_to_tensor(due), ops.zeros((2,)))

    np.testing.assert_array_equal(values(found), [due, due])


def test_symbolic_scope_is_left_outside_shape_inference():
    assert not _backend.in_symbolic_scope()


def test_step_state_has_a_place_among_the_variables_while_attached():
    model = compiled()
    state = _backend.StepState(model, np.zeros(3, "float32"))

    state.attach()
    place = state.place() if JAX else None
    state.write(np.ones(3, "float32"))
    held = state.read()
    state.detach()

    assert place == (len(model.non_trainable_variables) if JAX else None)
    np.testing.assert_array_equal(held, [[1, 1, 1]])
    assert model._seed_generators == []


@pytest.mark.parametrize(
    ("dtype", "numeric", "real"),
    [
        *(("float32", True, True), ("bfloat16", True, True), ("float16", True, True)),
        *(("int32", True, False), ("uint8", True, False), ("bool", True, False)),
    ],
)
def test_kinds_of_numbers(dtype, numeric, real):
    tensor = ops.cast(ops.ones((2,)), dtype)

    assert (_backend.is_numeric(tensor), _backend.is_float(tensor)) == (numeric, real)


@pytest.mark.skipif(not TENSORFLOW, reason="other backends have no strings, ranks are known")
def test_strings_are_no_numbers_and_an_unknown_rank_is_none():
    import tensorflow as tf

    strings, ranks = tf.constant(["a"]), []

    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec([None, 3])])
    def function(unknown, known):
        ranks.extend((_backend.rank_of(unknown), _backend.rank_of(known)))
        ranks.extend((_backend.units_of(unknown), _backend.units_of(known)))
        return known

    function(tf.ones((1,)), tf.ones((2, 3)))

    assert not _backend.is_numeric(strings)
    assert not _backend.is_float(strings)
    assert ranks == [None, 2, None, 3]


def test_what_is_no_tensor_has_no_units():
    assert not _backend.is_numeric("text")
    assert _backend.rank_of("text") is None
    assert _backend.units_of(ops.ones(())) is None
    assert _backend.units_of(ops.ones((2, 3))) == 3
