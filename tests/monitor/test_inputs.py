"""How data come to a model: whatever their form, training is as without us, and every step seen."""

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from monitoring import TENSORFLOW, TORCH, is_clean, logger_of

from keras_initlab import diagnose

BATCH, ROWS, STEPS, WORDS = 8, 43, 6, 30
RANDOM = np.random.default_rng(4)
NUMBERS = RANDOM.normal(size=(ROWS, 5)).astype("float32")
IDS = RANDOM.integers(1, WORDS, (ROWS, 7)).astype("int32")
LABELS = (RANDOM.random((ROWS, 1)) < 0.4).astype("float32")
TOWNS = RANDOM.choice(["Bonn", "Köln", "", "Ulm"], (ROWS, 1))


@dataclasses.dataclass
class Fed:
    """A model and the arguments of its `fit`.

    Args:
        model: The model, not compiled.
        feed: Arguments of `fit`.
        steps: How many steps an epoch has.
        options: Further arguments of `compile`.
        unknown: A layer whose outputs have no rank that TensorFlow knows in a graph.
    """

    model: Any
    feed: dict
    steps: int = STEPS
    options: dict = dataclasses.field(default_factory=dict)
    unknown: str = ""


def arrays(x, y=LABELS):
    return {"x": x, "y": y, "batch_size": BATCH}


def batches(x):
    """Batches with their labels, the last of them smaller."""
    for begin in range(0, ROWS, BATCH):
        rows = slice(begin, begin + BATCH)
        yield x[rows], LABELS[rows]


def dense(units=1):
    inputs = keras.Input((5,))
    return keras.Model(inputs, layers.Dense(units)(layers.Dense(6, "relu")(inputs)))


def text_model(length=7):
    """Of ids, with a mask, through a norm and attention, as many heads as one."""
    ids = keras.Input((length,), dtype="int32")
    x = layers.Embedding(WORDS, 8, mask_zero=True)(ids)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(1, 8)(x, x))
    return keras.Model(ids, layers.Dense(1)(layers.GlobalAveragePooling1D()(x)))


def last_batch_smaller():
    return Fed(dense(), arrays(NUMBERS))


def attention_and_a_smaller_batch():
    return Fed(text_model(), arrays(IDS))


def batches_of_one_example():
    return Fed(dense(), {**arrays(NUMBERS[:5], LABELS[:5]), "batch_size": 1}, steps=5)


def one_row_at_the_end():
    return Fed(dense(), arrays(NUMBERS[:33], LABELS[:33]), steps=5)


def more_batch_than_rows():
    return Fed(dense(), {**arrays(NUMBERS), "batch_size": 1000}, steps=1)


def steps_that_do_not_divide():
    return Fed(dense(), arrays(NUMBERS), options={"steps_per_execution": 4})


def generator_of_python():
    return Fed(dense(), {"x": batches(NUMBERS), "steps_per_epoch": STEPS})


def generator_without_an_end_known():
    return Fed(dense(), {"x": batches(NUMBERS)})


def weights_of_examples():
    return Fed(dense(), {**arrays(NUMBERS), "sample_weight": np.linspace(0, 1, ROWS)})


def dictionary():
    inputs = {"user": keras.Input((), dtype="int32", name="user"), "x": keras.Input((5,), name="x")}
    user = layers.Embedding(WORDS, 4)(inputs["user"])
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()([user, inputs["x"]])))
    return Fed(model, arrays({"user": IDS[:, 0], "x": NUMBERS}))


def nested_lists_and_two_outputs():
    a, b = keras.Input((5,)), keras.Input((7,), dtype="int32")
    x = layers.Concatenate()([layers.Dense(3)(a), layers.Flatten()(layers.Embedding(WORDS, 2)(b))])
    model = keras.Model([a, [b]], {"y": layers.Dense(1)(x), "z": layers.Dense(1)(x)})
    return Fed(model, arrays([NUMBERS, [IDS]], {"y": LABELS, "z": -LABELS}))


def lengths_that_change():
    def parts():
        for k, (x, y) in enumerate(batches(IDS)):
            yield x[:, : 3 + 2 * (k % 2)], y

    return Fed(text_model(None), {"x": parts(), "steps_per_epoch": STEPS})


def integers_that_nothing_looks_up():
    inputs = keras.Input((7,), dtype="int32")
    return Fed(keras.Model(inputs, layers.Dense(1)(layers.Rescaling(0.1)(inputs))), arrays(IDS))


def truth_values():
    inputs = keras.Input((7,), dtype="bool")
    x = layers.Dense(1)(keras.ops.cast(inputs, "float32"))
    return Fed(keras.Model(inputs, x), arrays(IDS > 9))


EVERYWHERE = (
    *(last_batch_smaller, attention_and_a_smaller_batch, batches_of_one_example),
    *(one_row_at_the_end, more_batch_than_rows, generator_of_python),
    *(generator_without_an_end_known, weights_of_examples, dictionary),
    *(nested_lists_and_two_outputs, lengths_that_change, integers_that_nothing_looks_up),
    *(truth_values, *(() if TORCH else (steps_that_do_not_divide,))),
)


def strings():
    inputs = keras.Input((1,), dtype="string")
    ids = layers.StringLookup(vocabulary=["Bonn", "Köln", "Ulm"])(inputs)
    x = layers.Flatten()(layers.Embedding(4, 3)(ids))
    return Fed(keras.Model(inputs, layers.Dense(1)(x)), {"x": dataset(TOWNS)})


