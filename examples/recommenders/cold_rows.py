"""Ids that a table has a row for and training never saw: what they know, and `fill_cold_rows`.

    python examples/recommenders/cold_rows.py --path u.data

A tenth of the movies is taken out of the training rows. NeuMF then predicts the later ratings of
just these movies, with the random numbers that their rows began with, and with the mean of the rows
that were trained.
"""

# isort: off
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import quiet  # noqa: F401

# isort: on
import argparse
import statistics
from dataclasses import replace

import clicks
import keras
import neumf
import numpy as np
from evidence import spread
from rich.console import Console
from rich.table import Table
from sklearn.metrics import log_loss

from keras_initlab import UnitLookup, fill_cold_rows

COLD_SHARE = 0.1
# Rows of unit variance, as a normal table of an older library has them, say the most.
STARTS = ("keras", "ours", "unit variance")


def without_cold_items(data, seed):
    """The data with the training rows of some movies taken out and the test rows of them alone."""
    random = np.random.default_rng(seed)
    cold = random.random(data.vocabulary[1]) < COLD_SHARE
    cold[0] = False
    train, test = ~cold[data.train["ids"][:, 1]], cold[data.test["ids"][:, 1]]
    return replace(
        data,
        train={name: values[train] for name, values in data.train.items()},
        train_y=data.train_y[train],
        test={name: values[test] for name, values in data.test.items()},
        test_y=data.test_y[test],
    )


def started(start, data, seed):
    if start != "unit variance":
        return clicks.started(neumf, start, data, seed)
    keras.utils.set_random_seed(seed)
    model = neumf.build(data, tables=UnitLookup())
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return model


def told(start, data, seed, epochs):
    """Log loss and AUC on the cold movies, before their rows are filled and after."""
    model = started(start, data, seed)
    model.fit(data.train, data.train_y, batch_size=clicks.BATCH, epochs=epochs, verbose=0)
    found = scores(model, data)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Embedding):
            field = int(layer.name.rsplit("_", 1)[1])
            fill_cold_rows(layer, data.train["ids"][:, field])
    return (*found, *scores(model, data))


def scores(model, data):
    predicted = model.predict(data.test, 8192, verbose=0)[:, 0].astype("float64")
    return float(log_loss(data.test_y[:, 0], predicted)), clicks.auc_of(data, predicted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", help="a local copy of MovieLens: u.data or ml-100k.inter")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    data = clicks.DATA["movielens"](options.path)
    rows = []
    table = Table(title=f"movies that training never saw, {options.seeds} seeds")
    for heading in (
        "start",
        "log loss, random rows",
        "AUC",
        "log loss, filled",
        "AUC",
        "test rows",
    ):
        table.add_column(heading)
    for start in STARTS:
        runs = []
        for seed in range(options.seeds):
            part = without_cold_items(data, seed)
            rows.append(len(part.test_y))
            runs.append(told(start, part, seed, options.epochs))
        numbers = [spread(values, 4) for values in zip(*runs, strict=True)]
        table.add_row(start, *numbers, f"{statistics.mean(rows):.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
