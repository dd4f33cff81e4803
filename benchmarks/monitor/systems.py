"""The models that are trained, each on one batch again and again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

TABLE_ROWS = 50_000


@dataclass(frozen=True)
class System:
    """A compiled model and its batch."""

    model: keras.Model
    x: Any
    y: np.ndarray

    def feed(self) -> Any:
        """The batch without end, at the least cost that the backend's `fit` allows."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            return tf.data.Dataset.from_tensors((self.x, self.y)).repeat()
        return self._batches()

    def _batches(self) -> Iterator[tuple]:
        while True:
            yield self.x, self.y


def mlp(batch: int = 1024) -> System:
    """8 hidden layers of 256 units on 256 floats and a looked-up vector."""
    floats, ids = keras.Input((256,)), keras.Input((), dtype="int32")
    vectors = layers.Embedding(TABLE_ROWS, 16)(ids)
    hidden = layers.Concatenate()([floats, vectors])
    for _ in range(8):
        hidden = layers.Dense(256, "relu")(hidden)
    model = keras.Model([floats, ids], layers.Dense(1)(hidden))
    model.compile("sgd", "mse")
    generator = np.random.default_rng(0)
    x = (
        generator.normal(size=(batch, 256)).astype("float32"),
        generator.integers(TABLE_ROWS, size=batch).astype("int32"),
    )
    return System(model, x, generator.normal(size=(batch, 1)).astype("float32"))


def cnn(batch: int = 64) -> System:
    """3 convolutions and 2 dense layers on images of 32 x 32 x 3."""
    images = keras.Input((32, 32, 3))
    hidden = layers.Conv2D(16, 3, padding="same", activation="relu")(images)
    hidden = layers.MaxPooling2D()(hidden)
    hidden = layers.Conv2D(32, 3, padding="same", activation="relu")(hidden)
    hidden = layers.MaxPooling2D()(hidden)
    hidden = layers.Conv2D(32, 3, padding="same", activation="relu")(hidden)
    hidden = layers.Dense(64, "relu")(layers.Flatten()(hidden))
    model = keras.Model(images, layers.Dense(10)(hidden))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    generator = np.random.default_rng(0)
    x = generator.normal(size=(batch, 32, 32, 3)).astype("float32")
    return System(model, x, generator.integers(10, size=(batch, 1)).astype("int32"))


def small(batch: int = 32) -> System:
    """3 hidden layers of 64 units: of its short step the callback takes the largest share."""
    floats = hidden = keras.Input((16,))
    for _ in range(3):
        hidden = layers.Dense(64, "relu")(hidden)
    model = keras.Model(floats, layers.Dense(1)(hidden))
    model.compile("adam", "mse")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(batch, 16)).astype("float32")
    return System(model, x, generator.normal(size=(batch, 1)).astype("float32"))


SYSTEMS = {"mlp": mlp, "small": small, "cnn": cnn}
