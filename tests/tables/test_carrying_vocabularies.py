"""Which row is which: found in the graph where that is certain, asked for everywhere else."""

import keras
import numpy as np
import pytest
from carried_models import DIMENSIONS, by_token, model_of, values
from keras import layers

from keras_initlab import carry_over

pytestmark = pytest.mark.once

OLD, NEW = ["ann", "bob", "cat"], ["cat", "dan", "ann", "eve"]


def lookup_of(words, name="lookup", **arguments):
    return layers.StringLookup(vocabulary=words, name=name, **arguments)


def table_of(rows, name="users"):
    return layers.Embedding(rows, DIMENSIONS, name=name)


def looked_up(words, *, between=lambda ids: ids, **arguments):
    """Words, a lookup, a table."""
    inputs = keras.Input((2,), dtype="string", name="words")
    lookup = lookup_of(words, **arguments)
    return keras.Model(inputs, table_of(lookup.vocabulary_size())(between(lookup(inputs))))


def rows_of(model, name="users"):
    return values(model.get_layer(name).embeddings)


def marked(model, name="users"):
    """The model with the number of each row in its table."""
    table = model.get_layer(name).embeddings
    numbers = np.arange(table.shape[0], dtype="float32")[:, None]
    table.assign(np.broadcast_to(numbers, tuple(table.shape)))
    return model


def check_refused(old, new, *texts, **arguments):
    """An error that says all of this, and changes nothing."""
    before = [values(weight) for weight in new.weights]

    with pytest.raises(ValueError, match=r"(?s)") as caught:
        carry_over(old, new, **arguments)

    for text in texts:
        assert text in str(caught.value)
    for was, weight in zip(before, new.weights, strict=True):
        np.testing.assert_array_equal(was, values(weight))


# --- certain -----------------------------------------------------------------------------------

SHAPING = {
    "none": lambda ids: ids,
    "reshape": lambda ids: layers.Reshape((1, 2))(ids),
    "slices": lambda ids: keras.ops.stack([ids[:, 0], ids[:, 1]], 1),
    "cast": lambda ids: keras.ops.cast(ids, "int32"),
    "joined": lambda ids: layers.Concatenate()([ids, layers.Flatten()(ids)]),
    "repeated": lambda ids: layers.RepeatVector(2)(ids),
}


@pytest.mark.parametrize("between", SHAPING.values(), ids=SHAPING)
def test_lookup_is_found_through_operations_of_shape(between):
    old, new = (looked_up(words, between=between) for words in (OLD, NEW))

    told = carry_over(marked(old), new)

    assert (rows_of(new)[[0, 1, 3], 0] == [0, 3, 1]).all()
    assert (told.tables[0].kept, told.tables[0].new, told.tables[0].dropped) == (3, 2, 1)


@pytest.mark.parametrize("arguments", [{"num_oov_indices": 3}, {"mask_token": ""}])
def test_rows_of_unknown_tokens_and_of_the_mask_are_kept(arguments):
    old, new = (looked_up(words, **arguments) for words in (OLD, NEW))

    carry_over(marked(old), new)

    first = 3 if "num_oov_indices" in arguments else 2
    expected = [*range(first), first + 2, first]
    assert rows_of(new)[[*range(first), first, first + 2], 0].tolist() == expected


def test_mask_that_is_new_has_a_new_row():
    old, new = looked_up(OLD), looked_up(NEW, mask_token="")

    told = carry_over(marked(old), new)

    assert rows_of(new)[[1, 2, 4], 0].tolist() == [0, 3, 1]
    assert told.tables[0].new == 3


def test_integers_are_tokens_too():
    def build(words):
        inputs = keras.Input((1,), dtype="int64")
        lookup = layers.IntegerLookup(vocabulary=words)
        return keras.Model(inputs, table_of(len(words) + 1)(lookup(inputs)))

    old, new = build([7, 900, 4]), build([900, 5, 7])

    carry_over(marked(old), new)

    assert rows_of(new)[[0, 1, 3], 0].tolist() == [0, 2, 1]


def test_lookup_outside_a_nested_model_is_found():
    def build(words):
        ids = keras.Input((1,), dtype="int64")
        tower = keras.Model(ids, table_of(len(words) + 1)(ids), name="tower")
        inputs = keras.Input((1,), dtype="string")
        return keras.Model(inputs, tower(lookup_of(words)(inputs)))

    old, new = build(OLD), build(NEW)
    marked(old.get_layer("tower"))

    carry_over(old, new)

    assert rows_of(new.get_layer("tower"))[[0, 1, 3], 0].tolist() == [0, 3, 1]


def test_shared_table_of_one_vocabulary_is_certain():
    def build(words):
        one, two = (keras.Input((1,), dtype="string") for _ in range(2))
        table, lookup = table_of(len(words) + 1), lookup_of(words)
        joined = layers.Concatenate()([table(lookup(one)), table(lookup_of(words, "b")(two))])
        return keras.Model([one, two], joined)

    old, new = build(OLD), build(NEW)

    carry_over(marked(old), new)

    assert rows_of(new)[[1, 3], 0].tolist() == [3, 1]


