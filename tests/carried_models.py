"""Small models with tables, trained by given gradients, for the tests of `carry_over`."""

import zlib

import keras
import numpy as np
from keras import layers

DIMENSIONS = 4


def values(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def model_of(rows, optimizer=None, **arguments):
    """Raw ids, a table, a score."""
    ids = keras.Input((1,), dtype="int32", name="ids")
    x = layers.Embedding(rows, DIMENSIONS, name="users", **arguments)(ids)
    x = layers.Flatten(name="flat")(x)
    model = keras.Model(ids, layers.Dense(1, name="score")(x))
    if optimizer is not None:
        model.compile(optimizer, "mse")
    return model


def gradients_of(model, tokens, seed, silent=()):
    """Gradients that depend on the token, not on the row."""
    found = []
    for number, variable in enumerate(model.trainable_variables):
        shape = tuple(variable.shape)
        random = np.random.default_rng([seed, number])
        if number:
            found.append(random.normal(size=shape))
            continue
        table = np.zeros(shape)
        for row, token in enumerate(tokens):
            own = np.random.default_rng([seed, zlib.crc32(str(token).encode())])
            table[row] = 0 if token in silent else own.normal(size=shape[1:])
        found.append(table)
    return [keras.ops.convert_to_tensor(each, "float32") for each in found]


def trained(model, tokens, steps=3, silent=(), start=0):
    """The model after some updates; tokens that are silent have no gradient."""
    scale = float(getattr(model.optimizer, "initial_scale", 1.0))
    for seed in range(start, start + steps):
        gradients = [scale * each for each in gradients_of(model, tokens, seed, silent)]
        model.optimizer.apply(gradients, model.trainable_variables)
    return model


def by_token(model, tokens):
    """The table's rows."""
    table = values(model.get_layer("users").embeddings)
    return {token: table[row] for row, token in enumerate(tokens)}


def all_numbers(model):
    return [values(variable) for variable in [*model.variables, *model.optimizer.variables]]
