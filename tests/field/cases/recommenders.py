"""Recommenders that train well, on users and items whose taste is of low rank."""

import keras
import numpy as np
from field.cases.blocks import adam, ids, looked_up, normal, serializable, tower, uniform, yes_or_no
from field.cases.data import as_floats, clicks, coin, fields, rng_of
from field.register import case_of, healthy
from keras import layers as kl
from keras import ops

CROSS_ENTROPY = "binary_crossentropy"


@healthy()
def wide_and_deep_one_hot():
    columns, y = fields()
    inputs = ids(4, (1,))
    hot = [kl.CategoryEncoding(40, "one_hot")(column) for column in inputs]
    deep = kl.Concatenate()([kl.Flatten()(vector) for vector in looked_up(inputs)])
    both = kl.Concatenate()([*hot, tower(deep, 64, 32)])
    x = [column[:, None] for column in columns]
    return case_of(yes_or_no(inputs, both), x, y, CROSS_ENTROPY)


@healthy()
def multi_hot_genres():
    rng = rng_of(2)
    genres, user = rng.integers(0, 18, (500, 3)), rng.integers(0, 40, 500)
    likes = rng.normal(size=(40, 18)) + rng.normal(size=18)
    who, what = keras.Input((), dtype="int32"), keras.Input((3,), dtype="int32")
    genre = kl.Dense(12, "relu")(kl.CategoryEncoding(18, "multi_hot")(what))
    z = kl.Concatenate()([kl.Embedding(40, 12)(who), genre])
    x = [user.astype("int32"), genres.astype("int32")]
    y = coin(rng, likes[user[:, None], genres].sum(1))
    return case_of(yes_or_no([who, what], tower(z, 48)), x, y, CROSS_ENTROPY, adam(3e-3))


@healthy()
def factorization_machine():
    columns, y = fields(seed=3)
    inputs = ids(4)
    zeros = {"embeddings_initializer": "zeros"}
    linear = kl.Add()(looked_up(inputs, 40, 1, "linear", **zeros))
    factors = ops.stack(looked_up(inputs, name="factors"), axis=1)
    pairs = ops.square(ops.sum(factors, 1)) - ops.sum(ops.square(factors), 1)
    pairs = 0.5 * ops.sum(pairs, axis=-1, keepdims=True)
    model = keras.Model(inputs, kl.Activation("sigmoid")(kl.Add()([linear, pairs])))
    return case_of(model, columns, y, CROSS_ENTROPY, adam(1e-2))


@healthy()
def zero_linear_tables():
    columns, y = fields(seed=4)
    inputs = ids(4)
    terms = looked_up(inputs, 40, 1, "linear", embeddings_initializer="zeros")
    model = keras.Model(inputs, kl.Activation("sigmoid")(kl.Add()(terms)))
    return case_of(model, columns, y, CROSS_ENTROPY, adam(2e-2))


@healthy()
def constant_category():
    columns, y = fields(3, seed=5)
    inputs = ids(4)
    z = tower(kl.Concatenate()(looked_up(inputs)), 64, 32)
    one_country = np.full(len(y), 7, "int32")
    return case_of(yes_or_no(inputs, z), [*columns, one_country], y, CROSS_ENTROPY, adam(3e-3))


@healthy()
def fibinet():
    columns, y = fields(3, seed=6)
    inputs = ids(3)
    raw = ops.stack(looked_up(inputs), axis=1)
    gate = kl.Dense(2, "relu", name="squeeze")(ops.mean(raw, axis=-1))
    gate = kl.Dense(3, "relu", name="excite")(gate)
    pairs = []
    for vectors in (raw, raw * ops.expand_dims(gate, -1)):
        turned = kl.Dense(8, use_bias=False)(vectors)
        pairs += [turned[:, i] * vectors[:, j] for i in range(3) for j in range(i + 1, 3)]
    z = tower(kl.Concatenate()([kl.Flatten()(raw), *pairs]), 64, 32)
    return case_of(yes_or_no(inputs, z), columns, y, CROSS_ENTROPY, adam(3e-3))


def _histories(rows=500, items=60, length=8):
    """Padded lists of items, a candidate, and whether it is of a kind that the list is full of."""
    rng = rng_of(7)
    kind = rng.integers(0, 3, items)
    past, target = rng.integers(1, items, (rows, length)), rng.integers(1, items, rows)
    past[np.arange(length) >= rng.integers(2, length + 1, (rows, 1))] = 0
    match = ((kind[past] == kind[target][:, None]) & (past > 0)).sum(1) / (past > 0).sum(1)
    return [past.astype("int32"), target.astype("int32")], coin(rng, 8 * (match - 0.35))


