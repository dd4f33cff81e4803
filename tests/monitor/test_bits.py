"""Training is the same, bit for bit, with and without the callback."""

import keras
import monitoring
import numpy as np
import pytest
from monitoring import TENSORFLOW, X, Y, compiled, fitted, logger_of

from keras_initlab import _backend

ALL = ("activations", "gradients", "weights", "updates")
WITHOUT_GRADIENTS = ("activations", "weights", "updates")

# XLA on TensorFlow fuses anew what the look at gradients reads: docs/callback.md.
MODES = {
    mode: (options, WITHOUT_GRADIENTS if mode == "xla" else ALL)
    for mode, options in monitoring.MODES.items()
}


def rich_network(activation="tanh"):
    """Dropout, batch statistics, a table, a shared layer."""
    ids, inputs = keras.Input((3,), dtype="int32"), keras.Input((monitoring.INPUTS,))
    table = keras.layers.Embedding(30, 4, name="table")(ids)
    x = keras.layers.Concatenate()([keras.layers.Flatten()(table), inputs])
    x = keras.layers.Dense(24, "relu", name="a")(x)
    shared = keras.layers.Dense(24, activation, name="shared")
    x = shared(keras.layers.Dropout(0.3, seed=5)(shared(x)))
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model([ids, inputs], keras.layers.Dense(1, name="c")(x))


IDS = np.random.default_rng(1).integers(0, 30, size=(len(X), 3))


