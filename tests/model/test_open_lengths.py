"""Random inputs for models that leave a length open."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from keras_initlab import diagnose
from keras_initlab.model.diagnosis.random_inputs import lengths_for


class TokenAndPosition(kl.Layer):
    """The layer of Keras's text examples, with its table of positions under any name."""

    def __init__(self, longest, name_of_table):
        super().__init__()
        self.tokens, self.table_name = kl.Embedding(50, 8), name_of_table
        setattr(self, name_of_table, kl.Embedding(longest, 8))

    def build(self, shape):
        self.tokens.build(shape)
        getattr(self, self.table_name).build(shape)

    def call(self, ids):
        places = ops.arange(ops.shape(ids)[-1])
        return self.tokens(ids) + getattr(self, self.table_name)(places)

    def compute_output_shape(self, shape):
        return (*shape, 8)


def text_model(longest, name="pos_emb"):
    ids = keras.Input((None,), dtype="int32")
    hidden = kl.Dense(8, "relu")(TokenAndPosition(longest, name)(ids))
    return keras.Model(ids, kl.Dense(1)(kl.GlobalAveragePooling1D()(hidden)))


class Subclassed(keras.Model):
    """A model without a graph that adds a weight for each of its places."""

    def __init__(self, longest):
        super().__init__()
        self.longest, self.out = longest, kl.Dense(1)

    def build(self, shape):
        self.places = self.add_weight(shape=(self.longest, shape[-1]), name="places")
        self.out.build(shape)

    def call(self, x):
        return self.out(x + self.places[: ops.shape(x)[1]])


def length_in(report):
    (note,) = [note for note in report.notes if "stand in for data" in note]
    return int(note.rpartition("of length ")[2].split()[0])


@pytest.mark.parametrize(
    ("model", "length"),
    [
        (lambda: text_model(100), 32),
        (lambda: text_model(20), 20),
        (lambda: text_model(16), 16),
        (lambda: text_model(3), 3),
        # No name tells: TensorFlow and torch refuse the longer ones, JAX makes NaN of them.
        (lambda: text_model(20, "where"), 16),
        (lambda: text_model(5, "where"), 4),
        pytest.param(lambda: text_model(1, "where"), 1, marks=pytest.mark.slow),
    ],
    ids=["long", "20 rows", "16 rows", "3 rows", "nameless 20", "nameless 5", "nameless 1"],
)
def test_length_is_the_longest_that_the_table_of_positions_holds(model, length):
    report = diagnose(model(), examples=8)

    assert length_in(report) == length
    assert all(np.isfinite(layer.variance) for layer in report.layers)
    assert not sum(layer.nonfinite_count for layer in report.layers)


@pytest.mark.once
def test_model_without_a_graph_is_tried_with_shorter_inputs():
    model = Subclassed(12)
    model.build((None, None, 4))

    assert length_in(diagnose(model, examples=8)) == 8


@pytest.mark.slow
def test_model_of_large_images_is_tried_with_larger_ones():
    image = keras.Input((None, None, 3))
    x = image
    for _ in range(6):
        x = kl.MaxPooling2D()(kl.Conv2D(4, 3, padding="same")(x))
    model = keras.Model(image, kl.Dense(1)(kl.GlobalMaxPooling2D()(x)))

    # Six halvings leave nothing of 32 pixels.
    assert length_in(diagnose(model, examples=4)) == 64


@pytest.mark.once
def test_note_tells_no_length_where_none_is_open():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(1)])

    assert lengths_for(model) == (32,)
    assert "random inputs stand in for data: floats" in diagnose(model).notes


@pytest.mark.once
def test_model_of_which_nothing_can_be_measured_says_so_for_any_length():
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, kl.Lambda(ops.abs, output_shape=(None,))(ids))

    with pytest.raises(ValueError, match=r"No layer of the model .* returns floats"):
        diagnose(model, examples=2)


class Refusing(kl.Layer):
    def call(self, x):
        raise RuntimeError("only on Sundays\nand in another line")

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


@pytest.mark.once
@pytest.mark.parametrize(
    ("shape", "words"),
    [((None, 4), "accepts no random inputs of any length"), ((4,), "accepts no random inputs, so")],
)
def test_model_that_takes_no_random_inputs_asks_for_data_in_one_line(shape, words):
    model = keras.Sequential([keras.Input(shape), Refusing(), kl.Dense(1)])

    with pytest.raises(ValueError, match=words) as caught:
        diagnose(model, examples=2)

    told = str(caught.value)
    assert "Received: data=None, and RuntimeError: only on Sundays" in told
    assert told.endswith("Try `data=` with a batch of inputs.")
    assert "\n" not in told
    assert "\x1b" not in told
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_error_of_a_model_on_data_of_the_user_stays_what_it_was():
    model = keras.Sequential([keras.Input((4,)), Refusing(), kl.Dense(1)])

    with pytest.raises(RuntimeError, match="only on Sundays"):
        diagnose(model, np.ones((2, 4), "float32"))


def test_model_that_does_not_say_what_it_takes_asks_for_data():
    class Silent(Subclassed):
        def get_build_config(self):
            return None

    model = Silent(12)
    model(np.ones((2, 3, 4), "float32"))

    with pytest.raises(ValueError, match=r"does not define its inputs.*Try `data=`"):
        diagnose(model)


@pytest.mark.once
def test_wrong_arguments_are_told_whatever_the_inputs():
    with pytest.raises(ValueError, match="Received: loss='mse' and no labels"):
        diagnose(text_model(20), loss="mse")


@pytest.mark.once
def test_model_of_nan_is_looked_at_as_it_is():
    model = text_model(100)
    model.layers[-1].kernel.assign(np.full((8, 1), np.nan, "float32"))

    report = diagnose(model, examples=4)

    assert length_in(report) == 32
    assert not report.healthy


SMALL = {"vocabulary_size": 50, "num_layers": 1, "num_heads": 2, "hidden_dim": 8}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sizes", "length"),
    [
        ("BertBackbone", {"max_sequence_length": 16}, 16),
        ("GPT2Backbone", {"max_sequence_length": 20}, 20),
        ("AlbertBackbone", {"max_sequence_length": 16, "embedding_dim": 4}, 16),
        # A convolution halves the twenty places of the encoder.
        (
            "WhisperBackbone",
            {"max_encoder_sequence_length": 20, "max_decoder_sequence_length": 16},
            10,
        ),
        ("RobertaBackbone", {"max_sequence_length": 12}, 12),
        ("OPTBackbone", {"max_sequence_length": 9}, 9),
    ],
)
def test_backbones_of_keras_hub_with_few_positions_are_looked_at(name, sizes, length):
    hub = pytest.importorskip("keras_hub")
    model = getattr(hub.models, name)(**SMALL, intermediate_dim=16, **sizes)

    report = diagnose(model, examples=4)

    assert length_in(report) == length
    assert not sum(layer.nonfinite_count for layer in report.layers)
