"""Tables are held to their variance on the rows that a batch looks up."""

import keras
import keras_rs
import numpy as np
import pytest
from chains import PERCENT, RNG
from keras import layers as kl

from keras_initlab import initialize


@pytest.mark.parametrize("labels", [False, True])
def test_tables_are_corrected_by_the_ids_of_the_batch(labels):
    ids = {name: keras.Input((6,), dtype="int32", name=name) for name in ("often", "padded")}
    tables = [
        kl.Embedding(5, 16, name="table_often"),
        kl.Embedding(40, 16, mask_zero=True, name="table_padded"),
    ]
    vectors = [table(tensor) for table, tensor in zip(tables, ids.values(), strict=True)]
    x = kl.Concatenate()([kl.GlobalAveragePooling1D()(vector) for vector in vectors])
    x = kl.Dense(64, "relu", name="h")(x)
    model = keras.Model(ids, kl.Dense(1, "sigmoid", name="out")(x))
    model.compile("sgd", "binary_crossentropy")
    batch = {
        # Nine of ten ids are the same: its row weighs most.
        "often": np.where(RNG.random((64, 6)) < 0.9, 0, RNG.integers(0, 5, (64, 6))),
        "padded": RNG.integers(1, 40, (64, 6)),
    }
    batch["padded"][:, 4:] = 0
    target = 0.05**2 / 16 if labels else 1 / 16

    data = (batch, RNG.integers(0, 2, (64, 1))) if labels else batch
    report = initialize(model, data=data, seed=1)

    found = {layer.name: layer.variance for layer in report.layers}
    often, padded = (np.array(table.embeddings) for table in tables)
    by_hand = {
        "table_often": often[batch["often"]].var(),
        "table_padded": padded[batch["padded"][:, :4]].var(),
    }
    for name, variance in by_hand.items():
        assert abs(variance / target - 1) < PERCENT
        assert abs(found[name] / target - 1) < PERCENT
    # What stays of it are the numbers of the scheme, all times the same.
    assert abs(np.std(padded) / np.sqrt(target) - 1) < 5 / np.sqrt(2 * padded.size)


def test_shared_table_is_held_to_the_mean_of_its_calls():
    ids = [keras.Input((), dtype="int32") for _ in range(2)]
    table = kl.Embedding(20, 8, name="table")
    model = keras.Model(ids, kl.Dense(1)(kl.Concatenate()([table(column) for column in ids])))
    batch = [RNG.integers(0, 4, 64), RNG.integers(4, 20, 64)]

    initialize(model, data=batch, seed=1)

    rows = np.array(table.embeddings)
    mean = (rows[batch[0]].var() + rows[batch[1]].var()) / 2
    assert abs(mean / (1 / 8) - 1) < PERCENT


@pytest.mark.parametrize("combiner", ["mean", "sum", "sqrtn"])
def test_bags_are_corrected_after_they_are_combined(combiner):
    inputs = keras.Input((10,), dtype="int32")
    x = keras_rs.layers.EmbedReduce(40, 16, combiner=combiner, name="bag")(inputs)
    model = keras.Model(inputs, kl.Dense(1)(x))
    batch = RNG.integers(0, 8, (64, 10))

    initialize(model, data=batch, seed=1)

    bags = keras.ops.convert_to_numpy(model.get_layer("bag")(batch)).astype("float64")
    assert abs(bags.var() * 16 - 1) < PERCENT


def test_table_of_a_linear_term_stays_zero():
    ids = keras.Input((3,), dtype="int32")
    model = keras.Model(ids, keras.ops.sum(kl.Embedding(10, 1, name="table")(ids), axis=1))

    report = initialize(model, data=RNG.integers(0, 10, (8, 3)), seed=1)

    assert not np.array(model.get_layer("table").embeddings).any()
    assert not report.changes[0].reason