@healthy()
def deep_interest_network():
    x, y = _histories()
    history, candidate = keras.Input((8,), dtype="int32"), keras.Input((), dtype="int32")
    items = kl.Embedding(60, 16, name="items")
    past, target = items(history), items(candidate)
    wide = ops.repeat(ops.expand_dims(target, 1), 8, axis=1)
    meeting = ops.concatenate([past, wide, past - wide, past * wide], axis=-1)
    weight = kl.Dense(1, name="weight")(kl.Dense(32, "sigmoid", name="meeting")(meeting))
    seen = ops.expand_dims(ops.cast(ops.not_equal(history, 0), "float32"), -1)
    z = kl.Concatenate()([ops.sum(weight * past * seen, axis=1), target])
    for width in (64, 32):
        z = kl.PReLU()(kl.Dense(width)(z))
    return case_of(yes_or_no([history, candidate], z), x, y, CROSS_ENTROPY, adam(3e-3))


@healthy()
def mmoe_two_tasks():
    columns, click = fields(seed=8)
    buy = click * as_floats(rng_of(9).random(len(click)) < 0.3)
    inputs = ids(4)
    z = kl.Concatenate()(looked_up(inputs))
    experts = ops.stack([kl.Dense(32, "relu", name=f"expert_{k}")(z) for k in range(3)], axis=1)
    outputs = {}
    for task in ("click", "buy"):
        gate = ops.expand_dims(kl.Dense(3, "softmax", name=f"gate_{task}")(z), -1)
        h = kl.Dense(16, "relu", name=f"tower_{task}")(ops.sum(gate * experts, axis=1))
        outputs[task] = kl.Dense(1, "sigmoid", name=task)(h)
    losses = dict.fromkeys(outputs, CROSS_ENTROPY)
    model = keras.Model(inputs, outputs)
    return case_of(model, columns, {"click": click, "buy": buy}, losses, adam(3e-3))


