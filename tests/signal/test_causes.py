"""What a problem says: where, since when, why and what to do; on made looks and in real fits."""

import keras
import monitoring
import numpy as np
import pytest
from monitoring import BATCH, INPUTS, WIDTH, X, compiled, fitted, logger_of

from keras_initlab._wire import SECTIONS, LayerInfo
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.selection import Selection
from keras_initlab.monitor import Look
from keras_initlab.signal.looks import Section
from keras_initlab.signal.prediction import Start, starts_of
from keras_initlab.signal.rules import Evidence, problems_of
from keras_initlab.theory import ACTIVATIONS

# What breaks a rule at the second layer of three.
BREAKS = {
    "vanishing": {"variance": [1, 1e-9, 1]},
    "exploding": {"variance": [1, 1e9, 1e9]},
    "dead": {"dead_fraction": [0, 0.9, 0]},
    "saturated": {"saturated_fraction": [0, 0.9, 0]},
    "collapsed": {"similarity": [0, 1, 0]},
}


def rows_of(activation, scheme):
    return tuple(
        LayerInfo(name, "Dense", activation, depth, scheme, units=8)
        for depth, name in enumerate("abc")
    )


def section_of(name, rows, numbers):
    values = np.zeros((len(rows), len(SECTIONS[name])))
    for column, number in numbers.items():
        values[:, SECTIONS[name].index(column)] = number
    return Section(rows, values)


def text_of(rule, activation="gelu", scheme="GlorotUniform", starts=None, breaks=None):
    """The text of the one problem of a look whose layers `a`, `b` and `c` are alike."""
    numbers = {"count": 1000, "variance": 1, "effective_rank": 4, **(breaks or BREAKS[rule])}
    section = section_of("activations", rows_of(activation, scheme), numbers)
    look = Look(3, 0.0, {"activations": section})
    known = activation if activation in ACTIVATIONS else None
    starts = {name: each.before(known, activation) for name, each in (starts or {}).items()}
    (problem,) = problems_of(Evidence(look, look, None, starts))
    assert problem.rule == rule
    return problem.text


def start(weight_variance, mean=0.0, fan_in=100.0):
    return Start(fan_in, mean, weight_variance / fan_in, 0.0, 0.0)


@pytest.mark.parametrize("rule", ["vanishing", "dead", "collapsed"])
def test_weights_too_small_for_relu_are_blamed_and_he_is_advised(rule):
    text = text_of(rule, "relu", "XavierUniform", {"b": start(1.0)})

    assert text.startswith("step 3, b: ")
    assert "b (XavierUniform) has weights of variance 1 / fan_in" in text
    # E[relu(z)**2] is 1/2.
    assert "relu holds the signal at 2 / fan_in" in text
    assert text.endswith("Use HeNormal().")


@pytest.mark.parametrize("rule", ["exploding", "saturated"])
def test_weights_too_large_for_tanh_are_blamed_and_xavier_is_advised(rule):
    text = text_of(rule, "tanh", "RandomNormal", {"b": start(9.0)})

    assert "b (RandomNormal) has weights of variance 9 / fan_in" in text
    assert text.endswith("Use LecunNormal().")


def test_other_activation_is_named_in_the_fix():
    text = text_of("exploding", "gelu", starts={"b": start(9.0)})

    assert text.endswith('Use HeNormal(activation="gelu").')


@pytest.mark.parametrize(("depth", "advised"), [(15, "HeNormal"), (16, "CriticalNormal")])
def test_pair_that_holds_is_advised_where_a_gain_does_not(depth, advised):
    rows = tuple(LayerInfo(f"h{k}", "Dense", "silu", k, "", units=8) for k in range(depth))
    variance = [1.0, *[1e-9] * (depth - 1)]
    numbers = {"count": 1000, "effective_rank": 4, "variance": variance}
    look = Look(0, 0.0, {"activations": section_of("activations", rows, numbers)})

    (problem,) = problems_of(
        Evidence(look, look, None, {"h1": start(1.0).before("silu", "silu", depth=depth)})
    )

    assert f"Use {advised}(" in problem.text


@pytest.mark.parametrize(("norm", "told"), [(1.0, []), (2e4, ["exploding"])])
def test_gradient_that_had_vanished_may_come_back(norm, told):
    looks = []
    for step, (size, square) in enumerate([(1e-15, 1e-30), (norm, 1.0)]):
        numbers = {"gradient_norm": [1, size, 1], "gradient_variance": [1, square, 1]}
        weights = section_of("weights", rows_of("tanh", ""), {"update_ratio": 1e-3, **numbers})
        looks.append(Look(step, 0.0, {"weights": weights}))

    problems = problems_of(Evidence(looks[1], looks[0], None, {}))

    assert [each.rule for each in problems] == told


