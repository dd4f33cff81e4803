"""The first step that is not finite: its cause, layer, step and rows, at the default schedule."""

import keras
import numpy as np
import pytest
from grids import over
from keras import layers, ops
from monitoring import MODES, TORCH

from keras_initlab import ActivationVarianceLogger
from keras_initlab.signal.origin import Counted, Moved, Origin, problem_of_origin

# Between two snapshots of the default schedule.
STEP, BATCH, WIDTH = 37, 16, 6
ROWS = (STEP + 9) * BATCH - 5
ROW = STEP * BATCH + 5


class Log(layers.Layer):
    def call(self, x):
        return ops.log(x)


class RootOfNothing(layers.Layer):
    """Adds 0, whose slope is infinite."""

    def call(self, x):
        return x + ops.sqrt(0.0 * ops.relu(x))


class Leap(keras.optimizers.schedules.LearningRateSchedule):
    """An infinite rate at the third update."""

    def __call__(self, step):
        return ops.where(ops.cast(step, "float32") > 1.5, np.inf, 1e-3)


def data(seed=0, sign=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, WIDTH)).astype("float32")
    return (np.abs(x) + 0.1 if sign else x), rng.normal(size=(ROWS, 1)).astype("float32")


def network(*between):
    return keras.Sequential(
        [
            keras.Input((WIDTH,)),
            *between[:1],
            layers.Dense(8, "relu", name="first"),
            *between[1:],
            layers.Dense(8, "tanh", name="second"),
            layers.Dense(1, name="head"),
        ]
    )


def of_input(value=np.nan):
    x, y = data()
    x[ROW, 2] = x[ROW + 3, 0] = value
    return network(), x, y


def of_label():
    x, y = data()
    y[ROW] = np.nan
    return network(), x, y


def of_layer():
    x, y = data(sign=True)
    x[ROW, 2] = -1
    return network(Log(name="log")), x, y


def of_operation():
    x, y = data(sign=True)
    x[ROW, 2] = -1
    inputs = keras.Input((WIDTH,))
    h = layers.Dense(8, "relu", name="first")(ops.log(inputs))
    return keras.Model(inputs, layers.Dense(1, name="head")(h)), x, y


def of_table():
    _, y = data()
    ids = np.random.default_rng(1).integers(0, 50, size=(ROWS, 3))
    inputs = keras.Input((3,), dtype="int32")
    vectors = layers.Flatten()(layers.Embedding(50, 4, name="table")(inputs))
    y[ROW] = np.inf
    return keras.Model(inputs, layers.Dense(1, name="head")(vectors)), ids, y


def of_two_inputs():
    x, y = data()
    x[ROW, 2] = np.inf
    one, two = keras.Input((WIDTH,), name="one"), keras.Input((WIDTH,), name="two")
    sides = [layers.Dense(4, "tanh", name=f"to_{side.name}")(side) for side in (one, two)]
    model = keras.Model([one, two], layers.Dense(1, name="head")(layers.Concatenate()(sides)))
    return model, [data(3)[0], x], y


FORWARD = [
    (of_input, "inputs", "first", ", in rows 5, 8;"),
    (of_label, "labels", "head", "1 NaN or infinite number in the label, in row 5;"),
    (of_layer, "activations", "log", "log (Log): its input is finite, but"),
    (of_operation, "activations", "first", "an operation between the layers, in row 5;"),
    (of_table, "labels", "head", "in the label, in row 5;"),
    (of_two_inputs, "inputs", "to_two", "in the input 1, in row 5;"),
]


def told(model, x, y, **options):
    """What is said of a training, with the default schedule."""
    logger = ActivationVarianceLogger(on_problem=None)
    model.compile(**{"optimizer": "adam", "loss": "mse", **options})
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[logger])
    return [problem for problem in logger.report.problems if problem.rule == "nonfinite"]


def check_forward(plant, what, layer, text, mode):
    (problem,) = told(*plant(), **MODES[mode])
    assert (problem.step, problem.what, problem.layers) == (STEP, what, (layer,))
    assert f"step {STEP}, " in problem.text
    assert text in problem.text


@over(FORWARD)
def test_step_layer_and_rows_of_the_first_cause_are_named(plant, what, layer, text):
    """One problem, though the next steps are all NaN, and snapshots are 100 steps apart."""
    check_forward(plant, what, layer, text, next(iter(MODES)))


# The usual mode, and the one that is furthest from it; another test has them all.
ENDS = [next(iter(MODES)), "eager"]


@over(mode=list(MODES)[1:])
def test_the_first_cause_is_named_in_every_mode(mode):
    check_forward(*FORWARD[2], mode)


