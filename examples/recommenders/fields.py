"""Layers that the click models share: inputs, a table for each field, a tower."""

import keras
from keras import layers

__all__ = ["inputs_of", "linear_terms", "logit_of", "tower", "vectors_of"]


def inputs_of(data):
    """The ids `(fields,)` and the numbers `(columns,)` of a row."""
    ids = keras.Input((len(data.vocabulary),), dtype="int32", name="ids")
    return ids, keras.Input((data.train["numbers"].shape[1],), name="numbers")


def vectors_of(ids, vocabulary, dimensions, initializer="uniform", name="vectors"):
    """The vector `(dimensions,)` of each field."""
    tables = [
        layers.Embedding(
            size, dimensions, embeddings_initializer=fresh(initializer), name=f"{name}_{k}"
        )
        for k, size in enumerate(vocabulary)
    ]
    return [table(ids[:, field]) for field, table in enumerate(tables)]


def linear_terms(ids, vocabulary, initializer="uniform"):
    """A number for each field, as a logistic regression has it."""
    return vectors_of(ids, vocabulary, 1, initializer, "linear")


def tower(x, sizes, initializer="glorot_uniform", name="deep"):
    """Dense ReLU layers."""
    for number, units in enumerate(sizes, 1):
        kernel = fresh(initializer)
        x = layers.Dense(units, "relu", kernel_initializer=kernel, name=f"{name}_{number}")(x)
    return x


def logit_of(x, initializer="glorot_uniform", name="output"):
    """A dense layer of one unit."""
    return layers.Dense(1, kernel_initializer=fresh(initializer), name=name)(x)


def fresh(initializer):
    """An initializer of its own for every layer: one object may draw the same numbers again."""
    return keras.initializers.get(initializer).clone()
