"""Layers that are called many times: in nested models, in loops of one's own, on each time step."""

import keras
import numpy as np
import pytest
from chains import rows_of
from keras import layers as kl
from keras import ops

from keras_initlab import ActivationVarianceLogger, diagnose, initialize

X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")


def triplet():
    """One tower of two layers, called for each of three inputs."""
    tower = keras.Sequential([keras.Input((8,)), kl.Dense(8, "relu", name="a"), kl.Dense(8)])
    inputs = [keras.Input((8,)) for _ in range(3)]
    return keras.Model(inputs, kl.Concatenate()([tower(tensor) for tensor in inputs]))


class Unrolled(keras.Model):
    """One layer, called again and again."""

    def __init__(self, times):
        super().__init__()
        self.step, self.times = kl.Dense(8, "tanh", name="step"), times

    def call(self, x):
        for _ in range(self.times):
            x = self.step(x)
        return x


def test_every_call_of_a_nested_model_is_diagnosed():
    rows = rows_of(diagnose(triplet(), [X, X, X]))

    assert list(rows)[::2] == ["a", "a#2", "a#3"]
    assert all(np.isfinite(row.gradient_variance) for row in rows.values())


def test_tower_of_three_inputs_is_held_to_the_mean_of_its_calls():
    model = triplet()

    initialize(model, data=[X, 2 * X, 3 * X], seed=1)

    rows = rows_of(diagnose(model, [X, 2 * X, 3 * X]))
    variances = [row.before_variance for name, row in rows.items() if name.startswith("a")]
    # The three calls are the same signal times 1, 2 and 3, so they tell apart what is corrected.
    assert np.mean(variances) == pytest.approx(1, rel=0.01)


def test_loop_of_forty_calls_is_diagnosed():
    model = Unrolled(40)
    model(X)

    rows = rows_of(diagnose(model, X))

    assert len(rows) == 40
    assert all(np.isfinite(row.gradient_variance) for row in rows.values())


def test_loop_and_nested_model_are_watched_while_they_train():
    for model, x, calls in ((triplet(), [X, X, X], 6), (Unrolled(40), X, 40)):
        model.compile("sgd", "mse")
        outputs = np.zeros_like(ops.convert_to_numpy(model(x)))
        logger = ActivationVarianceLogger(on_problem=None, verbose=0)

        model.fit(x, outputs, batch_size=64, verbose=0, callbacks=[logger])

        assert len(logger.looks[0].layers) == calls


@pytest.mark.parametrize("masked", [False, True])
def test_padded_time_steps_do_not_count(masked):
    steps = np.random.default_rng(1).normal(size=(64, 10, 4)).astype("float32")
    steps[:, 6:] = 0
    inputs = keras.Input((10, 4))
    hidden = kl.Masking()(inputs) if masked else inputs
    model = keras.Model(inputs, kl.TimeDistributed(kl.Dense(5))(hidden))

    report = initialize(model, data=steps, seed=1)

    given = ops.convert_to_numpy(model(steps))
    kept = given[:, :6] if masked else given
    assert kept.var() == pytest.approx(1, rel=0.01)
    assert report.changes[0].reason.startswith("x ")
