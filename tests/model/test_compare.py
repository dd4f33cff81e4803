"""Comparing schemes: what is trained, and what cannot be."""

import math
import random

import comparisons
import keras
import numpy as np
import pytest
from comparisons import (
    BATCH,
    DATA,
    EAGER,
    EPOCHS,
    ONE,
    SCHEMES,
    STEPS,
    TARGET,
    X,
    Y,
    built,
    by_hand,
    data_with,
    lines_of,
    run_of,
    whole,
)

from keras_initlab import HeNormal, Scaled, initialize
from keras_initlab.model.comparing.compare import compare
from keras_initlab.model.comparing.request import labelled

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return whole(tmp_path_factory.mktemp("comparison"))


def test_runs_are_all_schemes_with_all_seeds_in_order(comparison):
    runs = [(run.scheme, run.seed) for run in comparison.runs]

    assert runs == [(scheme, seed) for scheme in SCHEMES for seed in (0, 1)]


def test_labels_say_what_a_scheme_is_made_of():
    schemes = [Scaled(HeNormal(), 0.5), Scaled("he_normal", 2.0), "zeros", None, HeNormal]

    assert list(labelled(schemes)) == [
        *("Scaled(HeNormal, 0.5)", "Scaled(HeNormal, 2)", "zeros", "as built", "HeNormal"),
    ]


@pytest.mark.parametrize("seed", [0, 1])
def test_run_is_what_fit_does_with_its_seed(comparison, seed):
    _, history = by_hand(seed, validation_data=(X[:32], Y[:32]))

    run = run_of(comparison, "as built", seed)

    assert run.status == "finished"
    assert run.steps == (STEPS, 2 * STEPS)
    assert set(run.history) == {"loss", "mae", "val_loss", "val_mae"}
    for name, values in history.items():
        np.testing.assert_allclose(run.history[name], values, rtol=1e-5)


@pytest.mark.parametrize("data", [DATA, (X, Y), lambda: (X, Y)], ids=["mapping", "tuple", "made"])
def test_corrected_scheme_sees_the_training_data_and_their_labels(data):
    # All in one batch, so that it does not matter how they are shuffled.
    run = compare(built, ["corrected"], data, **{**ONE, "batch_size": len(X)}).runs[0]

    model = built()
    initialize(model, data=(X, Y), seed=0)
    a = np.maximum(X @ np.array(model.get_layer("a").kernel), 0)
    b = a @ np.array(model.get_layer("b").kernel)
    assert run.error == ""
    # Labels make the output a tenth as wide as they are, which it would not be without.
    assert b.var() == pytest.approx(Y.var() / 100, rel=0.02)
    assert run.first_variance == pytest.approx({"a": a.var(), "b": b.var()}, rel=1e-4)


def test_first_look_is_the_signal_of_the_untrained_model(comparison):
    weights, _ = by_hand()
    a = np.maximum(X[:BATCH] @ weights[0] + weights[1], 0)
    b = a @ weights[2] + weights[3]

    run = run_of(comparison, "as built")

    expected = {"a": a.var(), "b": b.var()}
    assert run.first_variance == pytest.approx(expected, rel=1e-4)
    assert set(run.last_variance) == {"a", "b"}
    assert run.last_variance != run.first_variance


def test_schemes_and_seeds_make_different_weights(comparison):
    losses = {run.history["loss"] for run in comparison.runs if run.status == "finished"}

    assert len(losses) == 4


def test_scheme_that_raises_is_told_and_the_others_go_on(comparison):
    run = run_of(comparison, "broken")

    assert run.status == "failed"
    assert run.error.startswith("ValueError: ")
    assert not run.history
    assert not run.healthy


def test_run_whose_loss_is_lost_is_stopped_at_once(comparison):
    run = run_of(comparison, "huge")

    assert run.status == "diverged"
    assert len(run.steps) == 1
    assert run.steps[0] < STEPS
    assert run.first_problems
    assert not run.healthy


def test_generators_of_the_caller_stay_as_they_were():
    random.seed(5)
    np.random.seed(5)
    expected = random.random(), np.random.rand()
    random.seed(5)
    np.random.seed(5)

    compare(built, [None], DATA, **{**ONE, "epochs": 1})

    assert (random.random(), np.random.rand()) == expected


def test_data_may_come_from_a_function_and_with_weights():
    data = X, Y, np.zeros(len(X))

    (run,) = compare(built, [None], lambda: data, **{**ONE, "epochs": 1}).runs

    assert run.metrics["loss"] == 0
    assert run.metrics["mae"] > 0


def unnamed():
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=EAGER)
    return model


def test_weights_do_not_depend_on_the_names_that_keras_gives():
    options = {**ONE, "epochs": 1}

    first, second = (compare(unnamed, ["auto"], DATA, **options).runs[0] for _ in range(2))

    assert list(first.first_variance) != list(second.first_variance)
    assert first.history == second.history


