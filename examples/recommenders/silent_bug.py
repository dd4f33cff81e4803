"""Tables that start equal: keras-rs draws the defaults of all `TableConfig`s from one object.

    python examples/recommenders/silent_bug.py --path u.data

User 7 and movie 7 begin as the same vector, without a warning. The linter tells it before training;
one argument for each table mends it.
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
import keras_rs
import numpy as np
from evidence import spread
from keras import layers
from rich.console import Console
from rich.table import Table

from keras_initlab import TiedEmbedding, lint

DIMENSIONS = 16
# What each start gives to the tables of users and movies; a function is called for each.
STARTS = {
    "the default, one object": {},
    "its law, an object each": {"initializer": lambda: keras.initializers.RandomUniform()},
    "TiedEmbedding, one object and seed": {"initializer": TiedEmbedding(seed=1)},
    "TiedEmbedding, one each": {"initializer": TiedEmbedding},
}


def build(data, initializer=None):
    """Factorization by keras-rs's tables: the product of two vectors and a bias of each."""
    config = keras_rs.layers
    ids = {name: keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
    features = {}
    for name, rows in zip(ids, data.vocabulary, strict=True):
        own = initializer
        if not isinstance(own, keras.initializers.Initializer | None):
            own = initializer()
        given = {} if own is None else {"initializer": own}
        table = config.TableConfig(
            name, rows, DIMENSIONS, placement="default_device", combiner="sum", **given
        )
        features[name] = config.FeatureConfig(name, table, (None,), (None, DIMENSIONS))
    found = config.DistributedEmbedding(features, name="tables")(ids)
    terms = [layers.Dot(axes=1)([found["user"], found["item"]])]
    for name, rows in zip(ids, data.vocabulary, strict=True):
        terms.append(layers.Embedding(rows, 1, "zeros", name=f"bias_{name}")(ids[name]))
    return keras.Model(ids, layers.Activation("sigmoid")(layers.Add()(terms)))


def trained(data, given, seed, epochs):
    """Findings of the linter before training, the alignment of equal ids, and the AUC after it."""
    keras.utils.set_random_seed(seed)
    model = build(data, **given)
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    user, item = (keras.ops.convert_to_numpy(each) for each in tables_of(model))
    both = min(len(user), len(item))
    cosine = np.sum(user[:both] * item[:both], 1) / (
        np.linalg.norm(user[:both], axis=1) * np.linalg.norm(item[:both], axis=1)
    )
    findings = [each for each in lint(model) if each.rule == "same-weights"]
    model.fit(data.train, data.train_y, batch_size=1024, epochs=epochs, verbose=0)
    predicted = model.predict(data.test, 8192, verbose=0)[:, 0]
    return len(findings), float(cosine.mean()), clicks.auc_of(data, predicted)


def tables_of(model):
    return [weight for weight in model.get_layer("tables").weights if weight.shape[1] == DIMENSIONS]


def by_name(data):
    """The ids under the names of the model's inputs."""
    named = [{"user": x["ids"][:, 0], "item": x["ids"][:, 1]} for x in (data.train, data.test)]
    return replace(data, train=named[0], test=named[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", help="a local copy of MovieLens: u.data or ml-100k.inter")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    data = by_name(clicks.DATA["movielens"](options.path))
    table = Table(title=f"MovieLens-100K, {options.epochs} epochs, {options.seeds} seeds")
    for title in ("start of the tables", "linter", "cosine of user k and movie k", "AUC"):
        table.add_column(title)
    for name, given in STARTS.items():
        runs = [trained(data, given, seed, options.epochs) for seed in range(options.seeds)]
        told, cosines, scores = zip(*runs, strict=True)
        findings = "same-weights" if all(told) else "-"
        table.add_row(name, findings, f"{statistics.mean(cosines):.2f}", spread(scores, 4))
    Console().print(table)


if __name__ == "__main__":
    main()
