"""Training a click model under one of three starts, and what is told of it."""

import data as sources
import keras
import numpy as np
from sklearn.metrics import log_loss, roc_auc_score
from starts import built

from keras_initlab import initialize

__all__ = ["DATA", "auc_of", "loss_of_base_rate", "started", "trained"]

DATA = {
    "movielens": lambda path: sources.movielens(path).clicks(),
    "adult": lambda path: sources.adult(),
    "clicks": lambda path: sources.click_log(100_000),
}
BATCH, CHECKS = 512, 8
# To correct the layers by, and to take the base rate from.
ROWS = 8192


def started(module, start, data, seed):
    """A model at its start."""
    model = built(module, start, data, seed)
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    if start == "ours":
        some = {name: values[:ROWS] for name, values in data.train.items()}
        initialize(model, data=(some, data.train_y[:ROWS]), seed=seed)
    return model


def trained(model, data, epochs, seed):
    """The log loss on the test rows at the start and at every check, and the AUC at the end."""
    watcher = Watcher(data, -(-len(data.train_y) // (BATCH * CHECKS)))
    keras.utils.set_random_seed(seed)
    model.fit(
        data.train, data.train_y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[watcher]
    )
    return {"steps": watcher.steps, "losses": watcher.losses, "auc": watcher.auc()}


class Watcher(keras.callbacks.Callback):
    """Scores the model on the test rows at the start and so many times an epoch."""

    def __init__(self, data, every):
        super().__init__()
        self.data, self.every = data, every
        self.steps, self.losses, self.seen = [], [], 0

    def on_train_begin(self, logs=None):
        self.score()

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen % self.every == 0:
            self.score()

    def score(self):
        self.steps.append(self.seen)
        self.losses.append(float(log_loss(self.data.test_y[:, 0], self.probabilities())))

    def auc(self):
        return auc_of(self.data, self.probabilities())

    def probabilities(self):
        # Not `predict`, which would end the training's own bookkeeping.
        inputs, size = self.data.test, 8192
        pieces = [
            self.model({name: values[k : k + size] for name, values in inputs.items()})
            for k in range(0, len(self.data.test_y), size)
        ]
        values = np.concatenate([keras.ops.convert_to_numpy(each) for each in pieces])
        return values[:, 0].astype("float64")


def auc_of(data, probabilities):
    """Area under the curve on the test rows."""
    return float(roc_auc_score(data.test_y[:, 0], probabilities))


def loss_of_base_rate(data):
    """The log loss on the test rows of whoever knows the base rate of the training rows alone."""
    rates = np.full(len(data.test_y), data.train_y.mean(dtype="float64"))
    return float(log_loss(data.test_y[:, 0], rates))
