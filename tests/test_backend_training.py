"""Helpers of the training step."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_initlab import _backend

TRACES = []


def doubled(x, y):
    TRACES.append(tuple(x.shape))
    return 2.0 * x + y


def shifted(x, y):
    return x - y


def test_reused_function_gives_what_the_function_gives():
    x, y = np.ones((2, 3), "float32"), np.full((2, 3), 5.0, "float32")

    eager = _backend.reused(doubled)(ops.convert_to_tensor(x), ops.convert_to_tensor(y))

    np.testing.assert_array_equal(ops.convert_to_numpy(eager), 2 * x + y)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others trace no graph")
def test_reused_function_is_traced_once_for_each_shape():
    import tensorflow as tf

    def step(x):
        # Twice in one step, as layers of one shape are.
        return _backend.reused(doubled)(x, x) + _backend.reused(doubled)(x, -x)

    TRACES.clear()
    found = [tf.function(step)(tf.ones((2, width))) for width in (3, 3, 4)]

    assert TRACES == [(2, 3), (2, 4)]
    np.testing.assert_array_equal(found[0], np.full((2, 3), 4.0))

    @tf.function
    def both(x):
        return _backend.reused(doubled)(x, x), _backend.reused(shifted)(x, x)

    plus, minus = both(tf.ones((2, 3)))
    assert (float(plus[0, 0]), float(minus[0, 0])) == (3.0, 0.0)
    assert len(TRACES) == 2


def test_small_operations_are_wanted_where_threads_make_large_ones_costly():
    assert _backend.prefers_small_operations() == (keras.backend.backend() == "tensorflow")


def test_updates_are_scaled_by_the_factor_of_each_variable():
    variables = [keras.Variable(np.ones(3), name=name) for name in ("one", "half", "other")]
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(variables)

    _backend.scale_updates(optimizer, {variables[0].path: 1.0, variables[1].path: 0.5})
    optimizer.apply([ops.ones(3)] * 3, variables)

    found = [float(ops.convert_to_numpy(variable)[0]) for variable in variables]
    np.testing.assert_allclose(found, [0.9, 0.95, 0.9], rtol=1e-6)


def test_variables_are_counted_while_tensorflow_traces_alone():
    seen = []

    class Counting(keras.Model):
        def train_step(self, *arguments):
            before = _backend.variables_in_trace(self)
            outputs = super().train_step(*arguments)
            seen.append(_backend.variables_in_trace(self) - before)
            return outputs

    inputs = keras.Input((3,))
    model = Counting(inputs, keras.layers.Dense(1)(inputs))
    model.compile(keras.optimizers.SGD(momentum=0.5), "mse", metrics=["mae"])
    model.fit(np.ones((4, 3)), np.ones((4, 1)), batch_size=2, verbose=0)

    assert _backend.variables_in_trace(model) == 0
    if keras.backend.backend() == "tensorflow":
        # Two momenta, and the total and the count of a metric; then the trace that runs.
        assert seen == [4, 0]
    else:
        assert set(seen) == {0}


@pytest.mark.parametrize("traced", [False, True])
def test_what_is_computed_beside_a_step_is_computed_in_each(traced):
    x = keras.Variable(np.ones((2, 3), "float32"))

    def step():
        x.assign(2.0 * x.value)
        return _backend.beside(lambda: ops.sum(ops.convert_to_tensor(x.value)))

    if traced and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(step)
    assert [float(ops.convert_to_numpy(step())) for _ in range(3)] == [12.0, 24.0, 48.0]


def test_the_updated_part_of_a_weight_is_all_of_it_or_the_rows_of_a_sparse_gradient():
    table = keras.Variable(np.arange(12.0, dtype="float32").reshape(4, 3))
    whole = _backend.updated_part(table, ops.ones((4, 3)))
    np.testing.assert_array_equal(ops.convert_to_numpy(whole), ops.convert_to_numpy(table.value))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        sparse = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([2, 0]), (4, 3))
        rows = _backend.updated_part(table, sparse)
        np.testing.assert_array_equal(rows, [[6, 7, 8], [0, 1, 2]])


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="others have no tracers")
def test_a_condition_that_is_known_is_not_compiled():
    import jax

    kinds = []
    _backend.when(ops.ones(()) > 0, lambda: kinds.append(ops.ones(())) or kinds[0], ops.zeros(()))
    assert not isinstance(kinds[0], jax.core.Tracer)
    traced = jax.jit(lambda x: _backend.when(x > 0, lambda: x + 1, x))
    assert [float(traced(x)) for x in (1.0, -1.0)] == [2.0, -1.0]


def test_batch_size_is_that_of_the_running_fit():
    sizes = []

    class During(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            sizes.append(_backend.batch_size_of_fit(self.model))

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")

    model.fit(np.ones((4, 3)), np.ones((4, 2)), batch_size=2, verbose=0, callbacks=[During()])

    assert sizes == [2, 2]
    assert _backend.batch_size_of_fit(model) is None
