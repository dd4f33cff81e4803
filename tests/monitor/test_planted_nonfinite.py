"""Thirty planted faults that are not finite: layer, step and rows, at the default schedule."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from monitor.test_nonfinite import Log

from keras_initlab import ActivationVarianceLogger

BATCH, WIDTH, STEPS = 16, 6, 40

# When a fault comes, in which rows of its batch, and how they are named.
PLACES = [
    (0, (5,), ", in row 5;"),
    (13, (0, 3), ", in rows 0, 3;"),
    (37, (2, 4, 6, 8, 15), ", in rows 2, 4, 6, 8 and 1 more;"),
]


class Root(layers.Layer):
    """The size of its first input, which has no slope where the second input is 0."""

    def call(self, inputs):
        x, factor = inputs
        return ops.sqrt(factor * x * x)


class Leap(keras.optimizers.schedules.LearningRateSchedule):
    """An infinite rate from an update on."""

    def __init__(self, at):
        self.at = at

    def __call__(self, step):
        return ops.where(ops.cast(step, "float32") > self.at - 0.5, np.inf, 1e-3)


def data():
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(STEPS * BATCH, WIDTH))).astype("float32") + 0.1
    return x, rng.normal(size=(len(x), 1)).astype("float32")


def network(first=None, between=None):
    x = inputs = keras.Input((WIDTH,))
    x = x if first is None else first(x)
    x = layers.Dense(8, "relu", name="first")(x)
    x = x if between is None else between(x)
    x = layers.Dense(8, "tanh", name="second")(x)
    return keras.Model(inputs, layers.Dense(1, name="head")(x))


def two_inputs():
    one, two = keras.Input((WIDTH,)), keras.Input((WIDTH,))
    sides = [
        layers.Dense(4, "tanh", name="to_one")(one),
        layers.Dense(4, "tanh", name="to_two")(two),
    ]
    return keras.Model([one, two], layers.Dense(1, name="head")(layers.Concatenate()(sides)))


def rooted():
    x, factor = keras.Input((WIDTH,)), keras.Input((1,))
    # No unit is exactly 0, where the root has no slope either.
    h = layers.Dense(8, "softplus", name="first")(x)
    h = layers.Dense(8, "tanh", name="second")(Root(name="root")([h, factor]))
    return keras.Model([x, factor], layers.Dense(1, name="head")(h))


def in_second(x, y):
    return [data()[0], x], y


def beside_ones(x, y):
    return [data()[0], np.where(np.isnan(x[:, :1]), 0, 1).astype("float32")], y


def weighed(x, y):
    return data()[0], y, np.where(np.isnan(x[:, 0]), np.nan, 1).astype("float32")


def labelled(value):
    def made(x, y):
        return data()[0], np.where(np.isnan(x[:, :1]), value, y).astype("float32")

    return made


def entered(value):
    def made(x, y):
        return np.where(np.isnan(x), value, x).astype("float32"), y

    return made


def odd_loss(y, p):
    """Finite for all labels above -100."""
    return ops.mean(ops.square(ops.maximum(y, -9.0) - p)) + 0.0 * ops.mean(ops.log(y + 100.0))


# The model, what the data become of those with a NaN in the first column, the loss, what is named,
# the layer, and whether rows are.
KINDS = {
    "NaN in inputs": (network, entered(np.nan), "mse", "inputs", "first", True),
    "infinite inputs": (network, entered(np.inf), "mse", "inputs", "first", True),
    "second input": (two_inputs, in_second, "mse", "inputs", "to_two", True),
    "labels": (network, labelled(np.nan), "mse", "labels", "head", True),
    "sample weights": (network, weighed, "mse", "labels", "head", True),
    "a layer": (lambda: network(Log(name="log")), entered(-1), "mse", "activations", "log", True),
    "an operation": (lambda: network(ops.log), entered(-1), "mse", "activations", "first", True),
    "a gradient": (rooted, beside_ones, "mse", "gradients", "root", False),
    "a loss": (network, labelled(-100), odd_loss, "loss", "head", False),
}


def named(model, step, *batches):
    """The one problem of a training, compared with what was planted."""
    logger = ActivationVarianceLogger(on_problem=None)
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "callbacks": [logger]}
    x, y, *weights = batches
    model.fit(x, y, sample_weight=weights[0] if weights else None, **options)
    found = [problem for problem in logger.report.problems if problem.rule == "nonfinite"]
    assert len(found) == 1, found
    assert found[0].step == step, found
    return found[0]


@pytest.mark.field
@pytest.mark.parametrize("kind", KINDS)
def test_layer_step_and_rows_are_named(kind):
    make, spoilt, loss, what, layer, has_rows = KINDS[kind]
    model = make()
    model.compile("adam", loss)
    model.optimizer.build(model.trainable_variables)
    held = [*model.variables, *model.optimizer.variables]
    before = [ops.convert_to_numpy(variable) for variable in held]

    for step, rows, text in PLACES:
        x, y = data()
        x[[step * BATCH + row for row in rows], 0] = np.nan
        problem = named(model, step, *spoilt(x, y))
        assert (problem.what, problem.layers) == (what, (layer,))
        assert (text in problem.text) == has_rows
        for variable, value in zip(held, before, strict=True):
            variable.assign(value)


@pytest.mark.field
@pytest.mark.parametrize("step", [step for step, _, _ in PLACES])
def test_update_that_breaks_a_weight_is_named(step):
    model = network()
    model.compile(keras.optimizers.Adam(Leap(step)), "mse")

    problem = named(model, step, *data())

    assert (problem.what, problem.layers) == ("weights", ("first",))
