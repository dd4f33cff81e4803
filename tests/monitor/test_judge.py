"""What happens when a problem is found: words, an error, an early end, a function, or silence."""

import warnings

import keras
import numpy as np
import pytest
from monitoring import INPUTS, compiled, fitted, is_clean, logger_of

from keras_initlab import ActivationVarianceLogger
from keras_initlab.monitor import Problem, SignalError, SignalWarning
from keras_initlab.monitor.judge import Judge

pytestmark = pytest.mark.once


def problem_of(*layers, rule="dead", what="activations", step=0):
    return Problem(rule, what, layers, step, 0.9, 0.5, f"{rule} {what} {'+'.join(layers)}")


def sick():
    """A network in which every unit is dead from the start."""
    inputs = keras.Input((INPUTS,))
    x = keras.layers.Dense(8, "relu", kernel_initializer="zeros", name="still")(inputs)
    return compiled(keras.Model(inputs, keras.layers.Dense(1, name="head")(x)))


def words_of(judge, *looks):
    """What is said over several looks."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for problems in looks:
            judge.hear(problems, None)
    assert all(warning.category is SignalWarning for warning in caught)
    return [str(warning.message) for warning in caught]


def test_problem_is_said_once_over_many_looks():
    said = words_of(Judge("warn"), *([(problem_of("a", step=step),) for step in range(50)]))

    assert said == ["dead activations a"]


def test_problem_that_spreads_is_not_said_again():
    said = words_of(Judge("warn"), [problem_of("a")], [problem_of("a", "b")], [problem_of("b")])

    assert said == ["dead activations a"]


def test_problem_of_another_layer_is_said():
    said = words_of(Judge("warn"), [problem_of("a")], [problem_of("b")])

    assert said == ["dead activations a", "dead activations b"]


@pytest.mark.parametrize("other", [{"rule": "saturated"}, {"what": "gradients"}])
def test_same_layer_is_named_again_for_another_thing(other):
    said = words_of(Judge("warn"), [problem_of("a")], [problem_of("a", **other)])

    assert len(said) == 2


def test_a_layer_that_is_dead_is_not_told_to_vanish_too():
    dead, gone = problem_of("a"), problem_of("a", rule="vanishing")

    assert words_of(Judge("warn"), [dead], [gone, problem_of("b", rule="collapsed")]) == [
        "dead activations a",
        "collapsed activations b",
    ]


def test_after_numbers_that_are_not_finite_a_judge_hears_nothing_until_the_next_fit():
    judge, broken = Judge("warn"), problem_of("a", rule="nonfinite")

    assert words_of(judge, [broken], [problem_of("b")]) == ["nonfinite activations a"]
    judge.begin()
    assert words_of(judge, [problem_of("b")]) == ["dead activations b"]


def test_fresh_judge_acts_the_same_and_has_said_nothing():
    judge = Judge("warn")
    words_of(judge, [problem_of("a")])

    fresh = judge.fresh()

    assert fresh.problems == []
    assert words_of(fresh, [problem_of("a")]) == ["dead activations a"]


def test_every_problem_is_remembered_also_behind_the_one_that_is_raised():
    judge = Judge("raise")

    with pytest.raises(SignalError) as caught:
        judge.hear((problem_of("a"), problem_of("b")), None)

    assert caught.value.problem == problem_of("a")
    assert judge.problems == [problem_of("a"), problem_of("b")]


def test_warning_in_fit_tells_layer_cause_and_fix():
    with pytest.warns(SignalWarning) as caught:
        fitted(sick(), logger_of(on_problem="warn"))

    texts = [str(warning.message) for warning in caught if warning.category is SignalWarning]
    assert len(texts) == len(set(texts))
    assert texts[0].splitlines()[1:] == [
        "keras_initlab · step 0 · still: 100% of the units are zero for every example",
        "the weights of still are all equal (Zeros)",
        "fix: kernel_initializer=HeNormal()",
    ]


def test_warning_is_the_default():
    assert ActivationVarianceLogger()._judge._on_problem == "warn"


def test_error_ends_fit_and_leaves_the_model_clean():
    model, logger = sick(), logger_of(on_problem="raise")

    with pytest.raises(SignalError, match="step 0, still: 100% of the units are zero"):
        fitted(model, logger)

    assert is_clean(model)
    assert len(logger.looks) == 1
    assert not logger.report.healthy


def test_stop_ends_fit_after_the_step_that_showed_the_problem():
    model, logger = sick(), logger_of(on_problem="stop")

    with pytest.warns(SignalWarning, match="step 0 · still"):
        fitted(model, logger, epochs=3)

    assert model.stop_training
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 1
    assert is_clean(model)


def test_function_receives_each_problem_and_nothing_else_happens():
    heard = []
    model, logger = sick(), logger_of(on_problem=heard.append)

    fitted(model, logger)

    assert heard == list(logger.report.problems)
    assert heard[0].rule == "dead"
    assert len(logger.looks) == 6


def test_error_of_the_function_ends_fit_and_leaves_the_model_clean():
    def refuse(problem):
        raise KeyError(problem.rule)

    model = sick()

    with pytest.raises(KeyError, match="dead"):
        fitted(model, logger_of(on_problem=refuse))

    assert is_clean(model)


def test_none_is_silent_and_keeps_problems_in_the_report():
    logger = logger_of(on_problem=None)

    fitted(sick(), logger)

    assert [problem.rule for problem in logger.report.problems] == ["dead"]
    assert not logger.looks[0].healthy


def wide_and_deep(**scheme):
    """A tower beside a table and a wide part, as in Cheng et al. 2016."""
    numbers, ids = keras.Input((INPUTS,)), keras.Input((1,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(20, 8, name="table")(ids))
    x = keras.layers.Concatenate()([x, numbers])
    for place in range(4):
        x = keras.layers.Dense(16, "relu", name=f"deep_{place}", **scheme)(x)
    wide = keras.layers.Embedding(20, 1, embeddings_initializer="zeros", name="wide")(ids)
    sums = [keras.layers.Dense(1, name="deep")(x), keras.layers.Flatten()(wide)]
    head = keras.layers.Activation("sigmoid")(keras.layers.Add()(sums))
    model = keras.Model([numbers, ids], head)
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
    return model


@pytest.mark.parametrize("scheme", ["zeros", keras.initializers.RandomNormal(stddev=0.003, seed=1)])
def test_weights_that_stop_a_tower_are_said_once_for_all_that_follows(scheme):
    heard, random = [], np.random.default_rng(0)
    logger = logger_of(on_problem=heard.append, update_freq=3)
    rows = [random.normal(size=(90, INPUTS)), random.integers(0, 20, (90, 1))]

    wide_and_deep(kernel_initializer=scheme).fit(
        rows, random.integers(0, 2, (90, 1)), 16, 4, verbose=0, callbacks=[logger]
    )

    [problem] = heard
    assert problem.cause in ("weights-equal", "weights-small")
    assert problem.code == "kernel_initializer=HeNormal()"
    later = {one.cause for look in logger.looks[1:] for one in look.problems}
    assert later == {problem.cause}


def test_second_fit_says_nothing_again():
    heard = []
    model, logger = sick(), logger_of(on_problem=heard.append)
    fitted(model, logger)
    said = len(heard)

    fitted(model, logger)

    assert len(logger.looks) == 12
    assert len(heard) == said


@pytest.mark.parametrize("on_problem", ["ignore", "", "Warn", 1, True, ["warn"]])
def test_other_answers_to_a_problem_are_refused(on_problem):
    with pytest.raises(ValueError, match=r"one of warn, raise, stop.*Received: on_problem="):
        ActivationVarianceLogger(on_problem=on_problem)
