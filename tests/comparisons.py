"""What other processes import: a small model, data, and callbacks that count and kill."""

import os
from pathlib import Path

import keras
import numpy as np

from keras_initlab import HeNormal, RandomNormal
from keras_initlab.model.comparing.compare import compare

EPOCHS, BATCH, STEPS = 2, 16, 5

# The last batch is smaller.
_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(STEPS * BATCH - 5, 12)).astype("float32")
Y = _RNG.normal(size=(STEPS * BATCH - 5, 1)).astype("float32")
DATA = {"x": X, "y": Y, "shuffle": False}


# To compile a step takes TensorFlow two seconds.
EAGER = keras.backend.backend() == "tensorflow"


def built():
    layers = [
        keras.Input((12,)),
        keras.layers.Dense(16, "relu", kernel_initializer=HeNormal(), name="a"),
        keras.layers.Dense(1, name="b"),
    ]
    model = keras.Sequential(layers)
    # Adam has a state of its own, which must be kept too.
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"], run_eagerly=EAGER)
    return model


def counted(path):
    """`built`, and a line in a file."""
    note(path, "built")
    return built()


def note(path, words):
    with Path(path).open("a") as file:
        file.write(f"{words}\n")


def lines_of(path):
    return Path(path).read_text().split("\n")[:-1] if Path(path).exists() else []


class Notes(keras.callbacks.Callback):
    """A line in a file at the end of each epoch."""

    def __init__(self, path):
        super().__init__()
        self.path = str(path)

    def on_epoch_end(self, epoch, logs=None):
        note(self.path, epoch)


class Ends(Notes):
    """Ends the process, or training, in the middle of an epoch; only once."""

    def __init__(self, path, after, end):
        super().__init__(path)
        self.after, self.end = after, end

    def on_train_batch_end(self, batch, logs=None):
        flag = Path(f"{self.path}.ended")
        if batch == 2 and len(lines_of(self.path)) == self.after and not flag.exists():
            flag.touch()
            self.end()


def exit_now():
    os._exit(17)


def interrupt():
    raise KeyboardInterrupt


def data_with(*callbacks):
    return {**DATA, "callbacks": list(callbacks)}


SCHEMES = {
    "as built": None,
    "he": "he_normal",
    "huge": RandomNormal(stddev=1e15),
    "broken": "no such scheme",
}
OPTIONS = {"seeds": 2, "epochs": EPOCHS, "batch_size": BATCH, "verbose": 0}
TARGET = 2.5
ONE = {**OPTIONS, "seeds": 1}


def whole(folder):
    """All schemes, two seeds, kept in a directory."""
    validation = X[:32], Y[:32]
    return compare(
        built, SCHEMES, DATA, validation_data=validation, target=TARGET, directory=folder, **OPTIONS
    )


def run_of(comparison, scheme, seed=0):
    (run,) = [each for each in comparison.runs if (each.scheme, each.seed) == (scheme, seed)]
    return run


def by_hand(seed=0, **options):
    keras.utils.set_random_seed(seed)
    model = built()
    before = model.get_weights()
    history = model.fit(**DATA, batch_size=BATCH, epochs=EPOCHS, verbose=0, **options).history
    return before, history
