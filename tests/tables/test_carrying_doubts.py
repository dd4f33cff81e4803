"""Where it is not certain which row is which, nothing moves and the table is named."""

import keras
import numpy as np
import pytest
from carried_models import DIMENSIONS, model_of, values
from keras import layers

from keras_initlab import carry_over

pytestmark = pytest.mark.once

OLD, NEW = ["ann", "bob", "cat"], ["cat", "dan", "ann", "eve"]


def table_of(rows, name="users"):
    return layers.Embedding(rows, DIMENSIONS, name=name)


def text_input(size=1):
    return keras.Input((size,), dtype="string", name="words")


def lookup_of(words, name="lookup", **arguments):
    return layers.StringLookup(vocabulary=words, name=name, **arguments)


def shared_by_two(words):
    inputs, table = text_input(), table_of(9)
    more = lookup_of([*words, "zoe"], "items_lookup")
    return keras.Model(inputs, [table(lookup_of(words)(inputs)), table(more(inputs))])


def offset(words):
    """Two fields in one table, the second behind the first."""
    inputs = text_input()
    one, two = lookup_of(words), lookup_of(["x", "y"], "items_lookup")
    ids = layers.Concatenate()([one(inputs), two(inputs) + len(words) + 1])
    return keras.Model(inputs, table_of(len(words) + 4)(ids))


def raw(words):
    return model_of(len(words))


def joined_with_raw(words):
    inputs, ids = text_input(), keras.Input((1,), dtype="int64")
    both = layers.Concatenate()([lookup_of(words)(inputs), ids])
    return keras.Model([inputs, ids], table_of(9)(both))


def computed_in_code(words):
    inputs = keras.Input((1,), dtype="int64", name="ids")
    return keras.Model(inputs, table_of(9)(layers.Lambda(lambda ids: ids % 7, name="mod")(inputs)))


def counted(words):
    """A lookup whose output is counts."""
    inputs = text_input()
    lookup = lookup_of(words, output_mode="multi_hot")
    return keras.Model(inputs, table_of(9)(lookup(inputs)))


class Bag(layers.Layer):
    """A layer that holds a table."""

    def __init__(self, rows):
        super().__init__(name="bag")
        self.table = table_of(rows)

    def call(self, ids):
        return self.table(ids)


def inside_a_layer(words):
    ids = keras.Input((1,), dtype="int64")
    return keras.Model(ids, Bag(len(words))(ids))


class Own(keras.Model):
    def __init__(self, words):
        super().__init__(name="own")
        self.lookup = lookup_of(words)
        self.table = table_of(len(words) + 1)

    def build(self, shape):
        self.table.build(shape)
        self.built = True

    def call(self, ids):
        return self.table(ids)


def subclassed(words):
    model = Own(words)
    model(np.zeros((1, 1), "int32"))
    return model


DOUBTS = {
    "shared by unequal vocabularies": (shared_by_two, "their vocabularies differ"),
    "offset by arithmetic": (offset, "is added to the ids of"),
    "raw ids": (raw, "those of the input 'ids', as they come"),
    "raw ids beside a lookup": (joined_with_raw, "as they come"),
    "computed": (computed_in_code, "'mod' (Lambda)"),
    "counts": (counted, "'lookup' does not make one integer from a token"),
    "inside a layer": (inside_a_layer, "inside another layer"),
    "subclassed": (subclassed, "its `call` is code"),
}


@pytest.mark.parametrize(("build", "text"), DOUBTS.values(), ids=DOUBTS)
def test_doubtful_table_is_named_with_candidates_and_the_line_to_write(build, text):
    old, new = build(OLD), build(NEW)
    before = [values(weight) for weight in new.weights]

    with pytest.raises(ValueError, match="Rows move by token") as caught:
        carry_over(old, new)

    told = str(caught.value)
    assert text in told
    assert "'users'" in told
    assert "Candidates: " in told
    assert "vocabularies={\n    'users': " in told
    rows = [model.weights[0].shape[0] for model in (old, new)]
    assert f"(range({rows[0]}), range({rows[1]}))" in told
    for was, weight in zip(before, new.weights, strict=True):
        np.testing.assert_array_equal(was, values(weight))


def test_line_that_an_error_tells_to_write_works():
    old, new = subclassed(OLD), subclassed(NEW)
    with pytest.raises(ValueError, match="Candidates: lookups 'lookup'") as caught:
        carry_over(old, new)
    line = str(caught.value).split("vocabularies={\n")[1].split("\n}")[0]

    told = carry_over(old, new, vocabularies=eval(f"{{{line}\n}}"))

    assert told.tables[0].kept == 3


def test_all_doubtful_tables_are_told_at_once():
    def build(rows):
        ids = keras.Input((1,), dtype="int32", name="ids")
        return keras.Model(ids, [table_of(rows, name)(ids) for name in ("users", "items")])

    with pytest.raises(ValueError, match=r"(?s)'users', 3 rows.*'items', 3 rows"):
        carry_over(build(3), build(4))