@over(mode=ENDS)
def test_a_gradient_without_a_slope_is_sought_behind_the_last_weight_that_has_it(mode):
    x, y = data()
    (problem,) = told(network(layers.Identity(), RootOfNothing(name="root")), x, y, **MODES[mode])
    assert (problem.step, problem.what, problem.layers) == (0, "gradients", ("root",))
    assert "an operation in root has no finite slope" in problem.text


@over(mode=ENDS)
def test_an_update_that_breaks_a_weight_is_told_in_its_own_step(mode):
    """Loss and activations show it one step later."""
    x, y = data()
    optimizer = keras.optimizers.Adam(Leap())
    (problem,) = told(network(), x, y, optimizer=optimizer, **MODES[mode])
    assert (problem.step, problem.what, problem.layers) == (2, "weights", ("first",))


def test_a_rate_that_is_too_high_is_the_cause_of_an_overflow():
    x, y = data()
    (problem,) = told(network(), 10 * x, y, optimizer=keras.optimizers.SGD(1e6))
    assert 0 < problem.step < 9
    assert "the signal has grown to" in problem.text
    assert "lower the learning rate" in problem.text


def test_a_loss_that_is_not_finite_by_itself():
    x, y = data()
    (problem,) = told(network(), x, y, loss=lambda y, p: ops.mean(y * ops.log(p - 100)))
    assert (problem.step, problem.what) == (0, "loss")


def test_a_good_training_is_called_so_and_overflows_of_a_loss_scaler_are_meant():
    x, y = data()
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=2.0**126)
    assert told(network(), x, y, optimizer=scaled) == []


@pytest.mark.skipif(TORCH, reason="torch runs one step per execution")
def test_several_steps_in_one_execution_are_each_checked():
    (problem,) = told(*of_input(), steps_per_execution=7)
    assert problem.step == STEP


def test_it_is_said_in_the_batch_that_has_it_and_nothing_is_said_after_it():
    x, y = of_input()[1:]
    heard = []

    class Counting(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            heard.append((batch, len(logger.report.problems)))

    model, logger = network(), ActivationVarianceLogger(update_freq=1, on_problem=None)
    model.compile("adam", "mse")
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "epochs": 2}
    model.fit(x, y, callbacks=[logger, Counting()], **options)
    assert dict(heard[: STEP + 9])[STEP] == 1
    assert len(logger.report.problems) == 1


@pytest.mark.once
def test_the_log_has_it_as_a_record_of_its_own(tmp_path):
    looks = []
    logger = ActivationVarianceLogger(sink=looks, on_problem="stop")
    model, x, y = of_input()
    model.compile("adam", "mse")
    with pytest.warns(UserWarning, match=f"step {STEP} · first: the batch has 2 NaN"):
        history = model.fit(
            x, y, batch_size=BATCH, shuffle=False, verbose=0, epochs=3, callbacks=[logger]
        )
    assert [(look.step, len(look.sections) > 0) for look in looks] == [(0, True), (STEP, False)]
    assert len(history.history["loss"]) == 1
    assert [look.step for look in logger.looks] == [0]


@pytest.mark.once
def test_a_fit_after_it_listens_again():
    model, x, y = of_input()
    logger = ActivationVarianceLogger(on_problem=None)
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "callbacks": [logger]}
    weights = model.get_weights()
    model.compile("adam", "mse")
    model.fit(x, y, **options)
    model.set_weights(weights)
    for variable in model.optimizer.variables[2:]:
        variable.assign(np.zeros(variable.shape))
    _, *others = of_label()
    model.fit(*others, **options)
    found = [(problem.step, problem.what) for problem in logger.report.problems]
    assert found == [(STEP, "inputs"), (2 * STEP + 9, "labels")]


@pytest.mark.once
def test_a_row_of_another_axis_is_no_row_of_the_batch():
    wrong = Counted("d", "Dense", 0, 4, 1, (3,), 64)
    text = problem_of_origin(Origin(5, True, (), (wrong,), (), length=16, replica=1)).text
    assert text.startswith("step 5 on replica 1, d (Dense): its input is finite")
    assert "row" not in text


@pytest.mark.once
def test_gradients_are_told_by_the_weight_that_stands_last_on_the_way():
    calls = tuple(Counted(name, "Dense", 0, 0, 0, (), 16) for name in "abcd")
    weights = (Moved("b", "kernel", 2, 2), Moved("a", "kernel", 4, 4), Moved("d", "kernel", 0, 0))
    problem = problem_of_origin(Origin(5, False, (), calls, weights))
    assert problem.layers == ("c",)
    assert problem.text.startswith("step 5, b/kernel: the loss is finite, but the gradient has 2")
