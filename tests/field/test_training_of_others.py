"""The checks on other people's models can fail."""

import itertools

import keras
import numpy as np
import pytest
from field.training_of_others import Example, check_tools, check_training
from monitoring import X, Y

from keras_initlab import ActivationVarianceLogger


def example(rate=0.1, layer=keras.layers.Dense, rows=10):
    model = keras.Sequential([layer(4), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return Example(model, X[:rows], Y[:rows])


class Hidden(keras.layers.Dense):
    """A layer that a pattern of the callback leaves out."""


def test_healthy_model_passes():
    check_training(example)
    check_tools(example)


def test_training_that_differs_in_the_last_bit_fails():
    rates = itertools.cycle([0.1, np.nextafter(np.float32(0.1), np.float32(1))])

    with pytest.raises(AssertionError, match="variable 0"):
        check_training(lambda: example(float(next(rates))))


def test_layer_that_is_not_seen_fails():
    with pytest.raises(AssertionError, match="Hidden"):
        check_training(lambda: example(layer=Hidden), layers=lambda each: type(each) is not Hidden)

    check_training(
        lambda: example(layer=Hidden),
        layers=lambda each: type(each) is not Hidden,
        unseen={"Hidden"},
    )


def test_full_last_batch_fails():
    with pytest.raises(AssertionError, match="partial"):
        check_training(lambda: example(rows=8))


def test_warning_of_ours_fails(monkeypatch):
    told = ActivationVarianceLogger.on_train_end

    def warned(self, logs=None):
        import warnings

        warnings.warn("keras_initlab could not do it", stacklevel=2)
        told(self, logs)

    monkeypatch.setattr(ActivationVarianceLogger, "on_train_end", warned)

    with pytest.raises(AssertionError, match="could not do it"):
        check_training(example)
