"""What a problem says: where, since when, why and what to do; on made looks."""

import keras
import numpy as np
import pytest

from keras_initlab._wire import SECTIONS, LayerInfo
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.selection import Selection
from keras_initlab.monitor import Look
from keras_initlab.signal.evidence import Evidence
from keras_initlab.signal.looks import Section
from keras_initlab.signal.prediction import Start, starts_of
from keras_initlab.signal.rules import problems_of
from keras_initlab.theory import ACTIVATIONS

# What breaks a rule at the second layer of three.
BREAKS = {
    "vanishing": {"variance": [1, 1e-9, 1]},
    "exploding": {"variance": [1, 1e9, 1e9]},
    "dead": {"dead_fraction": [0, 1.0, 0]},
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
    assert "relu needs 2 / fan_in to hold the signal" in text
    assert text.endswith(": use HeNormal().")


@pytest.mark.parametrize("rule", ["exploding", "saturated"])
def test_weights_too_large_for_tanh_are_blamed_and_xavier_is_advised(rule):
    text = text_of(rule, "tanh", "RandomNormal", {"b": start(9.0)})

    assert "b (RandomNormal) has weights of variance 9 / fan_in" in text
    assert text.endswith(": use LecunNormal().")


def test_other_activation_is_named_in_the_fix():
    text = text_of("exploding", "gelu", starts={"b": start(9.0)})

    assert text.endswith(': use HeNormal(activation="gelu").')


@pytest.mark.parametrize(("depth", "advised"), [(15, "HeNormal"), (16, "CriticalNormal")])
def test_pair_that_holds_is_advised_where_a_gain_does_not(depth, advised):
    rows = tuple(LayerInfo(f"h{k}", "Dense", "silu", k, "", units=8) for k in range(depth))
    variance = [1.0, *[1e-9] * (depth - 1)]
    numbers = {"count": 1000, "effective_rank": 4, "variance": variance}
    look = Look(0, 0.0, {"activations": section_of("activations", rows, numbers)})

    (problem,) = problems_of(
        Evidence(look, look, None, {"h1": start(1.0).before("silu", "silu", depth=depth)})
    )

    assert f": use {advised}(" in problem.text


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
        ("exploding", "the layers that it passes enlarge it: initialize for the activation"),
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

    assert "use HeNormal()" in text_of("collapsed", "my_own", "Zeros", {"b": zeros})


@pytest.mark.parametrize("value", [0.0, 0.05, 0.1, 1.0])
def test_equal_kernel_of_any_value_is_recognised(value):
    # The mean of 1,000 numbers like these is not any of them to the last bit.
    constant = keras.initializers.Constant(value)
    dense = keras.layers.Dense(10, kernel_initializer=constant, name="b")
    model = keras.Sequential([keras.Input((100,)), dense])

    text = text_of("collapsed", "relu", "Constant", starts_of(Selection(Anatomy(model))))

    assert "the weights of b are all equal (Constant): use HeNormal()" in text


def later(rule, **changed):
    """The problem of a look whose first look was healthy."""
    rows = rows_of("gelu", "GlorotUniform")
    looks = [
        Look(step, 0.0, {"activations": section_of("activations", rows, {**HEALTHY, **numbers})})
        for step, numbers in ((0, {}), (100, changed))
    ]
    starts = {"b": start(9.0).before("gelu", "gelu")}
    (problem,) = problems_of(Evidence(looks[1], looks[0], None, starts))
    assert problem.rule == rule
    return problem


HEALTHY = {"count": 1000, "variance": 1, "effective_rank": 4}


@pytest.mark.parametrize("rule", BREAKS)
def test_what_starts_later_is_the_doing_of_the_steps_between(rule):
    text = later(rule, **BREAKS[rule]).text

    assert "this was not so at step 0, so the training steps since then caused it: " in text
    assert "fan_in" not in text


def test_a_branch_that_began_shut_and_opens_is_no_problem():
    rows = rows_of("relu", "Zeros")
    sections = [
        section_of("activations", rows, {**HEALTHY, "variance": [1, small, 1], **rank})
        for small, rank in ((0, {}), (1e-6, {"effective_rank": [4, 1, 4]}))
    ]
    first, now = (Look(k, 0.0, {"activations": part}) for k, part in enumerate(sections))

    assert problems_of(Evidence(now, first, None, {})) == ()


@pytest.mark.parametrize(("variance", "blames"), [(2.0, False), (9.0, True)])
def test_sums_that_grow_are_blamed_unless_weights_are_far_off(variance, blames):
    kinds = ("Dense", "Dense", "Add", "Dense", "Add", "Dense")
    rows = tuple(
        LayerInfo(name, kind, "", depth, "HeNormal", units=8)
        for depth, (name, kind) in enumerate(zip("abcdef", kinds, strict=True))
    )
    numbers = {**HEALTHY, "variance": [1, 10, 1e5, 1e5, 1e6, 1]}
    look = Look(0, 0.0, {"activations": section_of("activations", rows, numbers)})
    starts = {"d": start(variance).before("linear", "")}

    (problem,) = problems_of(Evidence(look, look, None, starts))

    assert problem.rule == "exploding"
    assert ("every residual branch adds" in problem.text) != blames


def test_a_stack_of_sigmoids_is_the_cause_whatever_its_weights():
    rows = tuple(
        LayerInfo(name, "Dense", "sigmoid", depth, "GlorotUniform", units=8)
        for depth, name in enumerate("abcde")
    )
    numbers = {**HEALTHY, "variance": 0.1, "similarity": [0.9, 0.999, 0.99999, 1, 1]}
    look = Look(0, 0.0, {"activations": section_of("activations", rows, numbers)})
    starts = {"a": start(0.5).before("sigmoid", "sigmoid")}

    (problem,) = problems_of(Evidence(look, look, None, starts))

    assert (problem.rule, problem.layers) == ("collapsed", ("d",))
    assert "sigmoid has a slope of at most 1/4 and saturates" in problem.text
    assert "Use" not in problem.text
