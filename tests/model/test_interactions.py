"""What `"auto"` draws for tables, towers and crosses of recommenders."""

import keras
import keras_rs
import numpy as np
import pytest
from chains import check_variance
from keras import layers as kl
from keras import ops

from keras_initlab import initialize

pytestmark = pytest.mark.once

FIELDS, ROWS, SIZE = 4, 3000, 16
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, ROWS, (512, FIELDS)).astype("int32")
LABELS = (RNG.random((512, 1)) < 0.1).astype("float32")


def vectors_of(inputs, size=SIZE, name="table"):
    return [kl.Embedding(ROWS, size, name=f"{name}_{k}")(inputs[:, k]) for k in range(FIELDS)]


def logits_of(model, ids=IDS):
    return keras.ops.convert_to_numpy(model(ids)).astype("float64")


def model_of(build, activation=None):
    inputs = keras.Input((FIELDS,), dtype="int32")
    return keras.Model(inputs, kl.Activation(activation)(build(inputs)))


def linear(inputs):
    return kl.Add()(vectors_of(inputs, 1))


def linear_by_operations(inputs):
    return ops.sum(ops.concatenate(vectors_of(inputs, 1), axis=1), axis=1, keepdims=True)


@pytest.mark.parametrize("build", [linear, linear_by_operations])
def test_terms_of_a_linear_model_start_at_zero(build):
    model = model_of(build)

    initialize(model, seed=1)

    assert not logits_of(model).any()


def product(inputs):
    first, second, *_ = vectors_of(inputs)
    return kl.Dot(axes=1)([first, second])


def product_by_operations(inputs):
    first, second, *_ = vectors_of(inputs)
    return ops.sum(first * second, axis=1, keepdims=True)


def factorization_machine(inputs):
    stacked = ops.stack(vectors_of(inputs), axis=1)
    pairs = ops.square(ops.sum(stacked, axis=1)) - ops.sum(ops.square(stacked), axis=1)
    return ops.sum(pairs, axis=1, keepdims=True) / 2


PRODUCTS = [product, product_by_operations, factorization_machine]


@pytest.mark.parametrize("build", PRODUCTS)
def test_products_of_vectors_make_logits_of_variance_one(build):
    model = model_of(build)

    initialize(model, seed=1)

    squares = logits_of(model) ** 2
    assert abs(squares.mean() - 1) < 5 * squares.std() / np.sqrt(squares.size)


@pytest.mark.parametrize("build", PRODUCTS)
def test_products_are_small_beside_the_prior_where_labels_are_given(build):
    model = model_of(build, "sigmoid")
    model.compile("sgd", "binary_crossentropy")

    initialize(model, data=(IDS, LABELS), seed=1)

    model = keras.Model(model.inputs[0], model.layers[-1].input)
    squares = logits_of(model) ** 2
    assert squares.mean() < 0.01 + 5 * squares.std() / np.sqrt(squares.size)
    # The product of two vectors of length 0.05.
    assert squares.mean() > 0.5 * 0.05**4 / SIZE


def test_tables_are_short_where_labels_are_learned():
    model = model_of(lambda inputs: kl.Dense(1)(kl.Concatenate()(vectors_of(inputs))), "sigmoid")
    model.compile("sgd", "binary_crossentropy")

    initialize(model, data=(IDS, LABELS), seed=1)

    check_variance(model.get_layer("table_0").embeddings, 0.05**2 / SIZE)


class Subclassed(keras.Model):
    """A click model without a graph."""

    def __init__(self):
        super().__init__()
        self.table, self.hidden = kl.Embedding(ROWS, SIZE), kl.Dense(256, "relu", name="hidden")
        self.out = kl.Dense(1, "sigmoid")

    def call(self, ids):
        return self.out(self.hidden(ops.reshape(self.table(ids), (-1, FIELDS * SIZE))))


def functional():
    def logits(inputs):
        x = kl.Concatenate()(vectors_of(inputs))
        return kl.Dense(1)(kl.Dense(256, "relu", name="hidden")(x))

    return model_of(logits, "sigmoid")


@pytest.mark.parametrize("build", [functional, Subclassed])
def test_layers_behind_short_tables_do_not_make_up_for_it(build):
    model = build()
    model(IDS[:1])
    model.compile("sgd", "binary_crossentropy")

    initialize(model, data=(IDS, LABELS), seed=1)

    hidden = next(layer for layer in model.layers if layer.name == "hidden")
    check_variance(hidden.kernel, 2 / (FIELDS * SIZE))


