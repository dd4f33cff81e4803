"""A recommender that is trained every day, with new users each day: what it starts from.

    python examples/recommenders/daily.py --path u.data --picture daily.png

MovieLens-100K by time: the first half of the ratings is the past, the rest are five days. Each day
the model of the day before meets new users and movies, learns from the first seven tenths of the
day's ratings, and is scored on the rest.
"""

# isort: off
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import quiet  # noqa: F401

# isort: on
import argparse
import tempfile
import time
import warnings
from dataclasses import dataclass

import data as sources
import keras
import numpy as np
from evidence import spread
from keras import layers
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sklearn.metrics import log_loss

from keras_initlab import carry_over, initialize

DAYS, BATCH, TRAINED = 5, 256, 0.7
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(1e-3),
    "amsgrad": lambda: keras.optimizers.Adam(1e-3, amsgrad=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.05),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3),
    "ftrl": lambda: keras.optimizers.Ftrl(0.1),
}


@dataclass(frozen=True)
class Day:
    """Rows of one day and the vocabularies up to then."""

    train: np.ndarray
    test: np.ndarray
    users: np.ndarray
    items: np.ndarray
    is_new: np.ndarray


def days_of(ratings):
    """The past and five days; `is_new` marks test rows of users who came that day."""
    count = len(ratings.item)
    bounds = np.linspace(count // 2, count, DAYS + 1).astype(int)
    days = []
    for start, end in zip([0, *bounds[:-1]], bounds, strict=True):
        middle = start + int(TRAINED * (end - start))
        train, test = np.arange(start, middle), np.arange(middle, end)
        users, items = (np.unique(ids[:middle]) for ids in (ratings.user, ratings.item))
        # Whoever has no rating so far is scored by nobody.
        test = test[np.isin(ratings.user[test], users)]
        is_new = ~np.isin(ratings.user[test], ratings.user[:start])
        days.append(Day(train, test, users, items, is_new))
    return days


def built(day, optimizer):
    """Two tables and a tower, with the lookups inside."""
    inputs = [keras.Input((1,), dtype="int64", name=name) for name in ("user", "item")]
    vectors = []
    for ids, words in zip(inputs, (day.users, day.items), strict=True):
        lookup = layers.IntegerLookup(vocabulary=words, name=f"{ids.name}_lookup")
        rows = len(words) + 1
        table = layers.Embedding(rows, 16, name=f"{ids.name}_table")
        vectors.append(layers.Flatten(name=f"{ids.name}_vector")(table(lookup(ids))))
    x = layers.Concatenate(name="both")([*vectors, layers.Multiply(name="product")(vectors)])
    for number, units in enumerate((64, 32), 1):
        x = layers.Dense(units, "relu", name=f"deep_{number}")(x)
    model = keras.Model(inputs, layers.Dense(1, "sigmoid", name="output")(x), name="daily")
    model.compile(OPTIMIZERS[optimizer](), "binary_crossentropy")
    return model


def rows_of(ratings, rows):
    inputs = {"user": ratings.user[rows, None], "item": ratings.item[rows, None]}
    return inputs, (ratings.rating[rows, None] >= 4).astype("float32")


def from_scratch(old, new, seen):
    """All ratings until then, from the start."""
    initialize(new, data=seen(8192), seed=1)


def skip_mismatch(old, new, seen):
    """What Keras offers: weights that fit are loaded, and tables begin anew."""
    with tempfile.TemporaryDirectory() as folder:
        old.save_weights(f"{folder}/old.weights.h5")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            new.load_weights(f"{folder}/old.weights.h5", skip_mismatch=True)


def without_slots(old, new, seen):
    """Rows by token, and a new optimizer."""
    carry_over(old, new, optimizer=False)


def carried(old, new, seen):
    """Rows by token, and their slots."""
    carry_over(old, new)


WAYS = {
    "from scratch": from_scratch,
    "skip_mismatch": skip_mismatch,
    "carried, no slots": without_slots,
    "carried over": carried,
}


def week(ratings, days, way, optimizer, seed, told):
    """Log loss of old and new users and the seconds of every day."""
    keras.utils.set_random_seed(seed)
    model = built(days[0], optimizer)
    inputs, labels = rows_of(ratings, days[0].train)
    initialize(model, data=(inputs, labels), seed=seed)
    model.fit(inputs, labels, BATCH, epochs=3, verbose=0)
    found = []
    for day in days[1:]:
        began = time.perf_counter()
        new = built(day, optimizer)
        until = np.arange(day.train[-1] + 1)
        WAYS[way](model, new, lambda count, until=until: rows_of(ratings, until[-count:]))
        scratch = way == "from scratch"
        chosen = rows_of(ratings, until if scratch else day.train)
        new.fit(*chosen, BATCH, epochs=3 if scratch else 1, verbose=0)
        seconds = time.perf_counter() - began
        inputs, labels = rows_of(ratings, day.test)
        scores = new.predict(inputs, 8192, verbose=0)[:, 0].astype("float64")
        losses = [log_loss(labels[rows, 0], scores[rows]) for rows in (~day.is_new, day.is_new)]
        found.append([*losses, seconds])
        model = new
        told()
    return np.array(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", help="a local copy of MovieLens: u.data or ml-100k.inter")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adam")
    parser.add_argument("--picture", metavar="FILE", help="the losses of every day, as a picture")
    options = parser.parse_args()
    ratings = sources.movielens(options.path)
    days = days_of(ratings)
    runs = {}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("days", total=len(WAYS) * options.seeds * DAYS)
        for way in WAYS:
            runs[way] = np.array(
                [
                    week(
                        ratings, days, way, options.optimizer, seed, lambda: progress.advance(task)
                    )
                    for seed in range(options.seeds)
                ]
            )
    new = sum(day.is_new.sum() for day in days[1:])
    old = sum(len(day.is_new) for day in days[1:]) - new
    table = Table(title=f"{options.optimizer}, {DAYS} days, {options.seeds} seeds")
    for heading in ("start", f"old users, {old} rows", f"new users, {new} rows", "seconds a day"):
        table.add_column(heading)
    for way, found in runs.items():
        # Days are weighed alike.
        means = found.mean(axis=1).T
        table.add_row(way, *(spread(list(values), 4) for values in means[:2]), spread(means[2], 2))
    Console(width=110).print(table)
    if options.picture:
        draw(runs, options.picture)


def draw(runs, path):
    """Losses of new users and of old ones by day."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for column, (axis, who) in enumerate(zip(axes, ("old users", "new users"), strict=True)):
        for way, found in runs.items():
            axis.plot(range(1, DAYS + 1), found[:, :, column].mean(0), marker="o", label=way)
        axis.set(xlabel="day", ylabel="log loss", title=who)
    axes[1].legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
