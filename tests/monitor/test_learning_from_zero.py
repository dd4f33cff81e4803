"""Zero weights are no problem where they can learn: logistic regression, a wide part."""

import keras
import numpy as np
from keras import layers
from monitoring import compiled, fitted, logger_of

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 9, size=(64, 1))
X = RNG.normal(size=(64, 6)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")


def wide_and_deep(deep_initializer):
    ids, inputs = keras.Input((1,), dtype="int32"), keras.Input((6,))
    wide = layers.Embedding(9, 4, embeddings_initializer="zeros", name="wide")(ids)
    x = inputs
    for number in range(3):
        x = layers.Dense(64, "relu", kernel_initializer=deep_initializer, name=f"deep_{number}")(x)
    both = layers.Concatenate()([layers.Flatten()(wide), x])
    model = keras.Model([ids, inputs], layers.Dense(1, name="score")(both))
    # A rate at which no unit dies in these few steps, whatever was drawn.
    return compiled(model, optimizer=keras.optimizers.SGD(0.001))


def test_zero_table_of_a_wide_part_is_healthy():
    keras.utils.set_random_seed(0)
    logger = logger_of()

    fitted(wide_and_deep("he_normal"), logger, x=[IDS, X], y=Y)

    assert logger.report.healthy, [problem.text for problem in logger.report.problems]


def test_zero_layers_of_a_deep_part_are_dead():
    logger = logger_of()

    fitted(wide_and_deep("zeros"), logger, x=[IDS, X], y=Y)

    dead = next(problem for problem in logger.report.problems if problem.rule == "dead")
    assert dead.layers == ("deep_0", "deep_1", "deep_2")
    assert "all equal" in dead.text


def test_logistic_regression_from_zero_is_healthy():
    inputs = keras.Input((6,))
    score = layers.Dense(1, "sigmoid", kernel_initializer="zeros", name="score")(inputs)
    model = compiled(keras.Model(inputs, score), loss="binary_crossentropy")
    logger = logger_of()

    fitted(model, logger, x=X, y=Y)

    assert logger.report.healthy, [problem.text for problem in logger.report.problems]
