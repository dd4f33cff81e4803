"""Ragged and sparse inputs: what a look at them holds, against float64."""

import keras
import numpy as np
import pytest
from keras import layers
from monitoring import JAX, TENSORFLOW, fitted, is_clean, logger_of

RNG = np.random.default_rng(5)
N = 16
LABELS = RNG.normal(size=(N, 1)).astype("float32")
X = (RNG.normal(size=(N, 6)) * (RNG.random((N, 6)) < 0.4)).astype("float32")


def sparse_of(array):
    if TENSORFLOW:
        import tensorflow as tf

        return tf.sparse.from_dense(array)
    from jax.experimental.sparse import BCOO

    return BCOO.fromdense(array)


def network(**options):
    inputs = keras.Input((6,), **options)
    x = layers.Dense(8, "relu", name="a")(inputs)
    model = keras.Model(inputs, layers.Dense(1, name="b")(x))
    model.compile("sgd", "mse")
    return model


@pytest.mark.skipif(not (TENSORFLOW or JAX), reason="Keras has no sparse tensors on torch")
def test_sparse_input_gives_the_look_of_the_dense_one():
    model, twin = network(sparse=True), network()
    twin.set_weights(model.get_weights())
    kernel, _ = model.get_layer("a").get_weights()
    expected = np.maximum(X.astype("float64") @ kernel, 0)
    logger, dense_logger = logger_of(), logger_of()

    fitted(model, logger, x=sparse_of(X), y=LABELS, batch_size=N)
    fitted(twin, dense_logger, x=X, y=LABELS, batch_size=N)

    look, dense = logger.looks[0], dense_logger.looks[0]
    assert look.by_layer("count")["a"] == expected.size
    assert look.by_layer("variance")["a"] == pytest.approx(expected.var(), rel=2e-5)
    # Theory starts from the mean square of the input, its zeros among them.
    for statistic in ("predicted_variance", "gradient_norm", "update_ratio"):
        assert look.by_layer(statistic) == pytest.approx(dense.by_layer(statistic), rel=2e-5)
    assert is_clean(model)


@pytest.mark.skipif(not TENSORFLOW, reason="Keras has ragged tensors on TensorFlow alone")
def test_ragged_table_is_measured_over_the_ids_that_there_are():
    import tensorflow as tf

    ids = [RNG.integers(1, 20, size=length) for length in RNG.integers(1, 6, size=N)]
    inputs = keras.Input((None,), dtype="int32", ragged=True)
    x = layers.Embedding(20, 4, name="table")(inputs)
    x = layers.Lambda(lambda vectors: tf.reduce_mean(vectors, axis=1), output_shape=(4,))(x)
    model = keras.Model(inputs, layers.Dense(1, name="b")(x))
    model.compile("sgd", "mse")
    (table,) = (weight.astype("float64") for weight in model.get_layer("table").get_weights())
    rows = tf.ragged.constant([row.tolist() for row in ids], dtype="int32")
    logger = logger_of()

    data = tf.data.Dataset.from_tensor_slices((rows, LABELS)).batch(N)
    fitted(model, logger, x=data, y=None, batch_size=None)

    look, found = logger.looks[0], table[np.concatenate(ids)]
    assert look.by_layer("count")["table"] == found.size
    assert look.by_layer("variance")["table"] == pytest.approx(found.var(), rel=2e-5)
    untouched = 1 - len(np.unique(np.concatenate(ids))) / 20
    assert look.by_layer("untouched_fraction")["table"] == pytest.approx(untouched, abs=1e-6)
