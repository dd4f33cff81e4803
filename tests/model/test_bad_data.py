"""Data that a model does not take are refused by the name of what does not fit."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from monitoring import ROWS, X, compiled, network

from keras_initlab import diagnose, initialize


def broken(x):
    x = x.copy()
    x[3, 2] = np.nan
    return x


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (broken(X), f"1 NaN or infinite numbers among {X.size} of the inputs"),
        ((X, broken(X)[:, 2:3]), "of the labels"),
        ([X, X], "must hold 1 inputs"),
        ({"wrong": X}, "without \\['x'\\]"),
        (X[:, :5], "for the input 'x' must have the shape \\(None, 12\\)"),
        (X[:0], "at least one"),
    ],
    ids=["nan", "nan-label", "two-inputs", "name", "shape", "empty"],
)
def test_data_that_do_not_fit_are_refused(data, words):
    inputs = keras.Input((12,), name="x")
    model = compiled(keras.Model(inputs, kl.Dense(1)(inputs)))

    with pytest.raises(ValueError, match=words):
        diagnose(model, data)


def test_input_that_is_not_finite_is_named():
    inputs = {name: keras.Input((12,), name=name) for name in ("one", "two")}
    model = keras.Model(inputs, kl.Dense(1)(kl.Concatenate()(list(inputs.values()))))

    with pytest.raises(ValueError, match="of the inputs at 'two'"):
        diagnose(model, {"one": X, "two": broken(X)})


def test_inputs_of_other_lengths_are_refused():
    one, two = keras.Input((12,)), keras.Input((12,))
    model = keras.Model([one, two], kl.Dense(1)(kl.Add()([one, two])))

    with pytest.raises(ValueError, match="same number of examples"):
        diagnose(model, [X, X[:5]])


def test_loss_without_labels_is_refused():
    with pytest.raises(ValueError, match="`loss` compares outputs with labels"):
        diagnose(network(), X, loss="mse")


def test_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match=r"model\.build"):
        diagnose(keras.Sequential([kl.Dense(1)]))


def classifier(loss):
    inputs = keras.Input((12,), name="x")
    model = keras.Model(inputs, kl.Dense(3, name="out")(inputs))
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("loss", "labels", "shape"),
    [
        ("mse", np.zeros((ROWS, 2)), r"\(91, 2\)"),
        ("categorical_crossentropy", np.zeros((ROWS, 4)), r"\(91, 4\)"),
        ("sparse_categorical_crossentropy", np.zeros((ROWS, 3), "int32"), r"\(91, 3\)"),
        ("mse", {"other": np.zeros((ROWS, 3))}, r"{'other': \(91, 3\)}"),
    ],
    ids=["width", "classes", "one-hot", "name"],
)
@pytest.mark.parametrize("look", [diagnose, lambda model, data: initialize(model, data=data)])
def test_labels_that_the_loss_does_not_take_are_named(look, loss, labels, shape):
    model = classifier(loss)
    before = model.get_weights()

    with pytest.raises(ValueError, match=f"labels of shape {shape}, outputs of shape .91, 3."):
        look(model, (X, labels))

    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((8, 12), "a"), "for the input 'x' must hold numbers. Received: .*dtype <U1"),
        (np.full((8, 12), None), "for the input 'x' must hold numbers. Received: .*dtype object"),
        ((X, np.full((ROWS, 1), "a")), "of labels must hold numbers"),
    ],
    ids=["strings", "objects", "labels"],
)
def test_strings_and_objects_are_refused(data, words):
    with pytest.raises(ValueError, match=words):
        diagnose(classifier("mse"), data)


def bag(nested):
    ids = keras.Input((4,), dtype="int32", name="item")
    table = kl.Embedding(10, 3, name="items")
    layers = [kl.Reshape((2, 2)), table, kl.Flatten(), kl.Dense(1)]
    if nested:
        return keras.Model(ids, keras.Sequential([keras.Input((4,), dtype="int32"), *layers])(ids))
    return keras.Sequential([ids, *layers])


@pytest.mark.parametrize("wrong", [10, -1])
@pytest.mark.parametrize("nested", [False, True])
def test_ids_that_a_table_has_no_rows_for_are_named(wrong, nested):
    data = np.arange(8).reshape(2, 4)
    data[1, 2] = wrong

    with pytest.raises(ValueError, match=f"'item' must hold ids from 0 to 9.*'items'.*{wrong}"):
        diagnose(bag(nested), data)


def test_ids_that_are_folded_first_may_be_large():
    ids = keras.Input((4,), dtype="int32", name="item")
    layers = kl.Flatten()(kl.Embedding(10, 3)(ids % 10))

    assert diagnose(keras.Model(ids, kl.Dense(1)(layers)), 1000 + np.arange(8).reshape(2, 4)).layers
