"""Text and series models that train well, on small languages that can be learnt."""

import keras
import numpy as np
from field.cases.blocks import (
    PostNorm,
    TokenAndPosition,
    adam,
    chain,
    logits_loss,
    pre_norm,
    tower,
    yes_or_no,
)
from field.cases.data import as_floats, reviews, rng_of, walks
from field.register import case_of, healthy
from keras import layers as kl
from keras import ops

CROSS_ENTROPY = "binary_crossentropy"


def _words(length=20):
    return keras.Input((length,), dtype="int32")


@healthy()
def text_transformer():
    x, y = reviews()
    inputs = _words()
    z = PostNorm(32)(TokenAndPosition(200, 20, 32)(inputs))
    z = kl.Dropout(0.1)(kl.GlobalAveragePooling1D()(z))
    z = kl.Dropout(0.1)(kl.Dense(20, "relu")(z))
    model = keras.Model(inputs, kl.Dense(2, "softmax")(z))
    return case_of(model, x, y[:, 0].astype("int32"), "sparse_categorical_crossentropy")


@healthy()
def attention_without_dropout():
    rng = rng_of(3)
    kind = rng.integers(0, 3, 300)
    turns = (kind + 1)[:, None] * 2 * np.linspace(0, 1, 32) + rng.random((300, 1))
    x = np.sin(2 * np.pi * turns) + rng.normal(0, 0.3, (300, 32))
    inputs = keras.Input((32, 1))
    z = kl.Dense(24)(kl.Reshape((8, 4))(inputs))
    z = kl.GlobalAveragePooling1D()(kl.LayerNormalization()(pre_norm(z, heads=4)))
    model = keras.Model(inputs, kl.Dense(3, "softmax")(z))
    loss = "sparse_categorical_crossentropy"
    return case_of(model, as_floats(x[..., None]), kind.astype("int32"), loss, adam(2e-3))


@healthy()
def mini_gpt():
    x, y = walks()
    inputs = _words(16)
    z = PostNorm(32, causal=True)(TokenAndPosition(20, 16, 32)(inputs))
    return case_of(keras.Model(inputs, kl.Dense(20)(z)), x, y, logits_loss(), adam(3e-3))


@healthy()
def post_norm_encoder():
    x, y = reviews(seed=4)
    inputs = _words()
    z = kl.Embedding(200, 32)(inputs) * 32**0.5
    for _ in range(2):
        h = kl.Dropout(0.1)(kl.MultiHeadAttention(4, 8)(z, z))
        z = kl.LayerNormalization()(kl.Add()([z, h]))
        h = kl.Dropout(0.1)(kl.Dense(32)(kl.Dense(64, "relu")(z)))
        z = kl.LayerNormalization()(kl.Add()([z, h]))
    return case_of(yes_or_no(inputs, kl.GlobalMaxPooling1D()(z)), x, y, CROSS_ENTROPY)


@healthy()
def lstm_with_masking():
    x, y = reviews(seed=5)
    masked = kl.Embedding(200, 32, mask_zero=True)
    recurrent = kl.LSTM(32, dropout=0.2)
    model = keras.Sequential([_words(), masked, recurrent, kl.Dense(1, "sigmoid")])
    return case_of(model, x, y, CROSS_ENTROPY, adam(5e-3))


@healthy()
def stacked_bidirectional_lstm():
    x, y = reviews(length=8, seed=6)
    both_ways = [
        kl.Bidirectional(kl.LSTM(16, return_sequences=True)),
        kl.Bidirectional(kl.LSTM(16)),
    ]
    model = keras.Sequential([_words(8), kl.Embedding(200, 24), *both_ways, kl.Dense(1, "sigmoid")])
    return case_of(model, x, y, CROSS_ENTROPY, adam(5e-3))


@healthy()
def char_gru():
    x, y = walks(seed=7)
    model = keras.Sequential(
        [_words(16), kl.Embedding(20, 24), kl.GRU(48, return_sequences=True), kl.Dense(20)]
    )
    return case_of(model, x, y, logits_loss(), adam(5e-3))


@healthy()
def time_distributed_frames():
    rng = rng_of(8)
    rows, frames, side = 300, 5, 6
    way, line, start = (rng.integers(0, most, rows) for most in (2, side, side))
    x = rng.normal(0, 0.1, (rows, frames, side, side, 1))
    for t in range(frames):
        x[np.arange(rows), t, line, (start + (2 * way - 1) * t) % side, 0] += 1
    each = [kl.Conv2D(8, 3, padding="same", activation="relu"), kl.Flatten(), kl.Dense(24, "relu")]
    wrapped = [kl.TimeDistributed(layer) for layer in each]
    model = chain((frames, side, side, 1), *wrapped, kl.GRU(24), kl.Dense(1, "sigmoid"))
    return case_of(model, as_floats(x), as_floats(way), CROSS_ENTROPY, adam(3e-3), epochs=6)


@healthy()
def causal_convolutions_16_deep():
    rng = rng_of(9)
    turns = rng.uniform(0.7, 1.5, (200, 1)) * np.arange(25) / 4 + rng.uniform(0, 6, (200, 1))
    waves = as_floats(np.sin(turns) + rng.normal(0, 0.05, turns.shape))[..., None]
    inputs = keras.Input((24, 1))
    z = kl.Conv1D(12, 2, padding="causal")(inputs)
    for k in range(15):
        options = {"dilation_rate": 2 ** (k % 4), "kernel_initializer": "he_normal"}
        h = kl.Conv1D(12, 2, padding="causal", **options)(z)
        z = kl.ReLU()(h) if k % 2 else kl.Add()([z, kl.LayerNormalization()(h)])
    model = keras.Model(inputs, kl.Conv1D(1, 1)(z))
    return case_of(model, waves[:, :-1], waves[:, 1:], "mse", adam(5e-3))


@healthy(backends=("tensorflow",))
def text_vectorization_in_model():
    import tensorflow as tf

    words, y = reviews(length=12, seed=10)
    sentences = [[" ".join(f"w{k}" for k in row if k)] for row in words]
    vectorize = kl.TextVectorization(max_tokens=150, output_sequence_length=12)
    vectorize.adapt(tf.constant(sentences)[:, 0])
    inputs = keras.Input((1,), dtype="string")
    z = kl.Dropout(0.2)(kl.Embedding(150, 16)(vectorize(inputs)))
    model = yes_or_no(inputs, tower(kl.GlobalAveragePooling1D()(z), 16))
    return case_of(model, tf.constant(sentences), y, CROSS_ENTROPY, adam(5e-3))


@healthy()
def pretrained_word_vectors():
    x, y = reviews(seed=11)
    vectors = as_floats(rng_of(12).normal(0, 0.4, (200, 24)))
    vectors[20:40, 0] += 1
    vectors[40:60, 0] -= 1
    given = keras.initializers.Constant(vectors)
    inputs = _words()
    z = kl.Embedding(200, 24, embeddings_initializer=given, name="word_vectors")(inputs)
    features = [
        kl.GlobalMaxPooling1D()(kl.Conv1D(12, size, activation="relu")(z)) for size in (2, 3, 4)
    ]
    model = yes_or_no(inputs, kl.Dropout(0.3)(kl.Concatenate()(features)))

    def kept(model):
        held = model.get_layer("word_vectors").embeddings
        return np.array_equal(ops.convert_to_numpy(held), vectors)

    return case_of(model, x, y, CROSS_ENTROPY, adam(5e-3), kept=kept)
