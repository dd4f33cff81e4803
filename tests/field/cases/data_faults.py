"""Sound models on data that nobody has looked at: scale, offset, holes, labels."""

import keras
import numpy as np
from field.cases.blocks import adam, chain, dense, looked_up, sgd, tower, yes_or_no
from field.cases.data import as_floats, pixels, rng_of, scores, table
from field.register import case_of, fault
from keras import layers as kl

DIGIT = "sparse_categorical_crossentropy"


@fault(cause="input-scale")
def pixels_into_relu():
    x, y = pixels()
    hidden = [
        kl.Dense(64, "relu", kernel_initializer="he_normal", name=name)
        for name in ("first", "second")
    ]
    model = chain((8, 8, 1), kl.Flatten(), *hidden, kl.Dense(10, "softmax", name="head"))
    return case_of(model, x, y, DIGIT, sgd(0.05), epochs=6)


@fault(cause="input-scale", where=("first", "second"))
def pixels_into_tanh():
    x, y = pixels()
    model = chain(
        *((8, 8, 1), kl.Conv2D(6, 3, activation="tanh", name="first"), kl.AveragePooling2D(2)),
        *(kl.Conv2D(16, 3, activation="tanh", name="second"), kl.Flatten()),
        *(kl.Dense(32, "tanh", name="dense"), kl.Dense(10, "softmax", name="head")),
    )
    return case_of(model, x, y, DIGIT, sgd(0.05, 0.9), epochs=6)


@fault(cause="input-scale")
def raw_house_columns():
    z, _ = table(501, 8)
    y = z[:, :1] - z[:, 1:2] * z[:, 2:3] + 0.3 * z[:, 7:]
    in_their_units = z * as_floats([1, 1, 1, 1, 30, 900, 1, 20000])
    model = chain((8,), kl.Dense(64, "relu", name="first"), kl.Dense(32, "relu"), kl.Dense(1))
    return case_of(model, in_their_units, y, "mse", epochs=10)


@fault(cause="input-scale")
def counts_into_dlrm():
    rng = rng_of(4)
    logs, keys = rng.normal(4, 2.5, (701, 6)), rng.integers(0, 50, (701, 3)).astype("int32")
    y = as_floats((logs[:, :1] - logs[:, 1:2]) / 2 + keys[:, :1] % 2 * 2 - 1 > 0)
    numbers, inputs = keras.Input((6,)), keras.Input((3,), dtype="int32")
    bottom = tower(numbers, 32, 8)
    vectors = [kl.Reshape((1, 8))(bottom), kl.Embedding(50, 8, name="table")(inputs)]
    vectors = kl.Concatenate(axis=1)(vectors)
    pairs = kl.Flatten()(kl.Dot(axes=2)([vectors, vectors]))
    model = yes_or_no([numbers, inputs], tower(kl.Concatenate()([bottom, pairs]), 32))
    counts = as_floats(np.floor(np.exp(logs)))
    return case_of(model, [counts, keys], y, "binary_crossentropy", epochs=6)


@fault(cause="input-offset")
def kelvin_into_lstm():
    z = np.cumsum(rng_of(5).normal(size=(301, 16, 2)), 1) / 3
    model = chain((16, 2), kl.LSTM(16, name="lstm"), kl.Dense(1, name="head"))
    y = as_floats(z[:, -1, :1] - z[:, 0, 1:])
    return case_of(model, as_floats(285 + 5 * z), y, "mse", adam(0.01), epochs=6)


@fault(cause="input-offset")
def all_columns_around_five():
    z, y = table()
    model = dense(3, 96, "relu", lambda: "he_normal")
    return case_of(model, 5 + 0.01 * z, y, "mse", epochs=6)


def _in_order(case):
    case.options["shuffle"] = False
    return case


@fault(cause="input-nonfinite")
def one_missing_value():
    x, _ = table(701, 12)
    y = as_floats(x[:, :1] + x[:, 1:2] > 0)
    x[655, 3] = np.nan
    model = chain((12,), kl.Dense(32, "relu"), kl.Dense(16, "relu"), kl.Dense(1, "sigmoid"))
    return _in_order(case_of(model, x, y, "binary_crossentropy"))


@fault(cause="input-nonfinite", refusal="must be finite")
def one_infinite_reading():
    x = as_floats(rng_of(8).normal(size=(301, 12, 4)))
    y = x[:, -3:, :1].sum(1)
    x[280, 9, 2] = np.inf
    model = chain((12, 4), kl.GRU(16, activation="relu", name="gru"), kl.Dense(1, name="head"))
    return _in_order(case_of(model, x, y, "mse"))


@fault(cause="label-scale")
def prices_in_dollars():
    x, y = table()
    model = dense(3, 64, "relu", lambda: "he_normal")
    return case_of(model, x, y * 1e6, "mse", sgd(0.01), epochs=5)


@fault(cause="label-scale", also=("head-loss-mismatch",))
def stars_into_cosine():
    ids, score = scores(40)
    inputs = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
    cosine = kl.Dot(1, normalize=True, name="cosine")(looked_up(inputs))
    model = keras.Model(inputs, cosine)
    return case_of(model, [*ids.T], 3 + 2 * score, "mse", adam(0.02), epochs=8)