REFUSED = {
    "vocabulary longer than its table": (
        lambda: carry_over(model_of(3), model_of(3), vocabularies={"users": (OLD, NEW)}),
        "the new table 'users' of 3 rows, 4 tokens",
    ),
    "other counts of unknown rows": (
        lambda: carry_over(
            model_of(6),
            model_of(6),
            vocabularies={"users": (lookup_of(OLD), lookup_of(OLD, num_oov_indices=3))},
        ),
        "'users'.*1 of them.*3 in.*num_oov_indices",
    ),
    "a lookup and a list": (
        lambda: carry_over(
            model_of(6), model_of(6), vocabularies={"users": (lookup_of(OLD), ["[UNK]", *OLD])}
        ),
        "'users' cannot be matched",
    ),
    "strings and integers": (
        lambda: carry_over(model_of(3), model_of(3), vocabularies={"users": (OLD, range(3))}),
        "'users' must be of one type. Received: strings for the old rows, integers for the new",
    ),
    "another number of equal tokens": (
        lambda: carry_over(
            model_of(3), model_of(3), vocabularies={"users": (["a", "a", "b"], ["a", "b", "c"])}
        ),
        "'users'.*'a' in 2 old and 1 new rows",
    ),
    "a table that is not there": (
        lambda: carry_over(model_of(3), model_of(3), vocabularies={"item": range(3)}),
        "'item'.*'users'",
    ),
    "a lookup that is not there": (
        lambda: carry_over(model_of(3), model_of(3), vocabularies={"users": "lookup"}),
        "'lookup'.*holds none",
    ),
    "a lookup without words": (
        lambda: carry_over(
            model_of(3), model_of(3), vocabularies={"users": layers.StringLookup(name="empty")}
        ),
        "'empty' has no vocabulary",
    ),
    "another layer": (
        lambda: carry_over(
            model_of(3), model_of(3), vocabularies={"users": layers.Dense(1, name="top")}
        ),
        "'top' of class Dense",
    ),
    "another width": (
        lambda: carry_over(
            model_of(3),
            keras.Sequential([keras.Input((1,)), layers.Embedding(3, 7, name="users")]),
            vocabularies={"users": range(3)},
        ),
        r"'users'.*\(3, 4\) before, \(3, 7\) now",
    ),
    "nothing in common": (
        lambda: carry_over(
            keras.Sequential([keras.Input((1,)), layers.Dense(1, name="a")]),
            keras.Sequential([keras.Input((1,)), layers.Dense(1, name="b")]),
        ),
        "No weight of the new model",
    ),
}


@pytest.mark.parametrize(("call", "text"), REFUSED.values(), ids=REFUSED)
def test_request_that_cannot_be_served_is_refused(call, text):
    with pytest.raises((ValueError, TypeError), match=f"(?s){text}"):
        call()


# --- names of weights --------------------------------------------------------------------------


def towers(names=(None, None)):
    layers_of = [layers.Dense(3, name=name) for name in names]
    return keras.Sequential([keras.Input((3,)), *layers_of])


def test_layers_that_keras_numbered_are_matched_in_order():
    # The first layer of the second model has the name of the second layer of the first.
    old = towers((None, None))
    names = [int(layer.name.rsplit("_", 1)[-1]) if "_" in layer.name else 0 for layer in old.layers]
    new = towers((f"dense_{names[1]}", f"dense_{names[1] + 1}"))

    carry_over(old, new)

    for weight, theirs in zip(new.weights, old.weights, strict=True):
        np.testing.assert_array_equal(values(weight), values(theirs))


def test_numbered_layers_in_another_order_are_refused():
    old = towers()
    new = keras.Sequential([keras.Input((3,)), layers.Dense(3), layers.LayerNormalization()])

    with pytest.raises(ValueError, match="Try `name=`"):
        carry_over(old, new)


def test_layers_with_names_are_matched_by_them_and_others_are_told():
    old = towers(("a", "b"))
    new = keras.Sequential(
        [
            keras.Input((3,)),
            *(layers.Dense(size, name=name) for size, name in ((3, "c"), (3, "b"), (5, "a"))),
        ]
    )

    told = carry_over(old, new)

    assert [path.split("/")[-2:] for path in told.copied] == [["b", "kernel"], ["b", "bias"]]
    assert sorted(why.split(":")[0] for why in told.left.values()) == (
        ["its shape differs"] * 2 + ["the old model does not hold it"] * 2
    )
    assert "Not copied: " in str(told)


def test_normalization_goes_by_the_numbers_that_were_copied():
    def build(data):
        scale = layers.Normalization(name="scale")
        scale.adapt(data)
        return keras.Sequential([keras.Input((1,)), scale])

    x = np.arange(8.0).reshape(8, 1)
    old, new = build(x), build(3 * x + 1)

    carry_over(old, new)

    np.testing.assert_allclose(values(new(x)), values(old(x)), atol=1e-6)
