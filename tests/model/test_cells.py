"""Recurrent layers corrected by a batch: their cells, one after the other."""

import keras
import numpy as np
import pytest
from chains import PERCENT
from keras import layers as kl
from keras import ops

from keras_initlab import initialize

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)


def inputs_step_by_step(cells, sequences):
    """What each cell of a stack gets, `(batch, steps, features)`, from steps made one by one."""
    states = [cell.get_initial_state(batch_size=len(sequences)) for cell in cells]
    seen = [[] for _ in cells]
    for x in np.moveaxis(sequences, 1, 0):
        for place, cell in enumerate(cells):
            seen[place].append(ops.convert_to_numpy(x))
            x, states[place] = cell(x, states[place])
    return [np.stack(steps, axis=1) for steps in seen]


@pytest.mark.parametrize("backwards", [False, True], ids=["forward", "backward"])
def test_stacked_cells_are_corrected_one_after_the_other(backwards):
    cells = [kl.LSTMCell(16), kl.StackedRNNCells([kl.GRUCell(12), kl.SimpleRNNCell(8)])]
    loop = kl.RNN(kl.StackedRNNCells(cells), go_backwards=backwards, name="loop")
    model = keras.Sequential([keras.Input((7, 12)), loop, kl.Dense(1, name="out")])
    batch = np.cumsum(RNG.normal(size=(128, 7, 12)), axis=1).astype("float32")

    report = initialize(model, data=batch, seed=1)

    flat = [cells[0], *cells[1].cells]
    seen = inputs_step_by_step(flat, batch[:, ::-1] if backwards else batch)
    for cell, inputs in zip(flat, seen, strict=True):
        sums = inputs.astype(np.float64) @ np.array(cell.kernel, np.float64)
        assert abs(sums.var() - 1) < PERCENT
    assert all("not corrected" not in change.reason for change in report.changes)


def test_masked_steps_of_stacked_cells_do_not_count():
    ids = keras.Input((None,), dtype="int32")
    cells = [kl.LSTMCell(16), kl.GRUCell(8)]
    x = kl.Embedding(50, 16, mask_zero=True, name="table")(ids)
    loop = kl.RNN(kl.StackedRNNCells(cells), go_backwards=True, name="loop")
    model = keras.Model(ids, kl.Dense(1, name="out")(loop(x)))
    batch = RNG.integers(1, 50, size=(64, 10))
    batch[:32, 6:] = 0

    initialize(model, data=batch, seed=1)

    vectors = np.array(model.get_layer("table").embeddings)[batch][:, ::-1]
    whole = inputs_step_by_step(cells, vectors[32:])[1]
    # Backwards the masked steps come first, and the state stays as it was.
    short = inputs_step_by_step(cells, vectors[:32, 4:])[1]
    rows = np.concatenate([whole.reshape(-1, 16), short.reshape(-1, 16)]).astype(np.float64)
    assert abs((rows @ np.array(cells[1].kernel, np.float64)).var() - 1) < PERCENT


@pytest.mark.parametrize("options", [{}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2}])
def test_convolutional_lstm_is_corrected(options):
    convolutional = kl.ConvLSTM2D(6, 3, name="a", **options)
    model = keras.Sequential(
        [keras.Input((4, 10, 10, 3)), convolutional, kl.Flatten(), kl.Dense(1, name="out")]
    )
    batch = 3 * RNG.normal(size=(32, 4, 10, 10, 3)).astype("float32")

    report = initialize(model, data=batch, seed=1)

    frames = batch.reshape(-1, 10, 10, 3)
    reach = {name: value for name, value in options.items() if name != "padding"}
    kernel = convolutional.cell.kernel
    sums = ops.conv(frames, kernel, padding=options.get("padding", "valid"), **reach)
    assert abs(ops.convert_to_numpy(sums).astype(np.float64).var() - 1) < PERCENT
    bias = np.array(convolutional.cell.bias).reshape(4, 6)
    assert bias.mean(axis=1).tolist() == [0, 1, 0, 0]
    assert all("not corrected" not in change.reason for change in report.changes)


@keras.saving.register_keras_serializable("tests")
class Residual(kl.StackedRNNCells):
    """Calls its cells in a way of its own."""

    def call(self, inputs, states, training=False, **kwargs):
        outputs, states = super().call(inputs, states, training=training, **kwargs)
        return outputs + inputs, states


@pytest.mark.parametrize("options", [{"initial_state": True}, {"cells": Residual}], ids=str)
def test_cells_that_cannot_be_followed_are_reported(options):
    make = options.get("cells", kl.StackedRNNCells)
    loop = kl.RNN(make([kl.GRUCell(12), kl.GRUCell(12)]), name="loop")
    inputs = keras.Input((7, 12))
    state = [ops.zeros_like(inputs[:, 0])] * 2 if "initial_state" in options else None
    model = keras.Model(inputs, kl.Dense(1, name="out")(loop(inputs, initial_state=state)))

    report = initialize(model, data=RNG.normal(size=(32, 7, 12)), seed=1)

    second = loop.cell.cells[1].kernel.path
    reasons = {change.path: change.reason for change in report.changes}
    assert "not corrected" in reasons[second]


class Named(keras.Model):
    """Gives a recurrent layer its sequences and their mask by name."""

    def __init__(self):
        super().__init__()
        self.loop = kl.RNN(kl.StackedRNNCells([kl.GRUCell(12), kl.GRUCell(8)]), name="loop")
        self.out = kl.Dense(1, name="out")

    def call(self, x):
        mask = ops.broadcast_to(ops.arange(7) < 4, (ops.shape(x)[0], 7))
        return self.out(self.loop(sequences=x, mask=mask))


def test_sequences_and_mask_may_be_given_by_name():
    model = Named()
    batch = RNG.normal(size=(256, 7, 12)).astype("float32")
    batch[:, 4:] *= 30
    model(batch[:1])

    initialize(model, data=batch, seed=1)

    first, second = model.loop.cell.cells
    inputs = inputs_step_by_step([first, second], batch[:, :4])
    for cell, values in zip((first, second), inputs, strict=True):
        sums = values.astype(np.float64) @ ops.convert_to_numpy(cell.kernel).astype(np.float64)
        assert abs(sums.var() - 1) < PERCENT