@pytest.mark.parametrize("rule", BREAKS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_weights_are_blamed_for_everything(rule, value):
    equal = Start(100.0, value, value**2, 0.0, 0.0)

    text = text_of(rule, scheme="Constant", starts={"b": equal})

    assert "the weights of b are all equal (Constant)" in text


def test_weights_before_the_layer_are_blamed_where_its_own_are_right():
    text = text_of("dead", "relu", starts={"a": start(0.5), "b": start(2.0), "c": start(2.0)})

    assert "a (GlorotUniform) has weights of variance 0.5 / fan_in" in text


def test_weights_after_the_layer_are_not_blamed_for_its_signal():
    text = text_of("dead", "relu", starts={"a": start(2.0), "b": start(2.0), "c": start(0.5)})

    assert "fan_in" not in text


@pytest.mark.parametrize("factor", [1.29, 1 / 1.29])
def test_weights_within_a_third_of_what_is_needed_are_not_blamed(factor):
    for rule in ("vanishing", "exploding"):
        assert "fan_in" not in text_of(rule, "relu", starts={"b": start(2 * factor)})


def test_tables_and_norms_are_not_blamed():
    ones = Start(0.0, 1.0, 1.0, 0.0, 0.0)

    assert "all equal" not in text_of("dead", "relu", starts={"b": ones})


def test_weights_before_an_activation_that_theory_does_not_know_are_not_blamed():
    assert "fan_in" not in text_of("vanishing", "my_own", starts={"b": start(0.1)})


@pytest.mark.parametrize(
    ("rule", "advice"),
    [
        ("vanishing", "add a residual path, or normalize"),
        ("exploding", "lower the learning rate, clip the gradient"),
        ("dead", "use leaky_relu"),
        ("saturated", "inputs of b are too large for gelu: scale the inputs"),
        ("collapsed", "CriticalNormal"),
    ],
)
def test_advice_is_given_where_no_weights_can_be_blamed(rule, advice):
    assert advice in text_of(rule)


def test_rate_through_depth_is_told_with_the_variance():
    # Hidden layers hold 1 and 1e-9, one step apart.
    assert "signal vanishing, variance 1e-09, x 1e-09 per layer" in text_of("vanishing")


def test_rate_through_depth_is_not_told_where_the_signal_is_zero():
    text = text_of("vanishing", breaks={"variance": [1, 0, 1]})

    assert "signal vanishing, variance 0; " in text


def test_rate_through_depth_is_not_told_where_it_says_the_contrary():
    # The variance grows from `a` to `b`; it is theory that `a` falls short of.
    rows = rows_of("gelu", "GlorotUniform")
    seen = {"count": 1000, "variance": [1e-6, 1, 1], "effective_rank": 4}
    look = Look(
        3,
        0.0,
        {
            "activations": section_of("activations", rows, seen),
            "theory": section_of("theory", rows, {"predicted_variance": 1}),
        },
    )

    (problem,) = problems_of(Evidence(look, look, None, {}))

    assert (problem.rule, problem.layers) == ("vanishing", ("a",))
    assert "signal vanishing, variance 1e-06; " in problem.text


def test_equal_weights_before_an_activation_without_a_gain_get_a_scheme_that_takes_none():
    zeros = Start(4.0, 0.0, 0.0, 0.0, 0.0)

    assert "Use HeNormal()" in text_of("collapsed", "my_own", "Zeros", {"b": zeros})


def deep(scheme, activation="relu"):
    inputs = x = keras.Input((INPUTS,))
    for name in "abc":
        x = keras.layers.Dense(WIDTH, activation, kernel_initializer=scheme, name=name)(x)
    return compiled(keras.Model(inputs, keras.layers.Dense(1, name="head")(x)))


@pytest.mark.parametrize("value", [0.0, 0.05, 0.1, 1.0])
def test_equal_kernel_of_any_value_is_recognised(value):
    # The mean of 1,000 numbers like these is not any of them to the last bit.
    constant = keras.initializers.Constant(value)
    dense = keras.layers.Dense(10, kernel_initializer=constant, name="b")
    model = keras.Sequential([keras.Input((100,)), dense])

    text = text_of("collapsed", "relu", "Constant", starts_of(Selection(Anatomy(model))))

    assert "the weights of b are all equal (Constant). Use HeNormal()" in text


def test_zeros_through_a_deep_relu_network_are_reported_with_layer_and_fix():
    logger = logger_of()

    fitted(deep("zeros"), logger, x=X[: 2 * BATCH], y=monitoring.Y[: 2 * BATCH])

    report = logger.report
    assert not report.healthy
    assert [each.rule for each in report.problems] == ["dead", "stalled"]
    first = report.problems[0]
    assert (first.layers, first.step) == (("a", "b", "c"), 0)
    assert "the weights of a are all equal (Zeros). Use HeNormal()." in first.text


def test_equal_weights_before_tanh_are_reported_as_collapsed():
    logger = logger_of(update_freq=100)

    fitted(deep(keras.initializers.Constant(0.1), "tanh"), logger)

    # The output is drawn anew each time: where its weights nearly cancel, a gradient vanishes too.
    (problem,) = [each for each in logger.report.problems if each.rule == "collapsed"]
    assert (problem.rule, problem.layers, problem.step) == ("collapsed", ("a", "b", "c"), 0)
    assert "the weights of a are all equal (Constant). Use LecunNormal()." in problem.text


def test_network_with_fitting_weights_is_healthy():
    logger = logger_of()

    fitted(compiled(), logger)

    assert len(logger.looks) == 6
    assert logger.report.healthy


def test_nan_in_one_batch_is_named_with_first_layer_and_step():
    x = X.copy()
    x[2 * BATCH + 3, 1] = np.nan
    logger, model = logger_of(), compiled()
    # On some processors TensorFlow's one kernel for a product and ReLU makes 0 of NaN.
    model.get_layer("a").activation = keras.activations.tanh

    fitted(model, logger, x=x)

    first = logger.report.problems[0]
    assert (first.rule, first.what, first.step) == ("nonfinite", "activations", 2)
    assert first.layers[0] == "a"
    assert first.text.startswith("step 2, a to c (3 layers): NaN or infinite activations, 24 in a;")
    # One row of the batch: the 24 units of the layer.
    assert first.value == WIDTH
    assert "look at the data for NaN" in first.text