class Numbers(keras.callbacks.Callback):
    """Names of everything that the progress bar would show."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(dict(logs))


def trained(callbacks, activation="tanh", **options):
    keras.utils.set_random_seed(0)
    model = compiled(rich_network(activation), optimizer="adam", metrics=["mae"], **options)
    numbers = Numbers()
    history = fitted(
        model, *callbacks, numbers, x=[IDS, X], epochs=2, validation_data=([IDS, X], Y)
    )
    variables = [*model.variables, *model.optimizer.variables]
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    drawn = float(keras.random.uniform(()))
    return values, history.history, numbers.seen, drawn


@pytest.mark.parametrize("mode", MODES)
def test_training_is_bit_identical(mode, tmp_path):
    options, watch = MODES[mode]
    logger = logger_of(log_dir=tmp_path, watch=watch, histograms=True)

    plain = trained([], **options)
    watched = trained([logger], **options)

    assert len(logger.looks) == 12
    for one, other in zip(plain[0], watched[0], strict=True):
        np.testing.assert_array_equal(one, other)
    # Losses, metrics and their keys, of epochs and batches; and Keras's own seed.
    assert plain[1:] == watched[1:]


@pytest.mark.skipif(not TENSORFLOW, reason="XLA on TensorFlow")
def test_gradients_move_xla_by_no_more_than_its_rounding():
    states = []
    for callbacks in ([], [logger_of()]):
        model = compiled(jit_compile=True)
        fitted(model, *callbacks)
        states.append(model.get_weights())

    for one, other in zip(*states, strict=True):
        # Six steps of a rate of 0.05, each with a gradient that is rounded anew.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=6 * 0.05 * 6e-8)


def test_constants_that_grappler_multiplies_meet_as_without_us():
    # gelu's 0.5 and dropout's 1 / 0.7 become one constant where nobody reads what lies between.
    plain = trained([], activation="gelu")
    watched = trained([logger_of()], activation="gelu")

    for one, other in zip(plain[0], watched[0], strict=True):
        np.testing.assert_array_equal(one, other)


def residual(x):
    """A block whose last scale starts at zero, as of Goyal et al. 2017."""
    layers = keras.layers
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
    y = layers.Conv2D(8, 3, padding="same", use_bias=False)(layers.ReLU()(y))
    y = layers.BatchNormalization(gamma_initializer="zeros")(y)
    return layers.ReLU()(layers.Add()([x, y]))


def inverted_residual(x):
    """A block as of MobileNetV3, without its gate."""
    layers = keras.layers
    y = layers.BatchNormalization()(layers.Conv2D(24, 1, use_bias=False)(x))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(layers.ReLU(6.0)(y))
    y = layers.Activation("hard_swish")(layers.BatchNormalization()(y))
    return layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(8, 1)(y))])


def slopes(x):
    """Activations that are layers."""
    y = keras.layers.PReLU()(keras.layers.Dense(8)(keras.layers.LeakyReLU(0.1)(x)))
    return keras.layers.Dropout(0.2)(keras.layers.Dense(8, "gelu")(y))


@pytest.mark.skipif(not TENSORFLOW, reason="Grappler, of TensorFlow's graphs")
@pytest.mark.parametrize("block", [residual, inverted_residual, slopes])
def test_sums_that_grappler_regroups_are_left_as_without_us(block):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(41, 8, 8, 3)).astype("float32"), random.integers(0, 3, 41)

    def weights_after(*callbacks):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((8, 8, 3))
        hidden = keras.layers.Conv2D(8, 3, padding="same")(inputs)
        for _ in range(3):
            hidden = block(hidden)
        pooled = keras.layers.GlobalAveragePooling2D()(hidden)
        model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(pooled))
        compiled(model, loss="sparse_categorical_crossentropy", jit_compile=False)
        fitted(model, *callbacks, x=x, y=y, epochs=4)
        return model.get_weights()

    for one, other in zip(weights_after(), weights_after(logger_of()), strict=True):
        np.testing.assert_array_equal(one, other)


def terms_forward(ids):
    """Products, shifts and scales that one sum takes."""
    layers = keras.layers
    x = layers.Dense(16, "tanh")(layers.Flatten()(layers.Embedding(50, 16)(ids)))
    terms = [layers.Dense(16, use_bias=False)(x), layers.Dense(16)(x), layers.Dense(16, "relu")(x)]
    return layers.Add()([*terms, layers.Rescaling(1.7)(x), layers.LayerNormalization()(x)])


def terms_backward(ids):
    """The gradient of a table is a sum of what comes back from each branch."""
    layers = keras.layers
    x = layers.Embedding(50, 16)(ids)
    terms = [layers.Rescaling(1.7)(x), *(layers.Dense(16, use_bias=False)(x) for _ in range(2))]
    return layers.GlobalAveragePooling1D()(layers.Activation("tanh")(layers.Add()(terms)))


def terms_under_another_name(ids):
    """A product of three axes is one of two, reshaped: the same memory."""
    layers = keras.layers
    x = layers.Embedding(50, 16)(ids)
    terms = [layers.Dense(16, use_bias=False)(x), layers.Dense(16, use_bias=False)(x)]
    return layers.Flatten()(layers.Add()([*terms, layers.Rescaling(1.7)(x)]))


@pytest.mark.skipif(not TENSORFLOW, reason="Grappler, of TensorFlow's graphs")
@pytest.mark.parametrize("terms", [terms_forward, terms_backward, terms_under_another_name])
@pytest.mark.parametrize("rows", [22, 24])
def test_terms_are_added_in_the_order_of_plain_training(terms, rows):
    # A sum of several begins with a term that nobody else holds.
    random = np.random.default_rng(0)
    x, y = random.integers(0, 50, (rows, 6)).astype("int32"), random.normal(size=(rows, 1))

    def weights_after(*callbacks):
        keras.utils.set_random_seed(0)
        ids = keras.Input((6,), dtype="int32")
        model = keras.Model(ids, keras.layers.Dense(1)(terms(ids)))
        compiled(model, optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
        fitted(model, *callbacks, x=x, y=y, batch_size=8)
        return model.get_weights()

    for one, other in zip(weights_after(), weights_after(logger_of()), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(not TENSORFLOW, reason="Grappler, of TensorFlow's graphs")
@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "gelu", None])
@pytest.mark.parametrize("kind", ["Dense", "Conv2D", "DepthwiseConv2D"])
def test_products_and_biases_that_grappler_fuses_stay_unread(kind, activation):
    import tensorflow as tf

    options = {} if kind == "Dense" else {"kernel_size": 3}
    options |= {} if kind == "DepthwiseConv2D" else {"units" if kind == "Dense" else "filters": 4}
    layer = getattr(keras.layers, kind)(activation=activation, **options)
    x = np.ones((2, 5) if kind == "Dense" else (2, 5, 5, 3), "float32")
    layer(x)
    products = []

    @tf.function(autograph=False)
    def step(x, due):
        y = layer(x)
        read = _backend.when(due, lambda: tf.reduce_sum(y), tf.constant(0.0))
        biased = [op for op in y.graph.get_operations() if op.type == "BiasAdd"]
        products.extend(op.inputs[0] for op in biased)
        return y, read

    y, read = step(x, tf.constant(True))

    np.testing.assert_allclose(read, np.sum(y), rtol=1e-5)
    assert len(products) == 1
    assert [op.type for op in products[0].consumers()] == ["BiasAdd"]
    biased = products[0].consumers()[0].outputs[0].consumers()
    # Where Grappler fuses the activation too, nobody else reads the sum.
    assert activation not in ("relu", "tanh", "elu") or len(biased) == 1


@pytest.mark.skipif(not TENSORFLOW, reason="Grappler, of TensorFlow's graphs")
@pytest.mark.parametrize("kind", ["Dense", "Conv2D"])
def test_product_that_a_sum_takes_stays_unread(kind):
    import tensorflow as tf

    # With oneDNN Grappler makes one operation of the product, its bias and the sum.
    layer = keras.layers.Dense(5) if kind == "Dense" else keras.layers.Conv2D(5, 1)
    x = np.ones((2, 5) if kind == "Dense" else (2, 3, 3, 5), "float32")
    layer(x)
    readers = []

    @tf.function(autograph=False)
    def step(x, due):
        y = layer(x)
        added = y + x
        read = _backend.when(due, lambda: tf.reduce_sum(y), tf.constant(0.0))
        readers.append([op.type for op in y.consumers()])
        readers.append([op.type for op in y.op.inputs[0].consumers()])
        return added, read

    added, read = step(x, tf.constant(True))

    np.testing.assert_allclose(read, np.sum(added - x), rtol=1e-5)
    assert readers == [["AddV2"], ["BiasAdd"]]


def test_fixed_batch_beside_the_live_one_changes_nothing():
    logger = logger_of(reference=[IDS[:8], X[:8]])

    plain = trained([])
    watched = trained([logger])

    assert len(logger.looks[3].by_layer("reference_variance")) == 6
    for one, other in zip(plain[0], watched[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert plain[1:] == watched[1:]
