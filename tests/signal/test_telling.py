"""What a problem says of its cause: three lines for a console, and code that runs."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from monitoring import logger_of

import keras_initlab
from keras_initlab import diagnose, lint
from keras_initlab._wire import Problem, decode_problems, encode_problems
from keras_initlab.signal.telling import (
    Cause,
    behind_causes,
    behind_lasting,
    block_of,
    following,
    lasting,
    told,
)

pytestmark = pytest.mark.once

ROWS = 203
RNG = np.random.default_rng(0)

BARE = Problem("vanishing", "activations", ("deep_3", "logit"), 7, 7e-15, 1e-4, "")
CAUSE = Cause(
    "weights-small",
    "deep_3 (RandomNormal) has weights of variance 0.027 / fan_in where relu needs "
    "2 / fan_in to hold the signal, and so a reason is long enough for a second line",
    "use HeNormal()",
    "kernel_initializer=HeNormal()",
    {"needed_variance": 2.0},
)
SEEN = "deep_3 to logit (5 layers): signal vanishing, variance 7e-15"


def test_a_block_has_a_headline_a_reason_and_a_fix_in_100_columns():
    lines = block_of(told(BARE, SEEN, CAUSE)).splitlines()

    assert lines[0] == f"keras_initlab · step 7 · {SEEN}"
    assert lines[1].startswith("deep_3 (RandomNormal) has weights")
    assert lines[2].startswith("    ")
    assert lines[3:] == ["fix: kernel_initializer=HeNormal()"]
    assert max(map(len, lines)) <= 100


def test_colours_change_no_word():
    problem = told(BARE, SEEN, CAUSE)
    coloured = block_of(problem, colour=True)

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == block_of(problem)


@pytest.mark.parametrize(
    ("fix", "code", "line"),
    [
        ("begin them at zero", 'bias_initializer="zeros"', 'zero: bias_initializer="zeros"'),
        ("lower the learning rate", "", "fix: lower the learning rate"),
        ('use "tanh" (activation="tanh")', 'activation="tanh"', '(activation="tanh")'),
    ],
)
def test_the_fix_has_words_where_the_code_alone_does_not_say_it(fix, code, line):
    block = block_of(told(BARE, SEEN, Cause("bias-dead", "it is so", fix, code)))

    assert block.endswith(line)


def test_a_problem_keeps_all_that_was_said_on_its_way_through_a_log():
    problem = told(BARE, SEEN, CAUSE, "step 7, ")

    assert decode_problems(encode_problems([problem])) == [problem]
    assert problem.text == f"step 7, {SEEN}; {CAUSE.reason}: use HeNormal()."
    assert (problem.cause, problem.where, problem.symptoms) == (CAUSE.id, "deep_3", (SEEN,))
    assert problem.evidence == {"needed_variance": 2.0}


@pytest.mark.parametrize(
    "field", ['"cause": 3', '"symptoms": [3]', '"evidence": {"x": "y"}', '"evidence": {"x": true}']
)
def test_foreign_logs_may_hold_anything_there(field):
    content = encode_problems([BARE]).decode()
    name = field.split(":")[0]
    broken = re.sub(rf"{name}: (null|\[\]|\{{\}})", field, content)

    with pytest.raises(ValueError, match=name.strip('"')):
        decode_problems(broken.encode())


def test_words_of_a_foreign_name_are_escaped():
    problem = told(BARE, "a\x1b[31m", Cause(None, "b\nc", "d\x07", "e\r"))

    assert block_of(problem).count("\n") == 2
    assert not re.search("[\x00-\x09\x0b-\x1f]", block_of(problem) + problem.text)


def test_symptoms_are_told_with_what_is_wrong_with_the_data():
    data = told(BARE, "the labels are large", Cause("label-scale", "they drown it", "divide them"))
    signal = told(BARE, SEEN, CAUSE)

    assert behind_causes((), (signal,)) == (signal,)
    (both,) = behind_causes((data,), (signal, signal))
    assert both.symptoms == ("the labels are large", SEEN, SEEN)
    assert both.text.endswith("divide them. Seen as vanishing activations in deep_3.")


@pytest.mark.parametrize(("cause", "kept"), [("rate-high", False), ("input-nonfinite", True)])
def test_what_comes_later_is_put_down_to_the_data_unless_its_cause_is_sure(cause, kept):
    data = told(BARE, "the labels are large", Cause("label-scale", "they drown it", "divide them"))
    later = told(BARE, SEEN, Cause(cause, "it is so", "clip the gradient"))

    found = following(later, data)
    assert found.cause == (cause if kept else "label-scale")
    assert ("clip" in found.text) == kept


# --- the advice for models can be typed in -------------------------------------------------------


def stack(activation, scheme, depth=8, bias="zeros"):
    hidden = [
        layers.Dense(32, activation, kernel_initializer=scheme, bias_initializer=bias)
        for _ in range(depth)
    ]
    return keras.Sequential([keras.Input((32,)), *hidden, layers.Dense(1)])


def residual():
    x = inputs = keras.Input((32,))
    for _ in range(20):
        h = layers.Dense(32, "relu", kernel_initializer="he_normal")(x)
        x = layers.Add()([x, layers.Dense(32, kernel_initializer="he_normal")(h)])
    return keras.Model(inputs, layers.Dense(1)(x))


def normal(stddev, mean=0.0):
    return keras.initializers.RandomNormal(mean, stddev)


BROKEN = {
    "weights-small": (lambda: stack("relu", normal(0.01)), 1.0),
    "weights-large": (lambda: stack("relu", normal(2.0)), 1.0),
    "weights-equal": (lambda: stack("relu", "zeros"), 1.0),
    "weights-mean": (lambda: stack("relu", normal(0.05, mean=0.3)), 1.0),
    "bias-dead": (lambda: stack("relu", "he_normal", 3, keras.initializers.Constant(-9.0)), 1.0),
    "saturating": (lambda: stack("sigmoid", "glorot_uniform"), 1.0),
    "residual-growth": (residual, 1.0),
    "input-scale": (lambda: stack("relu", "he_normal", 2), 1e4),
}


def runs(code):
    """Evaluates arguments of a layer, or an expression, as a reader would type them."""
    names = {name: getattr(keras_initlab, name) for name in keras_initlab.__all__}
    names |= {"keras": keras, "keras_initlab": keras_initlab, "labels": np.array([0, 1, 1])}
    arguments = eval(f"dict({code})" if "=" in code.split("(")[0] else f"dict(x={code})", names)
    for name, value in arguments.items():
        if name.endswith("initializer"):
            assert keras.initializers.get(value)((4, 4), "float32").shape == (4, 4)
    return arguments


@pytest.mark.parametrize("cause", BROKEN)
def test_cause_is_named_and_its_code_runs(cause):
    build, scale = BROKEN[cause]
    x = (scale * RNG.normal(size=(ROWS, 32))).astype("float32")
    y = RNG.normal(size=(ROWS, 1)).astype("float32")
    model, logger = build(), logger_of(update_freq=5)
    model.compile("adam", "mse", run_eagerly=True)

    before, findings = diagnose(model, (x, y)).problems, lint(model)
    model.fit(x, y, batch_size=32, verbose=0, callbacks=[logger])

    for problems in (before, logger.report.problems):
        assert cause in {problem.cause for problem in problems}
    codes = {one.code for one in (*before, *logger.report.problems, *findings) if one.code}
    assert codes
    assert all(runs(code) for code in codes)
    for problem in logger.report.problems:
        assert max(map(len, block_of(problem).splitlines())) <= 100


def problem_of(rule, layer, step, cause, fix):
    bare = Problem(rule, "activations", (layer,), step, 1.0, 1.0, "")
    return told(bare, f"{layer}: {rule}", Cause(cause, "a reason", fix))


def test_growth_that_lasts_explains_what_is_put_down_to_the_rate():
    """A lower rate, as later symptoms ask for, does not mend residual branches without norms."""
    growth = problem_of("exploding", "sum_5", 0, "residual-growth", "scale the branches")
    still = problem_of("exploding", "sum_5", 60, "rate-high", "lower the rate")
    later = problem_of("collapsed", "down_11", 60, "rate-high", "lower the rate")
    named = problem_of("dead", "up_3", 60, "bias-dead", "start the biases at zero")

    cause = lasting((still, later), (growth,))

    assert cause is growth
    behind = behind_lasting(later, growth)
    assert (behind.cause, behind.fix) == ("residual-growth", "scale the branches")
    assert "follows from the problem at step 0" in behind.reason
    assert behind_lasting(named, growth) is named
    assert lasting((later,), (growth,)) is None
