"""Causes that are told of real trainings."""

import keras
import monitoring
import numpy as np
import pytest
from monitoring import BATCH, INPUTS, WIDTH, X, compiled, fitted, logger_of

from keras_initlab._wire import SECTIONS

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


def fitted_to_a_margin(output, loss):
    """A small network that separates two classes by a wide gap, and stays there."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 8)).astype("float32")
    x = x[np.abs(x[:, 0]) > 0.5]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Dense(32, "relu"), keras.layers.Dense(32, "relu"), output]
    )
    model.compile(keras.optimizers.SGD(0.1), loss)
    logger = logger_of(update_freq=5)
    history = model.fit(x, np.sign(x[:, :1]), epochs=60, verbose=0, callbacks=[logger])
    return history.history["loss"][-1], logger


def test_loss_that_has_nothing_left_to_correct_is_no_stall():
    loss, logger = fitted_to_a_margin(keras.layers.Dense(1), "hinge")

    last = logger.looks[-1].sections["weights"]
    gradients = last.values[:, SECTIONS["weights"].index("gradient_norm")]
    assert loss == 0
    assert not gradients.any()
    assert logger.report.healthy


def test_output_that_gives_zero_for_every_example_still_lets_no_gradient_through():
    dead = keras.layers.Dense(
        1, "relu", bias_initializer=keras.initializers.Constant(-50), name="end"
    )

    _, logger = fitted_to_a_margin(dead, "hinge")

    (problem,) = logger.report.problems
    assert (problem.rule, problem.cause, problem.layers[-1]) == ("stalled", "zero-gradient", "end")


def test_weights_behind_a_vanishing_signal_do_not_need_a_higher_rate():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(96, INPUTS)).astype("float32")
    keras.utils.set_random_seed(0)
    small = keras.initializers.RandomNormal(stddev=1e-3)
    model = keras.Sequential(
        [keras.layers.Dense(16, "relu", kernel_initializer=small) for _ in range(6)]
    )
    model.add(keras.layers.Dense(1))
    model.compile("adam", "mse")
    logger = logger_of(update_freq=1)

    model.fit(x, x[:, :1], batch_size=16, epochs=2, verbose=0, callbacks=[logger])

    told = [problem for look in logger.looks for problem in look.problems]
    assert "stalled" in {problem.rule for problem in told}
    assert {problem.cause for problem in told} == {"weights-small"}
