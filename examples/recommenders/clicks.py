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
    """What `Watcher` has seen, and the check whose loss on the held rows is the lowest.

    The last tenth of the training rows is held back for that: nothing is chosen by the test.
    """
    fitted = len(data.train_y) * 9 // 10
    watcher = Watcher(data, fitted, -(-fitted // (BATCH * CHECKS)))
    rows = {name: values[:fitted] for name, values in data.train.items()}
    keras.utils.set_random_seed(seed)
    model.fit(rows, data.train_y[:fitted], BATCH, epochs=epochs, verbose=0, callbacks=[watcher])
    best = int(np.argmin(watcher.held))
    return {"steps": watcher.steps, "losses": watcher.losses, "aucs": watcher.aucs, "best": best}


class Watcher(keras.callbacks.Callback):
    """Scores the model at the start and so many times an epoch.

    The log loss on the held rows, from `fitted` on, and log loss and AUC on the test rows.
    """

    def __init__(self, data, fitted, every):
        super().__init__()
        self.data, self.fitted, self.every = data, fitted, every
        self.steps, self.held, self.losses, self.aucs, self.seen = [], [], [], [], 0

    def on_train_begin(self, logs=None):
        self.score()

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen % self.every == 0:
            self.score()

    def score(self):
        data, held = self.data, slice(self.fitted, None)
        rows = {name: values[held] for name, values in data.train.items()}
        predicted = self.probabilities(data.test)
        self.steps.append(self.seen)
        self.held.append(float(log_loss(data.train_y[held, 0], self.probabilities(rows))))
        self.losses.append(round(float(log_loss(data.test_y[:, 0], predicted)), 6))
        self.aucs.append(round(auc_of(data, predicted), 6))

    def probabilities(self, inputs, size=8192):
        # Not `predict`, which would end the training's own bookkeeping.
        pieces = [
            self.model({name: values[k : k + size] for name, values in inputs.items()})
            for k in range(0, len(inputs["ids"]), size)
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
