"""Models that train, built or fed in ways that a tool tends to forget."""

import keras
import numpy as np
from field.cases.blocks import adam, chain, logits_loss, serializable
from field.cases.data import as_floats, digits, rng_of
from field.register import Case, case_of, odd
from keras import layers as kl
from keras import ops


def _hidden():
    return kl.Dense(64, "relu", name="first"), kl.Dense(64, "relu", name="second")


def _classifier():
    return chain((64,), *_hidden(), kl.Dense(10, name="logits"))


def _on_digits(model, rows=300, rate=3e-3, **options):
    x, y = digits(rows, (64,))
    return case_of(model, x, y, logits_loss(), adam(rate), **options)


@serializable
class Ratings(keras.Model):
    """Has no weights before it sees a batch."""

    def __init__(self, **options):
        super().__init__(**options)
        self.users, self.items = (
            kl.Embedding(80, 8, name="users"),
            kl.Embedding(60, 8, name="items"),
        )
        self.hidden, self.rating = kl.Dense(32, "relu", name="hidden"), kl.Dense(1, name="rating")

    def call(self, x):
        z = ops.concatenate([self.users(x["user"]), self.items(x["item"])], axis=-1)
        return self.rating(self.hidden(z))


@odd()
def subclassed_unbuilt_with_tables():
    rng = rng_of(0)
    x = {
        "user": rng.integers(0, 80, 500).astype("int32"),
        "item": rng.integers(0, 60, 500).astype("int32"),
    }
    y = rng.normal(size=80)[x["user"]] + rng.normal(size=60)[x["item"]] + 3
    return case_of(Ratings(), x, as_floats(y)[:, None], "mse", adam(1e-2))


@odd()
def sequential_unbuilt():
    return _on_digits(keras.Sequential([*_hidden(), kl.Dense(10)]))


@serializable
class WithSorted(kl.Layer):
    """Its inputs and the same sorted, by NumPy: no gradient comes back."""

    def call(self, x):
        import tensorflow as tf

        both = tf.numpy_function(lambda a: np.concatenate([a, np.sort(a)], 1), [x], tf.float32)
        both.set_shape((x.shape[0], 2 * x.shape[1]))
        return both

    def compute_output_shape(self, shape):
        return shape[0], 2 * shape[1]


@odd(backends=("tensorflow",))
def numpy_function_layer():
    inputs = keras.Input((64,))
    z = kl.Dense(64, "relu")(WithSorted()(inputs))
    return _on_digits(keras.Model(inputs, kl.Dense(10)(z)))


@odd()
def multi_output_dict():
    x, y = digits(shape=(64,))
    inputs = keras.Input((64,))
    z = kl.Dense(64, "relu")(inputs)
    heads = {"digit": (10, "softmax"), "even": (1, "sigmoid"), "ink": (1, None)}
    outputs = {name: kl.Dense(*head, name=name)(z) for name, head in heads.items()}
    losses = ("sparse_categorical_crossentropy", "binary_crossentropy", "mse")
    model = keras.Model(inputs, outputs)
    model.compile(
        adam(3e-3),
        dict(zip(heads, losses, strict=True)),
        loss_weights={"digit": 1.0, "even": 0.5, "ink": 0.1},
    )
    ink = x.mean(1, keepdims=True)
    even = as_floats(y % 2 == 0)[:, None]
    labels = {"digit": y, "even": even, "ink": (ink - ink.mean()) / ink.std()}
    return Case(model, x, labels, {"epochs": 3, "batch_size": 32})


@odd()
def mixed_float16():
    x, y = digits()
    half = {"dtype": "mixed_float16"}
    convolution = kl.Conv2D(16, 3, activation="relu", **half)
    hidden = kl.Dense(64, "relu", **half)
    softmax = kl.Activation("softmax", dtype="float32")
    model = chain((8, 8, 1), convolution, kl.Flatten(**half), hidden, kl.Dense(10, **half), softmax)
    optimizer = keras.optimizers.LossScaleOptimizer(adam(3e-3), initial_scale=1024.0)
    return case_of(model, x, y, "sparse_categorical_crossentropy", optimizer)


@odd()
def lora_enabled():
    model = _classifier()
    for name in ("first", "second"):
        model.get_layer(name).enable_lora(rank=8)
    return _on_digits(model, rate=1e-2)


@odd()
def batch_of_one_at_the_end():
    return _on_digits(_classifier(), rows=9 * 32 + 1)


@odd()
def tf_data_without_drop_remainder():
    import tensorflow as tf

    x, y = digits(shape=(64,))
    rows = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(300, seed=4).batch(48).prefetch(2)
    model = _on_digits(_classifier()).model
    return Case(model, rows, options={"epochs": 3}, inputs=x[:8])


@odd()
def dataset_of_unknown_cardinality():
    import tensorflow as tf

    x, y = digits(shape=(64,))

    def batches():
        for start in range(0, len(x), 32):
            yield x[start : start + 32], y[start : start + 32]

    signature = tf.TensorSpec((None, 64), tf.float32), tf.TensorSpec((None,), tf.int32)
    stream = tf.data.Dataset.from_generator(batches, output_signature=signature)
    stream = stream.filter(lambda rows, labels: tf.shape(rows)[0] > 0)
    return Case(_on_digits(_classifier()).model, stream, options={"epochs": 3}, inputs=x[:8])


class Weighted(keras.utils.PyDataset):
    """Batches of 32 with a weight for each row."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.x) // 32)

    def __getitem__(self, k):
        part = slice(32 * k, 32 * k + 32)
        return self.x[part], self.y[part], as_floats(np.where(self.y[part] < 5, 1, 0.5))


@odd()
def pydataset_with_weights():
    x, y = digits(shape=(64,))
    model = _on_digits(_classifier()).model
    return Case(model, Weighted(x, y), options={"epochs": 3, "shuffle": False}, inputs=x[:8])


@odd()
def frozen_base_new_head():
    x, y = digits(shape=(64,))
    base = chain((64,), *_hidden())
    base.name = "base"
    before = chain((64,), base, kl.Dense(1, "sigmoid"))
    before.compile(adam(3e-3), "binary_crossentropy")
    before.fit(x, as_floats(y > 4)[:, None], verbose=0)
    base.trainable = False
    trained = base.get_weights()
    inputs = keras.Input((64,))
    model = keras.Model(inputs, kl.Dense(10)(base(inputs, training=False)))

    def kept(model):
        held = model.get_layer("base").get_weights()
        return all(np.array_equal(*pair) for pair in zip(held, trained, strict=True))

    return _on_digits(model, rate=1e-2, kept=kept)


@odd()
def one_unit_linear_regression():
    x = as_floats(np.linspace(-1, 1, 301))[:, None]
    return case_of(chain((1,), kl.Dense(1)), x, 2 * x + 1, "mse", keras.optimizers.SGD(0.1))


@odd()
def eager_with_class_weights():
    x, y = digits(200, (64,))
    model = _classifier()
    optimizer = keras.optimizers.Adam(3e-3, clipnorm=1.0)
    model.compile(optimizer, logits_loss(), metrics=["accuracy"], run_eagerly=True)
    weights = {digit: 1.0 + (digit == 3) for digit in range(10)}
    options = {"epochs": 3, "batch_size": 32, "class_weight": weights, "validation_split": 0.2}
    return Case(model, x, y, options)
