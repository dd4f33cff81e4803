"""What happens when a problem is found: words, an error, an early end, a function, or silence."""

import warnings

import keras
import pytest
from monitoring import INPUTS, compiled, fitted, is_clean, logger_of

from keras_initlab import ActivationVarianceLogger
from keras_initlab.monitor import Problem, SignalError, SignalWarning
from keras_initlab.monitor.judge import Judge


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


@pytest.mark.parametrize("other", [{"rule": "collapsed"}, {"what": "gradients"}])
def test_same_layer_is_named_again_for_another_thing(other):
    said = words_of(Judge("warn"), [problem_of("a")], [problem_of("a", **other)])

    assert len(said) == 2


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
    assert "the weights of still are all equal (Zeros). Use HeNormal()." in texts[0]


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

    with pytest.warns(SignalWarning, match="step 0, still"):
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

    assert [problem.rule for problem in logger.report.problems] == ["dead", "stalled"]
    assert not logger.looks[0].healthy


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
