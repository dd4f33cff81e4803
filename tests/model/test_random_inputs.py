import keras
import numpy as np
import pytest
from keras import layers as kl

from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.model.diagnosis.batch import batch_of
from keras_initlab.model.diagnosis.random_inputs import random_inputs


def made_up(model, examples=200):
    x, note = random_inputs(Anatomy(model), examples)
    return x, note


def test_floats_are_standard_normal():
    model = keras.Sequential([keras.Input((50,)), kl.Dense(1)])

    x, note = made_up(model)

    assert x.shape == (200, 50)
    assert abs(x.mean()) < 5 / np.sqrt(x.size)
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / x.size)
    assert note == "random inputs stand in for data: floats"


def test_ids_lie_within_the_smallest_vocabulary_behind():
    ids = keras.Input((2,), dtype="int32")
    one, two = kl.Embedding(7, 4)(ids[:, 0]), kl.Embedding(50, 4)(ids[:, 1])
    model = keras.Model(ids, kl.Dense(1)(kl.Concatenate()([one, two])))

    x, note = made_up(model)

    assert set(np.unique(x)) == set(range(7))
    assert "ids within the vocabulary" in note


def test_tokens_of_an_encoding_are_a_vocabulary():
    ids = keras.Input((1,), dtype="int32")
    model = keras.Model(ids, kl.Dense(1)(kl.CategoryEncoding(num_tokens=5)(ids)))

    x, _ = made_up(model)

    assert set(np.unique(x)) == set(range(5))


def test_masked_sequences_are_padded_at_their_ends():
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, kl.GRU(4)(kl.Embedding(9, 4, mask_zero=True)(ids)))

    x, _ = made_up(model)

    lengths = (x != 0).sum(axis=1)
    assert x.shape[1] == 32
    assert all((row[:length] > 0).all() for row, length in zip(x, lengths, strict=True))
    assert lengths.min() >= 16
    assert lengths.min() < lengths.max()


def test_masks_are_true_up_to_some_length():
    mask = keras.Input((6,), dtype="bool")
    model = keras.Model(mask, kl.Dense(1)(keras.ops.cast(mask, "float32")))

    x, note = made_up(model)

    assert x.dtype == bool
    assert x[:, :3].all()
    assert not x.all()
    assert "masks" in note


def test_structure_is_that_of_the_model():
    inputs = {
        "user": keras.Input((), dtype="int32", name="user"),
        "age": keras.Input((1,), name="age"),
    }
    user = kl.Embedding(5, 4)(inputs["user"])
    model = keras.Model(inputs, kl.Dense(1)(kl.Concatenate()([user, inputs["age"]])))

    x, _ = made_up(model)

    assert set(x) == {"user", "age"}
    assert x["user"].shape == (200,)


def test_vocabulary_is_found_in_a_nested_model():
    ids = keras.Input((), dtype="int32")
    tower = keras.Sequential([keras.Input((), dtype="int32"), kl.Embedding(3, 4), kl.Dense(2)])
    model = keras.Model(ids, kl.Dense(1)(tower(ids)))

    x, _ = made_up(model)

    assert set(np.unique(x)) == {0, 1, 2}


def test_model_that_says_nothing_of_its_inputs_needs_data():
    class Silent(keras.Model):
        def build(self, shape):
            self.built = True

        def get_build_config(self):
            return None

    with pytest.raises(ValueError, match="does not define its inputs"):
        made_up(Silent(name="silent"))


def test_strings_cannot_be_made_up():
    words = keras.Input((1,), dtype="string", name="words")

    class Length(kl.Layer):
        def call(self, x):
            return keras.ops.zeros((1, 1))

        def compute_output_spec(self, x):
            return keras.KerasTensor((None, 1))

    model = keras.Model(words, kl.Dense(1)(Length()(words)))

    with pytest.raises(ValueError, match="'words' takes strings"):
        made_up(model)


def test_first_batch_of_a_dataset_is_taken():
    class Numbers(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, place):
            return np.full((4, 3), place, "float32"), np.zeros(4)

    model = keras.Sequential([keras.Input((3,)), kl.Dense(1)])

    batch = batch_of(Anatomy(model), Numbers(), 100)
    generated = batch_of(Anatomy(model), iter([(np.ones((5, 3), "float32"),)]), 100)

    assert batch.size == 4
    assert batch.y is not None
    assert generated.size == 5


def test_empty_dataset_is_refused():
    model = keras.Sequential([keras.Input((3,)), kl.Dense(1)])

    with pytest.raises(ValueError, match="at least one batch"):
        batch_of(Anatomy(model), iter([]), 100)
