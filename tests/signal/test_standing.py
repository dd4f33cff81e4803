"""What a layer's signal is held to, in models as others write them."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initlab import ActivationVarianceLogger, diagnose

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)


def problems(model, x, y, optimizer="adam", loss="mse", **options):
    """What the callback and `diagnose` say: rule, what and layers."""
    model.compile(optimizer, loss, run_eagerly=True)
    logger = ActivationVarianceLogger(update_freq=5, on_problem=None, verbose=0)
    report = diagnose(model, (x, y))
    model.fit(x, y, batch_size=24, epochs=3, verbose=0, callbacks=[logger], **options)
    found = [*report.problems, *logger.report.problems]
    assert logger.looks
    return sorted({(problem.rule, problem.what, problem.layers) for problem in found})


def of_tokens(length=12, words=50, count=100):
    ids = RNG.integers(0, words, (count, length))
    return ids, (ids[:, :1] % 2).astype("float32")


def test_attention_with_keras_defaults_is_healthy():
    ids, y = of_tokens()
    inputs = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 32)(inputs)
    for _ in range(2):
        mixed = layers.MultiHeadAttention(4, 8, dropout=0.1)(x, x)
        x = layers.LayerNormalization()(x + mixed)
        x = layers.LayerNormalization()(x + layers.Dense(32)(layers.Dense(64, "relu")(x)))
    outputs = layers.Dense(1, "sigmoid")(layers.GlobalAveragePooling1D()(x))

    assert problems(keras.Model(inputs, outputs), ids, y, loss="binary_crossentropy") == []


def test_attention_written_with_operations_is_healthy():
    ids, y = of_tokens()
    inputs = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 32)(inputs)
    query, key, value = (layers.Dense(32, name=name)(x) for name in ("q", "k", "v"))
    scores = ops.matmul(query, ops.transpose(key, (0, 2, 1))) / 32**0.5
    mixed = ops.matmul(layers.Softmax()(scores), value)
    outputs = layers.Dense(1, "sigmoid")(layers.GlobalMaxPooling1D()(layers.Dense(32)(mixed)))

    assert problems(keras.Model(inputs, outputs), ids, y, loss="binary_crossentropy") == []


def test_raw_features_before_a_norm_are_healthy():
    x = RNG.normal(size=(100, 3)) * [300.0, 40.0, 30.0] + [1e3, 0.0, 50.0]
    model = keras.Sequential([keras.Input((3,))])
    for _ in range(2):
        model.add(layers.Dense(32))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.add(layers.Dense(1))

    assert problems(model, x.astype("float32"), np.sign(x[:, 1:2])) == []


@pytest.mark.parametrize(("scale", "optimizer"), [(0.0, "adam"), (1e-4, "sgd")])
def test_branches_that_begin_shut_are_healthy(scale, optimizer):
    class LayerScale(layers.Layer):
        def build(self, shape):
            self.gamma = self.add_weight((shape[-1],), keras.initializers.Constant(scale))

        def call(self, x):
            return self.gamma * x

    inputs = keras.Input((8,))
    x = layers.Dense(32)(inputs)
    for _ in range(3):
        inner = layers.Dense(64, "gelu")(layers.LayerNormalization()(x))
        x = x + LayerScale()(layers.Dense(32)(inner))
    model = keras.Model(inputs, layers.Dense(1)(x))
    data = RNG.normal(size=(100, 8)).astype("float32")

    assert problems(model, data, data[:, :1], optimizer) == []


def test_gates_and_one_hot_columns_are_healthy():
    ids, y = of_tokens(length=1, words=40)
    inputs = keras.Input((1,), dtype="int32")
    one_hot = layers.CategoryEncoding(40, output_mode="one_hot")(inputs)
    x = layers.Dense(16, "relu")(one_hot)
    gate = layers.Dense(16, "sigmoid")(layers.Dense(8, "relu")(x))
    outputs = layers.Dense(1, "sigmoid")(layers.Multiply()([x, gate]))

    assert problems(keras.Model(inputs, outputs), ids, y, loss="binary_crossentropy") == []


def test_zero_linear_tables_and_constant_columns_are_healthy():
    class Table(layers.Embedding):
        pass

    ids, y = of_tokens(length=2)
    ids[:, 1] = 0
    inputs = keras.Input((2,), dtype="int32")
    wide = layers.Flatten()(layers.Embedding(50, 1, embeddings_initializer="zeros")(inputs))
    sides = [layers.Flatten()(Table(50, 8)(inputs[:, k : k + 1])) for k in range(2)]
    deep = layers.Dense(16, "relu")(layers.Concatenate()(sides))
    linear = layers.Add()([wide[:, :1], wide[:, 1:]])
    outputs = layers.Activation("sigmoid")(layers.Add()([linear, layers.Dense(1)(deep)]))

    assert problems(keras.Model(inputs, outputs), ids, y, loss="binary_crossentropy") == []


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("normed_first", [False, True])
def test_signal_that_dies_in_a_plain_stack_is_still_named(activation, normed_first):
    small = keras.initializers.RandomNormal(0, 0.01, seed=1)
    model = keras.Sequential([keras.Input((16,))])
    if normed_first:
        model.add(layers.BatchNormalization())
    for place in range(8):
        model.add(layers.Dense(32, activation, kernel_initializer=small, name=f"deep_{place}"))
    model.add(layers.Dense(1))
    x = RNG.normal(size=(100, 16)).astype("float32")

    found = problems(model, x, x[:, :1])

    assert any(
        rule == "vanishing" and what == "activations" and names[-1] == "deep_7"
        for rule, what, names in found
    )


def test_branch_that_dies_beside_a_healthy_one_is_named_alone():
    inputs = keras.Input((16,))
    x = inputs
    for place in range(5):
        small = keras.initializers.RandomNormal(0, 0.01, seed=place)
        x = layers.Dense(32, "relu", kernel_initializer=small, name=f"deep_{place}")(x)
    beside = layers.Dense(32, "relu", name="beside")(inputs)
    outputs = layers.Dense(1)(layers.Concatenate()([x, beside]))
    data = RNG.normal(size=(100, 16)).astype("float32")

    found = problems(keras.Model(inputs, outputs), data, data[:, :1])

    assert found
    assert not any("beside" in names for _, _, names in found)


@pytest.mark.parametrize("attention", [layers.Attention, layers.AdditiveAttention])
def test_projections_before_attention_may_have_a_gradient_next_to_nothing(attention):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    read, said = keras.Input((6,), dtype="int32"), keras.Input((7,), dtype="int32")
    small = keras.initializers.RandomNormal(stddev=1e-3, seed=1)
    memory, state = (layers.Embedding(13, 24, small)(ids) for ids in (read, said))
    query, keys = (layers.Dense(24, use_bias=False, name=name) for name in ("query", "keys"))
    context = attention()([query(state), memory, keys(memory)])
    outputs = layers.Dense(13)(layers.Concatenate()([context, state]))
    model = keras.Model([read, said], outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(8e-3), loss)
    logger = ActivationVarianceLogger(update_freq=5, on_problem=None, verbose=0)

    x = [rng.integers(0, 13, (300, length)) for length in (6, 7)]
    model.fit(x, x[1], batch_size=64, epochs=2, verbose=0, callbacks=[logger])

    assert logger.report.problems == ()
