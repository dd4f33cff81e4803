"""Causes that are told of real trainings."""

import keras
import monitoring
import pytest
from monitoring import BATCH, INPUTS, WIDTH, X, compiled, fitted, logger_of

pytestmark = pytest.mark.once


def deep(scheme, activation="relu"):
    inputs = x = keras.Input((INPUTS,))
    for name in "abc":
        x = keras.layers.Dense(WIDTH, activation, kernel_initializer=scheme, name=name)(x)
    return compiled(keras.Model(inputs, keras.layers.Dense(1, name="head")(x)))


def test_zeros_through_a_deep_relu_network_are_reported_with_layer_and_fix():
    logger = logger_of()

    fitted(deep("zeros"), logger, x=X[: 2 * BATCH], y=monitoring.Y[: 2 * BATCH])

    report = logger.report
    assert not report.healthy
    assert [each.rule for each in report.problems] == ["dead"]
    first = report.problems[0]
    assert (first.layers, first.step) == (("a", "b", "c"), 0)
    assert "the weights of a are all equal (Zeros): use HeNormal()." in first.text


def test_equal_weights_before_tanh_are_reported_as_collapsed():
    logger = logger_of(update_freq=100)

    fitted(deep(keras.initializers.Constant(0.1), "tanh"), logger)

    # The output is drawn anew each time: where its weights nearly cancel, a gradient vanishes too.
    (problem,) = [each for each in logger.report.problems if each.rule == "collapsed"]
    assert (problem.rule, problem.layers, problem.step) == ("collapsed", ("a", "b", "c"), 0)
    assert "the weights of a are all equal (Constant): use LecunNormal()." in problem.text


def test_network_with_fitting_weights_is_healthy():
    logger = logger_of()

    fitted(compiled(), logger)

    assert len(logger.looks) == 6
    assert logger.report.healthy
