"""Which row's signal enters which, as the first record tells it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initlab import ActivationVarianceLogger

IDS = np.zeros((8, 3), "int32")
X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def edges_by_name(model, x, y=None):
    """Edges that the callback finds in the first step, by names of layers."""
    model.compile("sgd", "mse")
    logger = ActivationVarianceLogger(on_problem=None, verbose=0, watch="activations")
    y = np.ones((8, 1), "float32") if y is None else y
    model.fit(x, y, batch_size=8, verbose=0, callbacks=[logger])
    section = logger.looks[0].sections["activations"]
    names = [layer.name for layer in section.layers]
    return {(names[begin], names[end]) for begin, end in section.edges}


def dense(name, units=4, activation="relu"):
    return layers.Dense(units, activation, name=name)


def test_wide_and_deep_paths_leave_and_join():
    ids, numbers = keras.Input((1,), dtype="int32"), keras.Input((4,))
    table = layers.Flatten()(layers.Embedding(5, 2, name="table")(ids))
    deep = dense("deep_2")(dense("deep_1")(layers.Concatenate()([table, numbers])))
    wide = layers.Flatten()(layers.Embedding(5, 1, name="wide")(ids))
    out = layers.Add(name="logit")([dense("deep_out", 1)(deep), wide])
    model = keras.Model([ids, numbers], layers.Activation("sigmoid", name="click")(out))

    assert edges_by_name(model, [IDS[:, :1], X]) == {
        *(("table", "deep_1"), ("deep_1", "deep_2"), ("deep_2", "deep_out")),
        *(("deep_out", "logit"), ("wide", "logit"), ("logit", "click")),
    }


def test_operations_between_layers_are_passed():
    inputs = keras.Input((4,))
    first = dense("first")(inputs)
    second = dense("second")(ops.concatenate([first, inputs * 2.0], -1))
    total = ops.tanh(first + second)
    model = keras.Model(inputs, dense("last", 1)(total))

    assert edges_by_name(model, X) == {("first", "second"), ("first", "last"), ("second", "last")}


def test_shared_table_has_a_path_for_each_call():
    table = layers.Embedding(5, 4, name="items")
    user, item = (keras.Input((1,), dtype="int32", name=name) for name in ("user", "item"))
    towers = [
        dense(f"{name}_tower")(layers.Flatten()(table(ids)))
        for name, ids in (("user", user), ("item", item))
    ]
    model = keras.Model([user, item], layers.Dot(1, name="score")(towers))

    edges = edges_by_name(model, {"user": IDS[:, :1], "item": IDS[:, :1]})

    assert {end for begin, end in edges if begin.startswith("items")} == {
        "user_tower",
        "item_tower",
    }
    assert {("user_tower", "score"), ("item_tower", "score")} <= edges


def test_nested_models_are_followed_inside():
    inner = keras.Sequential([keras.Input((4,)), dense("in_1"), dense("in_2")], name="inner")
    model = keras.Sequential([keras.Input((4,)), dense("before"), inner, dense("after", 1)])

    assert edges_by_name(model, X) == {("before", "in_1"), ("in_1", "in_2"), ("in_2", "after")}


class Block(layers.Layer):
    """A block by hand: its additions are operations that nobody sees."""

    def __init__(self, name):
        super().__init__(name=name)
        self.norm = layers.LayerNormalization(name=f"{name}_norm")
        self.up, self.down = dense(f"{name}_up", 8), dense(f"{name}_down", 4)

    def call(self, x):
        return x + self.down(self.up(self.norm(x)) * 2.0)


class ByHand(keras.Model):
    def __init__(self):
        super().__init__()
        self.table, self.wide = layers.Embedding(5, 4, name="table"), dense("wide", 1)
        self.blocks, self.head = [Block("one"), Block("two")], dense("head", 1)

    def call(self, inputs):
        ids, numbers = inputs
        x = self.table(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(ops.mean(x, 1)) + self.wide(numbers)


def test_blocks_by_hand_are_chains():
    edges = edges_by_name(ByHand(), (IDS, X))

    assert edges == {
        *(("table", "one_norm"), ("one_norm", "one_up"), ("one_up", "one_down")),
        *(("one_down", "two_norm"), ("two_norm", "two_up"), ("two_up", "two_down")),
        ("two_down", "head"),
    }


def test_attention_joins_its_projections():
    inputs = keras.Input((3, 4))
    attention = layers.MultiHeadAttention(2, 2, name="attention")
    x = layers.Add(name="sum")([dense("before")(inputs), attention(inputs, inputs)])
    model = keras.Model(inputs, dense("after", 1)(x))

    edges = edges_by_name(model, np.ones((8, 3, 4), "float32"), np.ones((8, 3, 1), "float32"))

    into = {begin for begin, end in edges if end == "attention_output"}
    assert into
    assert ("attention_output", "sum") in edges
    assert ("before", "sum") in edges
    assert {"query", "key", "value"} <= {begin for begin, _ in edges}


@pytest.mark.parametrize("count", [40])
def test_rows_side_by_side_enter_one(count):
    ids = keras.Input((count,), dtype="int32")
    tables = [layers.Embedding(3, 2, name=f"t_{k}")(ids[:, k]) for k in range(count)]
    model = keras.Model(ids, dense("out", 1)(layers.Concatenate()(tables)))

    edges = edges_by_name(model, np.zeros((8, count), "int32"))

    assert edges == {(f"t_{k}", "out") for k in range(count)}
