"""Inputs, labels and heads, judged at the first look of a `fit`: told once, with what follows."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from monitoring import MODES, TENSORFLOW, TORCH

from keras_initlab import ActivationVarianceLogger, HeNormal

RNG = np.random.default_rng(0)
ROWS, BATCH = 203, 32


def numbers(scale=1.0, offset=0.0, columns=4):
    return (RNG.normal(size=(ROWS, columns)) * scale + offset).astype("float32")


def network(head=None, units=1, name="table"):
    return keras.Sequential(
        [
            keras.Input((4,), name=name),
            layers.Dense(16, "relu", kernel_initializer=HeNormal(), name="first"),
            layers.Dense(units, head, name="head"),
        ]
    )


def told(model, x, y, loss="mse", optimizer="adam", epochs=2, shuffle=True, **options):
    """What the callback reports of a training whose last batch is smaller, at most steps."""
    logger = ActivationVarianceLogger(update_freq=3, on_problem=None)
    model.compile(optimizer, loss, **options)
    size = None if y is None else BATCH
    model.fit(x, y, size, epochs, verbose=0, shuffle=shuffle, callbacks=[logger])
    return logger.report.problems


LABELS = numbers(columns=1)

CASES = {
    "one column": (numbers(scale=[1, 1, 1, 2e4]), LABELS, "mse", None, "input-scale", "first"),
    "kelvin": (numbers(scale=5, offset=285), LABELS, "mse", None, "input-offset", "first"),
    "dollars": (numbers(), 1e6 * np.abs(LABELS), "mse", None, "label-scale", "head"),
    "score": (numbers(), 80 + LABELS, "mse", "sigmoid", "head-loss-mismatch", "head"),
    "logits": (numbers(), LABELS > 0, "binary_crossentropy", None, "head-loss-mismatch", "head"),
}


# The rules are the same in every mode, what they read is not.
FIRST, *OTHERS = MODES
WAYS = [*((case, FIRST) for case in CASES), *(("kelvin", mode) for mode in OTHERS)]


@pytest.mark.parametrize(("case", "mode"), WAYS)
def test_what_is_wrong_with_the_data_is_told_at_the_first_look(case, mode):
    x, y, loss, head, cause, layer = CASES[case]
    problem = told(network(head), x, y.astype("float32"), loss, **MODES[mode])[0]

    assert (problem.cause, problem.where, problem.step) == (cause, layer, 0)
    assert problem.text.startswith("step 0, ")
    assert problem.fix


def test_good_data_are_healthy():
    y = RNG.integers(0, 3, size=ROWS)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    assert told(network(units=3), numbers(), y, loss) == ()


def test_what_follows_names_the_cause_in_the_data():
    """Unscaled labels break an update; a lower rate or a clipped gradient would hide that."""
    found = told(network(), numbers(), 1e6 + 1e5 * LABELS, optimizer=keras.optimizers.SGD(0.01))

    assert [(one.rule, one.cause) for one in found] == [
        ("label-scale", "label-scale"),
        ("nonfinite", "label-scale"),
    ]
    assert not any("clip" in problem.text for problem in found)
    assert "it follows from the problem at step 0" in found[-1].text


def test_a_missing_number_stays_a_cause_of_its_own():
    x = numbers(scale=[1, 1, 1, 2e4])
    x[170, 1] = np.nan

    found = told(network(), x, LABELS, epochs=1)

    assert [problem.cause for problem in found] == ["input-scale", "input-nonfinite"]


def test_each_fit_looks_at_its_own_data_and_tells_it_once():
    model, logger = network(), ActivationVarianceLogger(update_freq=3, on_problem=None)
    model.compile("adam", "mse")
    for x in (numbers(), numbers(scale=1e3), numbers(scale=1e3)):
        model.fit(x, LABELS, batch_size=BATCH, verbose=0, callbacks=[logger])

    # Seven steps an epoch.
    assert [(one.cause, one.step) for one in logger.report.problems] == [("input-scale", 7)]


def two_inputs():
    ids, table = keras.Input((3,), name="ids", dtype="int32"), keras.Input((4,), name="table")
    looked_up = layers.Flatten()(layers.Embedding(50, 4, name="look")(ids))
    h = layers.Dense(8, "relu", name="first")(layers.Concatenate()([looked_up, table]))
    return keras.Model({"table": table, "ids": ids}, layers.Dense(1, name="head")(h))


def test_inputs_are_told_by_name_and_ids_are_no_numbers():
    x = {"ids": RNG.integers(0, 50, (ROWS, 3)), "table": numbers(scale=[1, 1, 500, 1])}
    problem = told(two_inputs(), x, LABELS)[0]

    assert "column 2 of the input table is large" in problem.text
    assert problem.where == "first"


class OnTheWay(keras.Model):
    """Scales its inputs itself, where no graph shows it."""

    def __init__(self):
        super().__init__()
        self.first, self.head = layers.Dense(8, "relu", name="first"), layers.Dense(1, name="head")

    def call(self, x):
        return self.head(self.first(x / 1000))


class StepOfOnesOwn(keras.Model):
    """Its batches hold more than the model takes."""

    def train_step(self, *args):
        *state, (x, y) = args
        return super().train_step(*state, (x["table"], y))


def test_models_without_a_graph_and_steps_of_ones_own_go_on():
    assert told(OnTheWay(), numbers(scale=1e3), LABELS) == ()

    inner = network()
    model = StepOfOnesOwn(inner.inputs, inner.outputs)
    x = {"table": numbers(), "more": numbers(scale=1e3)}
    assert told(model, x, LABELS) == ()


@pytest.mark.skipif(TORCH, reason="Keras refuses it on torch")
def test_several_steps_in_one_execution_look_at_the_first():
    x = numbers()
    x[BATCH:] *= 1e3
    found = told(network(), x, LABELS, steps_per_execution=3, epochs=1, shuffle=False)

    assert {problem.cause for problem in found} <= {"rate-high"}


@pytest.mark.skipif(not TENSORFLOW, reason="strings are inputs on TensorFlow alone")
def test_strings_are_passed_over():
    words = keras.Input((1,), dtype="string", name="words")
    table = keras.Input((4,), name="table")
    found = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(words)
    h = layers.Dense(8, "relu", name="first")(layers.Concatenate()([found, table]))
    model = keras.Model([words, table], layers.Dense(1, name="head")(h))
    import tensorflow as tf

    x = (tf.constant([["a"]] * ROWS), numbers(scale=1e3))
    dataset = tf.data.Dataset.from_tensor_slices((x, LABELS)).batch(BATCH)

    assert told(model, dataset.repeat().take(9), None, shuffle=False)[0].cause == "input-scale"


def test_labels_of_a_loss_of_ones_own_are_passed_over():
    def loss(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred))

    assert told(network(), numbers(), 1e3 * LABELS, loss) == ()
