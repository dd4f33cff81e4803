"""Training is the same, bit for bit, with and without the callback."""

import keras
import monitoring
import numpy as np
import pytest
from monitoring import TENSORFLOW, X, Y, compiled, fitted, logger_of

ALL = ("activations", "gradients", "weights", "updates")
WITHOUT_GRADIENTS = ("activations", "weights", "updates")

# XLA on TensorFlow fuses anew what the look at gradients reads: docs/callback.md.
MODES = {"default": ({}, ALL), "eager": ({"run_eagerly": True}, ALL)}
if TENSORFLOW:
    MODES["graph"] = {"jit_compile": False}, ALL
    MODES["xla"] = {"jit_compile": True}, WITHOUT_GRADIENTS


def rich_network(activation="tanh"):
    """Dropout, batch statistics, a table, a shared layer."""
    ids, inputs = keras.Input((3,), dtype="int32"), keras.Input((monitoring.INPUTS,))
    table = keras.layers.Embedding(30, 4, name="table")(ids)
    x = keras.layers.Concatenate()([keras.layers.Flatten()(table), inputs])
    x = keras.layers.Dense(24, "relu", name="a")(x)
    shared = keras.layers.Dense(24, activation, name="shared")
    x = shared(keras.layers.Dropout(0.3, seed=5)(shared(x)))
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model([ids, inputs], keras.layers.Dense(1, name="c")(x))


IDS = np.random.default_rng(1).integers(0, 30, size=(len(X), 3))


class Numbers(keras.callbacks.Callback):
    """Names of everything that the progress bar would show."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(dict(logs))


def trained(callbacks, activation="tanh", **options):
    keras.utils.set_random_seed(0)
    model = compiled(rich_network(activation), optimizer="adam", metrics=["mae"], **options)
    numbers = Numbers()
    history = fitted(
        model, *callbacks, numbers, x=[IDS, X], epochs=2, validation_data=([IDS, X], Y)
    )
    variables = [*model.variables, *model.optimizer.variables]
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    drawn = float(keras.random.uniform(()))
    return values, history.history, numbers.seen, drawn


@pytest.mark.parametrize("mode", MODES)
def test_training_is_bit_identical(mode, tmp_path):
    options, watch = MODES[mode]
    logger = logger_of(log_dir=tmp_path, watch=watch, histograms=True)

    plain = trained([], **options)
    watched = trained([logger], **options)

    assert len(logger.looks) == 12
    for one, other in zip(plain[0], watched[0], strict=True):
        np.testing.assert_array_equal(one, other)
    # Losses, metrics and their keys, of epochs and batches; and Keras's own seed.
    assert plain[1:] == watched[1:]


@pytest.mark.skipif(not TENSORFLOW, reason="XLA on TensorFlow")
def test_gradients_move_xla_by_no_more_than_its_rounding():
    states = []
    for callbacks in ([], [logger_of()]):
        model = compiled(jit_compile=True)
        fitted(model, *callbacks)
        states.append(model.get_weights())

    for one, other in zip(*states, strict=True):
        # Six steps of a rate of 0.05, each with a gradient that is rounded anew.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=6 * 0.05 * 6e-8)


@pytest.mark.skipif(not TENSORFLOW, reason="Grappler, of TensorFlow's graphs")
@pytest.mark.parametrize(
    ("watch", "identical"), [(ALL[1:], True), (ALL, False)], ids=["no activations", "all"]
)
def test_grappler_may_round_anew_where_constants_meet(watch, identical):
    # gelu's 0.5 and dropout's 1 / 0.7: Grappler multiplies them into one constant, unless the
    # tensor between the two is also looked at.
    plain = trained([], activation="gelu", jit_compile=False)
    watched = trained([logger_of(watch=watch)], activation="gelu", jit_compile=False)

    for one, other in zip(plain[0], watched[0], strict=True):
        if identical:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)


def test_fixed_batch_beside_the_live_one_changes_nothing():
    logger = logger_of(reference=[IDS[:8], X[:8]])

    plain = trained([])
    watched = trained([logger])

    assert len(logger.looks[3].by_layer("reference_variance")) == 6
    for one, other in zip(plain[0], watched[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert plain[1:] == watched[1:]
