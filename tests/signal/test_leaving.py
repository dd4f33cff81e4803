"""Weights that begin too small: what an optimizer makes of them, by training."""

import keras
import numpy as np
import pytest
from looks import judged, look_of

import keras_initlab
from keras_initlab import RandomNormal, diagnose, lint

pytestmark = pytest.mark.once


def _learned(activation, depth, stddev, optimizer):
    """The causes told before the first step, and the share that is explained 300 steps later."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng((0, 1))
    x = rng.normal(size=(2053, 16)).astype("float32")
    y = (x[:, :1] + np.tanh(2 * x[:, 1:2])) / 1.3
    model = keras.Sequential([keras.Input((16,))])
    for _ in range(depth):
        start = RandomNormal(stddev=stddev)
        model.add(keras.layers.Dense(64, activation, kernel_initializer=start))
    model.add(keras.layers.Dense(1))
    model.compile(optimizer, "mse")
    found = diagnose(model, (x[:256], y[:256]))
    causes = {problem.cause for problem in (*found.problems, *found.findings)}
    contradicted = {finding.cause for finding in lint(model)} - causes
    model.fit(x, y, 64, 10, verbose=0)
    share = 1 - model.evaluate(x, y, verbose=0) / float(np.var(y))
    assert not contradicted
    return causes - {"off-prior"}, share


@pytest.mark.parametrize(
    ("activation", "depth", "stddev", "optimizer", "trains"),
    [
        # Adam divides by the gradient's size until its epsilon hides it.
        ("tanh", 4, 0.002, "adam", True),
        ("relu", 8, 0.0177, "adam", False),
        # The same weights and plain steps: one layer's gradient is the size of all others.
        ("tanh", 4, 0.002, "sgd", False),
        ("tanh", 4, 0.02, "sgd", True),
        ("tanh", 8, 0.0375, "sgd", False),
    ],
)
def test_small_weights_are_told_where_they_do_not_train(
    activation, depth, stddev, optimizer, trains
):
    if optimizer == "sgd":
        optimizer = keras.optimizers.SGD(0.01, momentum=0.9)

    causes, share = _learned(activation, depth, stddev, optimizer)

    assert (share > 0.75, share < 0.1) == (trains, not trains)
    assert bool(causes) != trains
    assert trains or causes <= {"weights-small", None}


def test_one_small_layer_among_sound_ones_learns_at_once():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16,))])
    for k in range(6):
        start = RandomNormal(stddev=1e-4) if k == 3 else keras_initlab.HeNormal()
        model.add(keras.layers.Dense(32, "relu", kernel_initializer=start))
    model.add(keras.layers.Dense(1))
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(128, 16)).astype("float32")

    assert not diagnose(model, (x, x[:, :1])).problems


@pytest.mark.parametrize(("mean", "grown", "told"), [(1, 20, 0), (0.05, 20, 1), (1, 0.5, 1)])
def test_gate_that_began_as_a_constant_may_open_in_one_direction(mean, grown, told):
    first = look_of(variance=[1, 2e-3, 1, 1], mean=[0, mean, 0, 0], effective_rank=4)
    later = look_of(variance=[1, 2e-3 * grown, 1, 1], effective_rank=[4, 1, 4, 4])

    assert len(judged(later, first=first)) == told