def test_rows_beyond_the_vocabulary_move_in_order():
    def build(words):
        inputs = keras.Input((1,), dtype="string")
        return keras.Model(inputs, table_of(10)(lookup_of(words)(inputs)))

    old = marked(build(OLD))

    carry_over(old, old_again := build(OLD))
    carry_over(old, new := build(NEW))

    np.testing.assert_array_equal(rows_of(old_again), rows_of(old))
    assert rows_of(new)[[1, 3], 0].tolist() == [3, 1]


# --- named -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pair",
    [
        (OLD, NEW),
        (np.array(OLD), np.array(NEW)),
        ([b"ann", b"bob", b"cat"], NEW),
        (lookup_of(OLD, num_oov_indices=0), lookup_of(NEW, num_oov_indices=0)),
    ],
    ids=["lists", "arrays", "bytes", "lookups"],
)
def test_vocabularies_are_given_as_a_pair(pair):
    old, new = marked(model_of(3)), model_of(4)

    carry_over(old, new, vocabularies={"users": pair})

    assert rows_of(new)[[0, 2], 0].tolist() == [2, 0]


def test_one_vocabulary_stands_for_both():
    old, new = marked(model_of(4)), model_of(6)

    carry_over(old, new, vocabularies={"users": range(4)})

    assert rows_of(new)[:4, 0].tolist() == [0, 1, 2, 3]


def test_weight_that_is_no_layers_table_is_named_by_its_path():
    class Scores(layers.Layer):
        def __init__(self, rows):
            super().__init__(name="scores")
            self.rows = rows

        def build(self, shape):
            self.bias = self.add_weight(shape=(self.rows,), name="bias")

        def call(self, x):
            return x + self.bias

    old, new = (keras.Sequential([keras.Input((1,)), Scores(rows)]) for rows in (3, 4))
    old.weights[0].assign([1.0, 2.0, 3.0])

    told = carry_over(old, new, vocabularies={"scores/bias": (OLD, NEW)}, new_rows="mean")

    assert values(new.weights[0]).tolist() == [3.0, 2.0, 1.0, 2.0]
    assert told.tables[0].name == "scores/bias"


def test_bins_of_the_same_hash_are_the_same_rows():
    def build(**arguments):
        inputs = keras.Input((1,), dtype="string")
        return keras.Model(inputs, table_of(9)(layers.Hashing(name="bins", **arguments)(inputs)))

    old, new = marked(build(num_bins=9)), build(num_bins=9)

    carry_over(old, new)

    np.testing.assert_array_equal(rows_of(new), rows_of(old))
    for other in (build(num_bins=8), build(num_bins=9, salt=3), build(num_bins=9, mask_value="")):
        check_refused(old, other, "'users'", "cannot be matched", "num_bins=9", "Hashing 'bins'")


# --- new rows ----------------------------------------------------------------------------------


def test_new_rows_are_those_of_a_table_that_always_had_this_size():
    from keras_initlab import UnitLookup

    old, new = model_of(3), model_of(5, embeddings_initializer=UnitLookup(seed=4))

    carry_over(old, new, vocabularies={"users": (range(3), range(5))})

    whole = values(UnitLookup(seed=4)((5, DIMENSIONS)))
    np.testing.assert_array_equal(rows_of(new)[3:], whole[3:])


def test_seed_gives_each_table_a_stream_of_its_own():
    def build(rows):
        ids = keras.Input((1,), dtype="int32")
        names = ("users", "items")
        return keras.Model(ids, [table_of(rows, name)(ids) for name in names])

    pair = {"users": (range(3), range(5)), "items": (range(3), range(5))}
    old, new, again = build(3), build(5), build(5)
    for model in (new, again):
        carry_over(old, model, vocabularies=pair, seed=1)

    users, items = rows_of(new)[3:], rows_of(new, "items")[3:]
    np.testing.assert_array_equal(users, rows_of(again)[3:])
    assert (users != items).all()
    assert (np.abs(users) <= 0.05).all()


@pytest.mark.parametrize(("rule", "row"), [("oov", 0), ("mean", 4 / 3), ("zero", 0), ("ones", 1)])
def test_new_rows_begin_as_asked(rule, row):
    old, new = looked_up(OLD), looked_up(NEW)

    carry_over(marked(old), new, new_rows=rule)

    np.testing.assert_allclose(rows_of(new)[[2, 4]], row, rtol=1e-6)


def test_unknown_rule_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'initializer', 'oov', 'mean', 'zero', or a scheme"):
        carry_over(model_of(3), model_of(3), new_rows="median")


def test_row_of_unknown_tokens_must_be_known():
    pair = {"users": (OLD, NEW)}

    check_refused(
        model_of(3), model_of(4), "'users'", 'new_rows="oov"', vocabularies=pair, new_rows="oov"
    )
    carry_over(
        model_of(3),
        new := model_of(4),
        vocabularies={"users": (["[UNK]", *OLD[:2]], ["[UNK]", *OLD])},
        new_rows="oov",
    )
    assert by_token(new, range(4))
