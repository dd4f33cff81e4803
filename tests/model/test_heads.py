"""How large `initialize` with labels makes heads, and what stands below them; decision 0020."""

import keras
import numpy as np
import pytest
from chains import RNG, X, chain, check_variance
from keras import layers as kl
from keras import ops

from keras_initlab import initialize

pytestmark = pytest.mark.once


def labelled_with_tables(*between):
    ids = keras.Input((6,), dtype="int32")
    vectors = kl.Embedding(40, 16)(ids)
    for layer in between:
        vectors = layer(vectors)
    model = keras.Model(ids, kl.Dense(1, "sigmoid", name="out")(vectors))
    model.compile("adam", "binary_crossentropy")
    x, y = RNG.integers(0, 40, (65, 6)), RNG.integers(0, 2, (65, 1))
    initialize(model, data=(x, y), seed=1)
    kernel = np.array(model.get_layer("out").kernel)
    return float(np.sqrt(np.square(kernel).mean() * len(kernel)))


def test_heads_behind_tables_start_small_unless_something_goes_through_time():
    """Root mean square of the head's kernel, times the root of its inputs; decision 0020."""
    error = 5 / np.sqrt(2 * 64)

    assert labelled_with_tables(kl.Flatten(), kl.Dense(64)) < 0.1 * (1 + error)
    assert labelled_with_tables(kl.LSTM(64)) == pytest.approx(1, rel=error)


class Block(kl.Layer):
    """Holds its table and its layers inside, where no graph shows them."""

    def __init__(self):
        super().__init__()
        self.table, self.inner = kl.Embedding(40, 16), kl.Dense(16, name="inner")

    def call(self, ids):
        return ops.mean(self.inner(self.table(ids)), axis=1)


def test_layers_inside_others_do_not_amplify_short_vectors():
    ids, block = keras.Input((6,), dtype="int32"), Block()
    model = keras.Model(ids, kl.Dense(1, "sigmoid")(block(ids)))
    model.compile("adam", "binary_crossentropy")

    initialize(model, data=(RNG.integers(0, 40, (65, 6)), RNG.integers(0, 2, (65, 1))), seed=1)

    assert np.array(block.inner.kernel).std() < 0.5


def test_a_labelled_head_of_numbers_starts_at_a_tenth_of_its_labels():
    model = chain("relu")
    model.compile("adam", "mse")

    initialize(model, data=(X, 5 + 0.01 * X[:, :1]), seed=1)

    assert model.predict(X, verbose=0).std() == pytest.approx(0.001 * X[:, 0].std(), rel=0.02)


def test_a_rectified_head_of_numbers_behind_a_reshape_does_too():
    labels = np.abs(X[:, :4]).reshape(-1, 2, 2) / 10
    inputs = keras.Input(X.shape[1:])
    hidden = kl.Dense(64, "relu")(inputs)
    outputs = ops.reshape(kl.Dense(4, "relu", name="head")(hidden), (-1, 2, 2))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")

    initialize(model, data=(X, labels), seed=1)

    head = model.get_layer("head")
    sums = np.array(keras.Model(inputs, hidden)(X)) @ np.array(head.kernel)
    assert sums.std() == pytest.approx(labels.std() / 10, rel=0.02)
    assert not np.array(head.bias).any()


def test_layers_behind_an_average_stay_small():
    images = np.random.default_rng(0).normal(size=(128, 16, 16, 3)).astype("float32")
    inputs = keras.Input((16, 16, 3))
    features = kl.BatchNormalization()(kl.Conv2D(8, 3, padding="same", name="conv")(inputs))
    x = kl.GlobalAveragePooling2D()(features)
    for name in ("squeeze", "middle"):
        x = kl.Dense(8, "relu", name=name)(x)
    model = keras.Model(inputs, kl.Dense(2, name="out")(x))

    report = initialize(model, data=images, seed=1)

    factors = {change.path: change.reason for change in report.changes}
    assert (factors["conv/kernel"], factors["squeeze/kernel"]) == ("", "x 1.5")
    assert float(factors["out/kernel"][2:]) > 5
    assert report.healthy


class Places(kl.Layer):
    """Vectors for the places of a sequence: of ids with those of the ids, of features alone."""

    def __init__(self, ids=0):
        super().__init__()
        self.places = kl.Embedding(8, 16, name="places")
        self.ids = kl.Embedding(ids, 16, name="ids") if ids else None

    def build(self, shape):
        self.places.build((8,))
        if self.ids:
            self.ids.build(shape)

    def call(self, inputs):
        return self.places(ops.arange(8)) + (self.ids(inputs) if self.ids else inputs)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((None, 8, 16))


@pytest.mark.parametrize(
    ("shape", "dtype", "ids", "drawn"),
    [
        ((8, 16), "float32", 0, "RandomUniform"),
        ((8,), "int32", 30, "Scaled(TiedEmbedding, 0.05)"),
        # Keras's default, in which ids come as floats.
        ((8,), "float32", 30, "Scaled(TiedEmbedding, 0.05)"),
    ],
)
def test_a_table_of_places_makes_no_model_of_tables(shape, dtype, ids, drawn):
    inputs = keras.Input(shape, dtype=dtype)
    x = kl.Flatten()(Places(ids)(inputs if ids else 2 * inputs))
    model = keras.Model(inputs, kl.Dense(3, "softmax", name="out")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    x = RNG.integers(0, 30, (65, *shape)).astype(dtype)

    report = initialize(model, data=(x, RNG.integers(0, 3, 65)), seed=1)

    sums = np.array(keras.Model(inputs, model.layers[-2].output)(x)) @ np.array(
        model.get_layer("out").kernel
    )
    schemes = {change.path.split("/")[-2]: change.scheme for change in report.changes}
    assert schemes["places"] == drawn
    assert sums.std() == pytest.approx(0.1 if ids else 1, rel=0.05)


class Likeness(kl.Layer):
    """Scores every id by a table that is looked up elsewhere, as tied heads do."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def call(self, features):
        return ops.softmax(features @ ops.transpose(self.table.embeddings))


@pytest.mark.parametrize("wrap", [lambda table: table, kl.TimeDistributed])
def test_a_table_that_is_looked_up_and_held_holds_no_places(wrap):
    # Ids may come as floats, and by time steps.
    inputs, table = keras.Input((4, 3)), kl.Embedding(30, 16, name="table")
    features = kl.Dense(16, name="hidden")(kl.GlobalAveragePooling2D()(wrap(table)(inputs)))
    model = keras.Model(inputs, Likeness(table)(kl.Reshape((1, 16))(features)))
    model.compile("adam", "sparse_categorical_crossentropy")
    x = RNG.integers(0, 30, (65, 4, 3)).astype("float32")

    report = initialize(model, data=(x, RNG.integers(0, 30, (65, 1))), seed=1)

    schemes = {change.path.split("/")[-2]: change.scheme for change in report.changes}
    assert schemes["table"] == "Scaled(TiedEmbedding, 0.05)"


@pytest.mark.parametrize(("norm", "share"), [(True, 1 / 2), (False, 1 / 4)])
def test_a_branch_whose_sum_is_normalized_at_once_stands_alone(norm, share):
    x = inputs = keras.Input((64,))
    for k in range(3):
        x = kl.Add()([x, kl.Dense(64, name=f"end_{k}")(kl.Dense(64, "relu")(x))])
        x = kl.LayerNormalization()(x) if norm else x
    model = keras.Model(inputs, kl.Dense(1)(x))

    initialize(model, seed=1)

    check_variance(model.get_layer("end_1").kernel, 2 * share / 64)