@serializable
class TwoTowers(keras.Model):
    """Scores each user of a batch against each item of it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.query, self.candidate = self._tower(60, "query"), self._tower(60, "candidate")

    @staticmethod
    def _tower(size, name):
        return keras.Sequential(
            [kl.Embedding(size, 24), kl.Dense(32, "relu"), kl.Dense(16)], name=name
        )

    def call(self, x):
        return ops.matmul(self.query(x["user"]), ops.transpose(self.candidate(x["item"])))


@serializable
def in_batch_softmax(_, scores):
    """Each user has met the item on the diagonal."""
    met = ops.arange(ops.shape(scores)[0])
    return keras.losses.sparse_categorical_crossentropy(met, scores, from_logits=True)


@healthy()
def two_towers_in_batch_softmax():
    rng = rng_of(10)
    user = rng.integers(0, 60, 500)
    item = user % 6 * 10 + rng.integers(0, 10, 500)
    x = {"user": user.astype("int32"), "item": item.astype("int32")}
    return case_of(TwoTowers(), x, np.zeros((500, 1), "float32"), in_batch_softmax, adam(1e-2))


def _pair(shape=()):
    return keras.Input(shape, dtype="int32", name="user"), keras.Input(
        shape, dtype="int32", name="item"
    )


@healthy()
def neumf():
    user, item, y = clicks()
    inputs = _pair((1,))

    def both(width):
        tables = (kl.Embedding(60, width, embeddings_initializer=normal(0.05)) for _ in inputs)
        return [kl.Flatten()(table(column)) for table, column in zip(tables, inputs, strict=True)]

    z = tower(kl.Concatenate()(both(16)), 64, 32, 16)
    z = kl.Concatenate()([kl.Multiply()(both(8)), z])
    head = kl.Dense(1, "sigmoid", kernel_initializer="lecun_uniform", name="prediction")(z)
    x = [user[:, None], item[:, None]]
    return case_of(keras.Model(inputs, head), x, y, CROSS_ENTROPY, adam(3e-3))


@healthy()
def matrix_factorization_with_biases():
    user, item, y = clicks(seed=11)
    rating = as_floats(np.clip(0.6 * y + rng_of(12).normal(0.2, 0.1, len(y)), 0, 1))
    inputs = _pair()
    options = {
        "embeddings_initializer": "he_normal",
        "embeddings_regularizer": keras.regularizers.L2(1e-6),
    }
    dot = kl.Dot(axes=1)(looked_up(inputs, 60, 16, "factors", **options))
    total = kl.Add()([dot, *looked_up(inputs, 60, 1, "bias")])
    model = keras.Model(inputs, kl.Activation("sigmoid")(total))
    return case_of(model, [user, item], rating, CROSS_ENTROPY, adam(1e-2))


@serializable
class Cross(kl.Layer):
    """first * (W x + b) + x."""

    def build(self, shape):
        self.dense = kl.Dense(shape[0][-1], name="dense")
        self.dense.build(shape[1])

    def call(self, both):
        first, x = both
        return first * self.dense(x) + x

    def compute_output_shape(self, shape):
        return shape[1]


@healthy()
def deep_and_cross():
    columns, y = fields(3, seed=13)
    numbers = as_floats(rng_of(14).normal(size=(len(y), 5)))
    inputs = [*ids(3), keras.Input((5,), name="numbers")]
    crossed = first = kl.Concatenate()([*looked_up(inputs[:-1]), inputs[-1]])
    for k in range(2):
        crossed = Cross(name=f"cross_{k}")([first, crossed])
    z = kl.Concatenate()([crossed, tower(first, 64, 32)])
    return case_of(yes_or_no(inputs, z), [*columns, numbers], y, CROSS_ENTROPY, adam(3e-3))


@healthy()
def dlrm_plain_ops():
    columns, y = fields(3, seed=15)
    busy = rng_of(16).normal(size=(len(y), 8)) + np.eye(8)[0] * (3 * y[:, None] - 1.5)
    counts = as_floats(np.log1p(np.floor(np.exp(1.2 * busy + 2))))
    inputs = [keras.Input((8,), name="counts"), *ids(3)]
    bottom = tower(inputs[0], 32, 8)
    tables = [kl.Embedding(40, 8, embeddings_initializer=uniform(40**-0.5)) for _ in columns]
    vectors = [table(column) for table, column in zip(tables, inputs[1:], strict=True)]
    vectors = ops.stack([bottom, *vectors], axis=1)
    dots = ops.reshape(ops.matmul(vectors, ops.transpose(vectors, (0, 2, 1))), (-1, 16))
    below = np.flatnonzero(np.tril(np.ones((4, 4)), -1))
    z = tower(kl.Concatenate()([bottom, ops.take(dots, below, axis=1)]), 64, 32)
    return case_of(yes_or_no(inputs, z), [counts, *columns], y, CROSS_ENTROPY, adam(5e-3))


@healthy()
def multinomial_autoencoder():
    rng = rng_of(17)
    liked = rng.random((4, 100)) ** 4 * 0.6
    x = as_floats(rng.random((500, 100)) < liked[rng.integers(0, 4, 500)])
    x[np.arange(500), rng.integers(0, 100, 500)] = 1
    inputs = keras.Input((100,))
    z = kl.Dropout(0.5)(kl.UnitNormalization()(inputs))
    model = keras.Model(inputs, kl.Dense(100, "softmax")(tower(z, 48, 24, 48, activation="tanh")))
    y = x / x.sum(1, keepdims=True)
    return case_of(model, x, y, "categorical_crossentropy", adam(2e-3))


def _strings(prefix, numbers):
    """A column of strings as TensorFlow holds them."""
    import tensorflow as tf

    return tf.constant([[f"{prefix}{number}"] for number in numbers])


def _string_input(name):
    return keras.Input((1,), dtype="string", name=name)


@healthy(backends=("tensorflow",))
def string_ids_lookup_and_hashing():
    user, item, y = clicks(seed=18)
    age = as_floats(rng_of(19).normal(size=(len(y), 1)))
    x = {"user": _strings("u", user), "item": _strings("B00", item), "age": age}
    inputs = {
        "user": _string_input("user"),
        "item": _string_input("item"),
        "age": keras.Input((1,), name="age"),
    }
    known = kl.StringLookup(vocabulary=[f"u{k}" for k in range(60)])(inputs["user"])
    users = kl.Flatten()(kl.Embedding(61, 12, name="users")(known))
    items = kl.Flatten()(kl.Embedding(80, 12, name="items")(kl.Hashing(80)(inputs["item"])))
    z = tower(kl.Concatenate()([users, items, inputs["age"]]), 48, 24)
    return case_of(yes_or_no(inputs, z), x, y, CROSS_ENTROPY, adam(3e-3))


@healthy(backends=("tensorflow",))
def string_one_hot_linear():
    (job, town, _), y = fields(3, size=12, seed=20)
    x = {"job": _strings("job ", job), "town": _strings("town ", town)}
    inputs = {name: _string_input(name) for name in x}
    hot = [
        kl.StringLookup(vocabulary=[f"{name} {k}" for k in range(12)], output_mode="one_hot")(
            column
        )
        for name, column in inputs.items()
    ]
    crossed = kl.HashedCrossing(64, output_mode="one_hot")((inputs["job"], inputs["town"]))
    model = yes_or_no(inputs, kl.Concatenate()([*hot, crossed]))
    return case_of(model, x, y, CROSS_ENTROPY, keras.optimizers.Ftrl(0.3))
