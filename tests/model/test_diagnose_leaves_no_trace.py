"""`diagnose` leaves a model as it was."""

import keras
import numpy as np
import pytest
from chains import rows_of
from keras import layers as kl
from keras import ops
from monitoring import X, Y, compiled, is_clean, network

from keras_initlab import diagnose


def values_of(model):
    """Every variable there is, as numbers."""
    held = [*model.variables, *model.metrics_variables]
    held += [] if model.optimizer is None else model.optimizer.variables
    return [np.array(ops.convert_to_numpy(variable)) for variable in held]


def rich_model():
    """Batch statistics, a seed, two outputs, and a regularizer."""
    inputs = keras.Input((12,), name="x")
    x = kl.Dense(16, "relu", kernel_regularizer="l2", name="one")(inputs)
    x = kl.BatchNormalization(name="norm")(x)
    x = kl.Dropout(0.5, seed=3, name="drop")(x)
    outputs = {"p": kl.Dense(1, name="p")(x), "q": kl.Dense(2, name="q")(x)}
    model = keras.Model(inputs, outputs)
    model.compile("adam", {"p": "mse", "q": "mae"}, metrics={"p": ["mae"]})
    return model


LABELS = {"p": Y, "q": np.repeat(Y, 2, axis=1)}


@pytest.mark.parametrize("trained", [False, True], ids=["fresh", "trained"])
def test_model_stays_as_it_was_bit_for_bit(trained):
    model = rich_model()
    if trained:
        model.fit(X, LABELS, verbose=0)
    before, loss = values_of(model), model._compile_loss

    report = diagnose(model, (X, LABELS))

    after = values_of(model)
    assert len(before) == len(after)
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert model._compile_loss is loss
    assert is_clean(model)
    assert {"one", "norm", "p", "q"} == set(rows_of(report))


def test_training_goes_on_as_if_nobody_had_looked():
    histories = []
    for looked in (False, True):
        keras.utils.set_random_seed(7)
        model = rich_model()
        if looked:
            diagnose(model, (X, LABELS))
        histories.append(model.fit(X, LABELS, epochs=2, verbose=0).history)

    assert histories[0] == histories[1]


def test_losses_that_layers_have_added_stay():
    inputs = keras.Input((12,))
    x = kl.Dense(4, activity_regularizer="l2")(inputs)
    model = keras.Model(inputs, kl.Dense(1)(x))
    model(X)
    before = [ops.convert_to_numpy(loss).tolist() for loss in model.losses]

    diagnose(model)

    assert [ops.convert_to_numpy(loss).tolist() for loss in model.losses] == before
    assert before


def test_labels_without_a_compiled_loss_are_noted():
    model = network()
    model.compile("adam")

    report = diagnose(model, (X, Y))

    assert "no loss is compiled" in report.notes[0]


def test_model_is_clean_after_an_error():
    class Broken(kl.Layer):
        def call(self, x, training=False):
            if training:
                raise RuntimeError("broken on purpose")
            return x

    model = compiled(keras.Sequential([keras.Input((12,)), kl.Dense(4), Broken()]))
    loss = model._compile_loss

    with pytest.raises(RuntimeError, match="on purpose"):
        diagnose(model, (X, X[:, :4]))

    assert is_clean(model)
    assert model._compile_loss is loss
