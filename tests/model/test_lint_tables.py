"""The linter on tables: ids that they lack, ids that meet, rows that training never moved."""

import keras
import numpy as np
import pytest
from monitoring import TENSORFLOW

from keras_initlab import lint
from keras_initlab.tables import fill_cold_rows

ROWS, SEEN = 20, 12

in_the_model = pytest.mark.skipif(not TENSORFLOW, reason="lookups run in TensorFlow alone")


def rules_of(model, **options):
    return [finding.rule for finding in lint(model, **options)]


def read_by(*ways, rows):
    """A model whose table is read by `(lookup, number added to its ids)`."""
    inputs = [keras.Input((1,), dtype="int64") for _ in ways]
    ids = [
        lookup(tensor) + by if by else lookup(tensor)
        for tensor, (lookup, by) in zip(inputs, ways, strict=True)
    ]
    ids = keras.layers.Concatenate()(ids) if len(ids) > 1 else ids[0]
    x = keras.layers.Embedding(rows, 4, name="table")(ids)
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(x)))


def lookup_of(*words, **options):
    return keras.layers.IntegerLookup(vocabulary=list(words), **options)


@pytest.mark.parametrize(("rows", "found"), [(4, []), (3, ["id-range"])])
def test_vocabulary_that_is_longer_than_its_table_is_found(rows, found):
    assert rules_of(read_by((lookup_of(7, 8, 9), 0), rows=rows)) == found


def test_ids_shifted_beyond_the_table_are_found_with_the_size_to_write():
    [finding] = lint(read_by((lookup_of(7, 8), 0), (lookup_of(1, 2), 3), rows=5))

    assert (finding.rule, finding.layer, finding.code) == ("id-range", "table", "input_dim=6")


@pytest.mark.parametrize(("by", "found"), [(3, []), (2, ["shared-rows"]), (0, ["shared-rows"])])
def test_tokens_of_two_lookups_in_one_row_are_found(by, found):
    assert rules_of(read_by((lookup_of(7, 8), 0), (lookup_of(1, 2), by), rows=9)) == found


def test_two_lookups_of_one_vocabulary_share_rows_rightly():
    assert rules_of(read_by((lookup_of(7, 8), 0), (lookup_of(7, 8), 0), rows=3)) == []


def test_bins_of_hashes_share_rows_on_purpose():
    ways = [(keras.layers.Hashing(5, salt=salt), 0) for salt in (1, 2)]

    assert rules_of(read_by(*ways, rows=5)) == []


def clicks(optimizer, *, lookup=None, **options):
    """A trained model in which the first `SEEN` ids came, and an untouched rest."""
    ids = keras.Input((3,), dtype="int32")
    x = ids if lookup is None else lookup(ids)
    x = keras.layers.Embedding(ROWS, 4, name="items", **options)(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(ids, keras.layers.Dense(1, "sigmoid")(x))
    model.compile(optimizer, "binary_crossentropy")
    random = np.random.default_rng(0)
    # Every id comes, in batches of which the last one is smaller.
    rows = np.stack([random.permutation(SEEN)[:3] for _ in range(100)])
    model.fit(rows, random.integers(0, 2, (100, 1)), 32, 2, verbose=0)
    return model, rows


OPTIMIZERS = {
    "adam": lambda: "adam",
    "accumulated": lambda: keras.optimizers.Adam(gradient_accumulation_steps=2),
    "adagrad": lambda: "adagrad",
    "rmsprop": lambda: "rmsprop",
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rows_that_no_gradient_reached_are_found_by_what_reads_them(optimizer):
    model, rows = clicks(OPTIMIZERS[optimizer]())
    tomorrow = rows[:40].copy()
    tomorrow[:10, 1] = SEEN + 1

    assert lint(model, data=rows) == []
    assert lint(model) == []
    [finding] = lint(model, data=tomorrow)
    assert (finding.rule, finding.layer) == ("cold-rows", "items")
    assert finding.evidence.startswith("25% of 40 examples")
    assert f"{ROWS - SEEN} of {ROWS} rows" in finding.evidence


@pytest.mark.parametrize("how", ["mean", "zero"])
def test_filled_rows_are_no_longer_named(how):
    model, rows = clicks("adam")

    fill_cold_rows(model.get_layer("items"), rows, how=how)

    assert lint(model, data=np.full((8, 3), SEEN + 1)) == []


def test_an_optimizer_that_keeps_nothing_shows_no_cold_rows():
    model, _ = clicks("sgd")

    assert lint(model, data=np.full((8, 3), SEEN + 1)) == []


def test_rows_that_a_penalty_moves_are_not_cold():
    model, _ = clicks("adam", embeddings_regularizer=keras.regularizers.L2(1e-4))

    assert lint(model, data=np.full((8, 3), SEEN + 1)) == []


def test_a_model_that_is_not_trained_has_no_cold_rows():
    ids = keras.Input((3,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(ROWS, 4)(ids))
    model = keras.Model(ids, keras.layers.Dense(1)(x))
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)

    assert lint(model, data=np.full((8, 3), SEEN + 1)) == []


def test_padding_is_no_cold_row():
    model, rows = clicks("adam", mask_zero=True)
    table = model.get_layer("items").embeddings
    for kept in model.optimizer.variables:
        if kept.shape == table.shape:
            values = np.array(kept)
            values[0] = 0.0
            kept.assign(values)

    assert lint(model, data=np.where(rows == 1, 0, rows)) == []


@in_the_model
def test_the_row_of_unknown_tokens_without_a_gradient_is_found():
    # Id 0 is that of unknown tokens, and training has seen known ones alone.
    words = list(range(SEEN))
    model, _ = clicks("adam", lookup=lookup_of(*words))

    [finding] = lint(model)

    assert (finding.rule, finding.layer) == ("cold-unknown", "items")
    assert "row 0" in finding.evidence


@in_the_model
def test_unknown_tokens_in_training_leave_nothing_to_say():
    model, _ = clicks("adam", lookup=lookup_of(*range(SEEN - 2)))

    assert lint(model) == []


@in_the_model
def test_strings_and_dictionaries_are_read():
    import tensorflow as tf

    words = [f"user {place}" for place in range(6)]
    inputs = {"user": keras.Input((1,), dtype="string", name="user")}
    ids = keras.layers.StringLookup(vocabulary=words)(inputs["user"])
    x = keras.layers.Flatten()(keras.layers.Embedding(7, 4, name="users")(ids))
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(x))
    model.compile("adam", "binary_crossentropy")
    seen = np.array([[word] for word in words[:4] * 10])
    rows = tf.data.Dataset.from_tensor_slices(({"user": seen}, np.arange(40) % 2))
    model.fit(rows.batch(16), shuffle=False, verbose=0)

    found = lint(model, data={"user": np.array([[words[5]], [words[0]]])})

    assert [finding.rule for finding in found] == ["cold-unknown", "cold-rows"]
    assert found[1].evidence.startswith("50% of 2 examples")