def test_numbers_beside_a_table_are_corrected_to_less():
    ids, numbers = keras.Input((1,), dtype="int32"), keras.Input((16,))
    beside = kl.Dense(256, "relu", name="beside")(numbers)
    beside = kl.Dense(256, "relu", name="behind")(beside)
    x = kl.Concatenate()([kl.Flatten()(kl.Embedding(ROWS, SIZE)(ids)), beside])
    model = keras.Model([ids, numbers], kl.Dense(1, "sigmoid")(x))
    model.compile("sgd", "binary_crossentropy")
    rows = 0.1 * RNG.normal(size=(len(IDS), 16)).astype("float32")

    initialize(model, data=([IDS[:, :1], rows], LABELS), seed=1)

    before = rows @ keras.ops.convert_to_numpy(model.get_layer("beside").kernel)
    # Xavier's, for inputs of variance 1: twice 16 over 16 and 256.
    assert abs(before.astype(np.float64).var() / (32 / 272) - 1) < 0.01
    # Held, and not blown up.
    check_variance(model.get_layer("behind").kernel, 2 / 256)


def test_vectors_that_enter_a_tower_are_not_those_of_a_product():
    model = model_of(lambda inputs: kl.Dense(1)(kl.Concatenate()(vectors_of(inputs))))

    initialize(model, seed=1)

    check_variance(model.get_layer("table_0").embeddings, 1 / SIZE)


def test_towers_that_meet_in_a_product_make_logits_of_variance_one():
    def tower(name):
        ids = keras.Input((), dtype="int32")
        x = kl.Dense(256, "relu")(kl.Embedding(ROWS, SIZE)(ids))
        return keras.Model(ids, kl.Dense(64)(x), name=name)

    ids = [keras.Input((), dtype="int32") for _ in range(2)]
    users, items = tower("user")(ids[0]), tower("item")(ids[1])
    model = keras.Model(ids, ops.matmul(users, ops.transpose(items)))

    initialize(model, data=[IDS[:, 0], IDS[:, 1]], seed=1)

    # Over 30 seeds the mean square was 1.02 with a standard deviation of 0.18; unscaled it is 64.
    squares = logits_of(model, [IDS[:, 0], IDS[:, 1]]) ** 2
    assert abs(squares.mean() - 1) < 5 * 0.18


@pytest.mark.parametrize("combiner", ["mean", "sum", "sqrtn"])
def test_bags_have_unit_length_after_they_are_combined(combiner):
    inputs = keras.Input((10,), dtype="int32")
    x = keras_rs.layers.EmbedReduce(ROWS, SIZE, combiner=combiner, name="bag")(inputs)
    model = keras.Model(inputs, kl.Dense(1)(x))

    initialize(model, seed=1)

    ids = RNG.integers(0, ROWS, (2000, 10)).astype("int32")
    bags = keras.ops.convert_to_numpy(model.get_layer("bag")(ids)).astype("float64")
    squares = (bags**2).sum(1)
    assert abs(squares.mean() - 1) < 5 * squares.std() / np.sqrt(len(squares))


def cross_of_keras_rs(number):
    return keras_rs.layers.FeatureCross(name=f"cross_{number}")


class Cross:
    """A cross of plain Keras layers."""

    def __init__(self, number):
        self.dense = kl.Dense(256, name=f"cross_{number}")

    def __call__(self, start, x):
        return kl.Add()([kl.Multiply()([start, self.dense(x)]), x])


@pytest.mark.parametrize("cross_of", [cross_of_keras_rs, Cross])
def test_stack_of_crosses_does_not_double_with_every_layer(cross_of):
    inputs = keras.Input((256,))
    x = start = kl.Activation("linear")(inputs)
    for number in range(6):
        x = cross_of(number)(start, x)
    model = keras.Model(inputs, [x, kl.Dense(1)(x)])

    initialize(model, seed=1)

    rows = RNG.normal(size=(512, 256)).astype("float32")
    squares = keras.ops.convert_to_numpy(model(rows)[0]).astype("float64") ** 2
    # Each of six adds a seventh of what it takes: (8/7)**6 = 2.23, where Glorot's give 64.
    assert 1.5 < squares.mean() < 3


def test_dense_layers_behind_pictures_beside_a_table_are_as_without_one():
    ids, picture = keras.Input((1,), dtype="int32"), keras.Input((6, 6, 3))
    x = kl.GlobalAveragePooling2D()(kl.Conv2D(64, 3, activation="relu")(picture))
    x = kl.Dense(256, "relu", name="behind")(x)
    x = kl.Concatenate()([kl.Flatten()(kl.Embedding(ROWS, SIZE)(ids)), x])
    model = keras.Model([ids, picture], kl.Dense(1, "sigmoid")(x))
    model.compile("sgd", "binary_crossentropy")
    pictures = RNG.normal(size=(64, 6, 6, 3)).astype("float32")

    report = initialize(model, data=([IDS[:64, :1], pictures], LABELS[:64]), seed=1)

    # Its input is an average, and small; beside a table it might not be enlarged at all.
    assert {change.path: change.reason for change in report.changes}["behind/kernel"] == "x 1.5"