def trained():
    model = built()
    for variable in model.trainable_variables:
        variable.assign(variable + 1)
    return model


def test_scheme_that_leaves_all_weights_alone_is_told():
    (run,) = compare(trained, ["he_normal"], DATA, **ONE).runs

    assert run.status == "failed"
    assert "must draw at least one weight" in run.error


def test_steps_to_target_of_validation_are_counted_in_epochs(comparison):
    for run in comparison.runs:
        reached = [
            step
            for step, loss in zip(run.steps, run.history.get("val_loss", ()), strict=False)
            if loss <= TARGET
        ]
        assert run.steps_to_target == (reached[0] if reached else None)
    assert run_of(comparison, "as built").steps_to_target


class Running(keras.callbacks.Callback):
    """The running loss after each step."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_batch_end(self, batch, logs=None):
        comparisons.note(self.path, float(logs["loss"]))


def test_steps_to_target_of_training_hold_to_the_end_of_the_epoch(tmp_path):
    path = str(tmp_path / "losses")
    compare(built, [None], data_with(Running(path)), **ONE)
    losses = np.array([float(line) for line in lines_of(path)]).reshape(EPOCHS, STEPS)
    # Met at the end of the second epoch, and not of the first one.
    target = float(losses[1, -1]) * 1.0001
    assert losses[0, -1] > target
    missed = np.flatnonzero(losses[1] > target)
    expected = STEPS + (missed[-1] + 1 if len(missed) else 0) + 1

    run = compare(built, [None], DATA, target=target, **ONE).runs[0]

    assert run.monitor == "loss"
    assert run.steps_to_target == expected


def classifier():
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(1, "sigmoid", name="c")])
    options = {"metrics": ["accuracy"], "run_eagerly": EAGER}
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", **options)
    return model


def test_target_of_a_metric_of_which_more_is_better_is_reached_from_below():
    labels = (X[:, :1] > 0).astype("float32")
    options = {**ONE, "epochs": 6, "monitor": "accuracy"}

    low = compare(classifier, [None], (X, labels), target=0.85, **options).runs[0]
    high = compare(classifier, [None], (X, labels), target=1.01, **options).runs[0]

    first = next(k for k, value in enumerate(low.history["accuracy"]) if value >= 0.85)
    before = low.steps[first - 1] if first else 0
    assert before < low.steps_to_target <= low.steps[first]
    assert high.steps_to_target is None


def uncompiled():
    return keras.Sequential([keras.Input((12,)), keras.layers.Dense(1)])


def unbuilt():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"schemes": []}, ValueError, "at least one scheme. Received: schemes="),
        ({"schemes": "zeros"}, TypeError, "a list of schemes"),
        ({"schemes": ["zeros", "zeros"]}, ValueError, "must have different labels"),
        ({"schemes": {1: "zeros"}}, TypeError, "must be strings"),
        ({"seeds": 0}, ValueError, "at least 1.* Received: seeds=0"),
        ({"seeds": [1, 1]}, ValueError, "different"),
        ({"seeds": [-1]}, ValueError, "Received: seeds="),
        ({"seeds": True}, ValueError, "Received: seeds=True"),
        ({"epochs": 0}, ValueError, "Received: epochs=0"),
        ({"batch_size": 1.5}, ValueError, "Received: batch_size=1.5"),
        ({"target": math.nan}, ValueError, "Received: target=nan"),
        ({"target": "low"}, ValueError, "Received: target='low'"),
        ({"build_model": 3}, TypeError, "type int"),
        ({"build_model": dict}, TypeError, "compiled Keras model. Received: .* dict"),
        ({"build_model": uncompiled}, TypeError, "compiled=False"),
        ({"build_model": unbuilt}, ValueError, "built=False. Try `keras.Input"),
        ({"data": None}, TypeError, "Received: data=None"),
        ({"data": {**DATA, "epochs": 3}}, ValueError, "Received: data with epochs"),
        ({"executor": 3}, TypeError, "type int"),
        ({"monitor": "val_loss"}, ValueError, "a validation metric"),
        ({"monitor": "auc"}, ValueError, "metrics that `fit` logs: loss, mae. Received"),
        ({"directory": __file__}, ValueError, "must be a directory"),
    ],
)
def test_bad_input_is_refused(change, error, words):
    arguments = {"build_model": built, "schemes": [None], "data": DATA, **ONE}

    with pytest.raises(error, match=words):
        compare(**{**arguments, **change})


def distance(y, z):
    return keras.ops.mean(keras.ops.abs(y - z))


def with_own_metric():
    model = built()
    model.compile("sgd", "mse", metrics=[distance], run_eagerly=EAGER)
    return model


def test_target_of_a_metric_that_keras_does_not_know_is_refused():
    options = {**ONE, "monitor": "distance", "target": 0.1}

    with pytest.raises(ValueError, match="higher is better"):
        compare(with_own_metric, [None], DATA, **options)