def strings_that_are_hashed_in_a_dictionary():
    inputs = {
        "town": keras.Input((1,), dtype="string", name="town"),
        "x": keras.Input((5,), name="x"),
    }
    town = layers.Embedding(8, 2)(layers.Hashing(8)(inputs["town"]))
    x = layers.Concatenate()([layers.Flatten()(town), inputs["x"]])
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(4, "relu")(x)))
    return Fed(model, {"x": dataset({"town": TOWNS, "x": NUMBERS})})


def text_into_a_vectorizer():
    vectorize = layers.TextVectorization(output_sequence_length=4)
    vectorize.adapt(["Bonn am Rhein", "Köln am Rhein", "Ulm an der Donau"])
    inputs = keras.Input((), dtype="string")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(20, 4, mask_zero=True)(vectorize(inputs)))
    texts = np.array([f"{town} am Rhein" for town in TOWNS[:, 0]])
    return Fed(keras.Model(inputs, layers.Dense(1)(x)), {"x": dataset(texts)})


def dataset(x, y=LABELS):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)


def dataset_of_unknown_cardinality():
    return Fed(dense(), {"x": dataset(NUMBERS).filter(lambda x, y: True)})


def dataset_without_an_end():
    return Fed(dense(), {"x": dataset(NUMBERS).repeat(), "steps_per_epoch": STEPS})


def unknown_rank():
    inputs = keras.Input((5,))
    hidden = layers.Dense(4, "relu")(inputs)
    x = layers.Concatenate()([hidden, Known()(Unknown()(hidden))])
    return Fed(keras.Model(inputs, layers.Dense(1)(x)), {"x": dataset(NUMBERS)}, unknown="unknown")


class Unknown(layers.Layer):
    """Passes on what it takes, of a shape that TensorFlow does not know."""

    def call(self, x):
        import tensorflow as tf

        return tf.numpy_function(lambda array: array, [x], tf.float32)

    def compute_output_shape(self, shape):
        return shape


class Known(layers.Layer):
    """Says how many units there are."""

    def call(self, x):
        import tensorflow as tf

        return tf.reshape(x, (-1, 4))

    def compute_output_shape(self, shape):
        return shape


def sparse():
    import tensorflow as tf

    x = tf.sparse.from_dense(np.where(NUMBERS > 0, NUMBERS, 0))
    inputs = keras.Input((5,), sparse=True)
    return Fed(keras.Model(inputs, layers.Dense(1)(layers.Dense(4)(inputs))), {"x": dataset(x)})


def ragged():
    import tensorflow as tf

    lengths = 1 + np.arange(ROWS) % 7
    x = tf.RaggedTensor.from_row_lengths(IDS.ravel()[: lengths.sum()], lengths)
    inputs = keras.Input((None,), dtype="int32", ragged=True)
    model = keras.Sequential([inputs, layers.Embedding(WORDS, 3), Pooled(), layers.Dense(1)])
    return Fed(model, {"x": dataset(x)})


class Pooled(layers.Layer):
    """The mean over an axis of unknown length."""

    def call(self, x):
        import tensorflow as tf

        return tf.reduce_mean(x, axis=1)

    def compute_output_shape(self, shape):
        return shape[0], shape[-1]


OF_TENSORFLOW = (
    *(strings, strings_that_are_hashed_in_a_dictionary, text_into_a_vectorizer),
    *(dataset_of_unknown_cardinality, dataset_without_an_end, unknown_rank, sparse, ragged),
)
FORMS = [*EVERYWHERE, *(OF_TENSORFLOW if TENSORFLOW else ())]
MODES = (
    {"graph": {"jit_compile": False}, "eager": {"run_eagerly": True}} if TENSORFLOW else {"": {}}
)


def trained(form, options, *callbacks):
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    fed = form()
    model = fed.model
    model.compile(keras.optimizers.Adam(0.01), "mse", **{**options, **fed.options})
    seeds = list(model._seed_generators)
    feed = {"shuffle": False, "verbose": 0, **fed.feed}
    losses = model.fit(**feed, callbacks=list(callbacks)).history["loss"]
    assert is_clean(model, seeds)
    values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.variables]
    return [*losses, *values, *map(np.array, model.optimizer.variables)], fed


@pytest.mark.filterwarnings("ignore:Your input ran out of data", "ignore:.*ragged.*")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_step_is_seen_and_nothing_changed(form, mode):
    logger = logger_of()

    plain, _ = trained(form, MODES[mode])
    watched, fed = trained(form, MODES[mode], logger)

    for one, other in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [look.step for look in logger.looks] == list(range(fed.steps))
    assert all(look.layers for look in logger.looks)
    unknown = [fed.unknown] if fed.unknown and mode == "graph" else []
    assert [note.split(" returns ")[0] for note in logger.report.notes] == unknown
    assert logger.report.healthy is not None


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_diagnose_takes_a_batch_of_it(form):
    fed = form()
    batch = next(iter(fed.feed["x"])) if "y" not in fed.feed else (fed.feed["x"], fed.feed["y"])
    fed.model.compile("sgd", "mse")

    report = diagnose(fed.model, tuple(batch))

    assert report.layers
    assert all(np.isfinite(layer.variance) for layer in report.layers)
    assert any(layer.weight_gradient_variance > 0 for layer in report.layers)
