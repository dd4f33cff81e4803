"""Real images that install offline, and training on them until they are told apart."""

import functools
import gzip
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits

__all__ = ["Images", "digits", "fashion", "fitted", "train"]

# Where Debian's package `dataset-fashion-mnist` puts it.
FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class Images:
    """Flat, standardized images `(rows, pixels)` and classes `(rows,)`."""

    name: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@functools.cache
def digits() -> Images:
    """Scikit-learn's digits: 8 x 8 pixels, 1,437 rows to train and 360 to test."""
    x, y = load_digits(return_X_y=True)
    return split("digits", x, y, 1437)


@functools.cache
def fashion(rows: int = 10_000) -> Images | None:
    """Fashion-MNIST: 28 x 28 pixels; None where Debian's package is not installed."""
    if not FASHION.exists():
        return None
    x, y = (
        np.frombuffer(gzip.decompress((FASHION / name).read_bytes()), np.uint8, offset=skip)
        for name, skip in (("train-images-idx3-ubyte.gz", 16), ("train-labels-idx1-ubyte.gz", 8))
    )
    return split("Fashion-MNIST", x.reshape(-1, 784)[: 2 * rows], y[: 2 * rows], rows)


def split(name: str, x: np.ndarray, y: np.ndarray, rows: int) -> Images:
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype("float32"), y[order].astype("int32")
    center, spread = x[:rows].mean(0), x[:rows].std(0)
    x = (x - center) / np.maximum(spread, 0.01 * spread.max())
    # The mean square of a pixel is 1, also where many pixels never change.
    x /= np.sqrt(np.mean(x[:rows] ** 2))
    return Images(name, x[:rows], y[:rows], x[rows:], y[rows:])


class Until(keras.callbacks.Callback):
    """Stops as soon as a training accuracy is reached, or a loss is not a number."""

    def __init__(self, accuracy):
        super().__init__()
        self.accuracy, self.epoch = accuracy, None

    def on_epoch_end(self, epoch, logs=None):
        reached = logs["accuracy"] >= self.accuracy
        if reached:
            self.epoch = epoch + 1
        if reached or not np.isfinite(logs["loss"]):
            self.model.stop_training = True


def fitted(model, images, optimizer, **options):
    """Compile and train, with the options of `train`."""
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return train(model, images, **options)


def train(model, images, *, epochs, accuracy=0.9, seed=0, batch_size=64, shape=(-1,)):
    """The epoch in which the accuracy is reached, or None, and the last accuracy and loss."""
    until = Until(accuracy)
    keras.utils.set_random_seed(seed)
    history = model.fit(
        images.train_x.reshape(len(images.train_x), *shape),
        images.train_y,
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=[until],
    ).history
    return {
        "epoch": until.epoch,
        "accuracy": float(history["accuracy"][-1]),
        "loss": float(history["loss"][-1]),
    }
