"""Each rule on looks made by hand, just past its threshold and just before it."""

import numpy as np
import pytest
from looks import judged, layer, look_of, rows_of, signs

from keras_initlab.monitor import THRESHOLDS, Look

pytestmark = pytest.mark.once

# So far past a threshold, and so far short of it (unitless factors).
PAST, SHORT = 1 + 1e-5, 1 - 1e-5


def at(key, excess):
    """The number that lies beyond a threshold by a factor above 1, or short of it below 1."""
    below = key in ("vanishing", "vanishing_gradient", "collapsed", "stalled")
    return THRESHOLDS[key] / excess if below else THRESHOLDS[key] * excess


def through_depth_down(excess, rows):
    return judged(look_of(rows, variance=[1, at("vanishing", excess), 1, 1]))


def since_the_first_look_down(excess, rows):
    value = at("vanishing", excess)
    return judged(look_of(rows, variance=value), first=look_of(rows, variance=[value, 1, value, 1]))


def below_theory(excess, rows):
    return judged(look_of(rows, predicted_variance=[1, at("theory", excess), 1, 1]))


def through_depth_up(excess, rows):
    value = at("exploding", excess)
    return judged(look_of(rows, variance=[1, value, 2 * THRESHOLDS["vanishing"] * value, 1]))


def since_the_first_look_up(excess, rows):
    value = 0.1 * at("exploding", excess)
    first = look_of(rows, variance=[value, 0.1, value, 1])
    return judged(look_of(rows, variance=value), first=first)


def above_theory(excess, rows):
    return judged(look_of(rows, predicted_variance=[1, 1 / at("theory", excess), 1, 1]))


def dead(excess, rows):
    return judged(look_of(rows, dead_fraction=[0, at("dead", excess), 0, 0]))


def saturated(excess, rows):
    return judged(look_of(rows, saturated_fraction=[0, at("saturated", excess), 0, 0]))


def of_low_rank(excess, rows):
    return judged(look_of(rows, effective_rank=[4, at("collapsed", excess), 4, 4]))


def alike(excess, rows):
    return judged(look_of(rows, similarity=[0, at("similarity", excess), 0, 0]))


# Moved so little beside the others as its gradient is small: nothing divides it by its size.
STILL = {"update_ratio": [1e-3, 9e-7, 1e-3, 1e-3]}


def gradient_down(excess, rows):
    small = [1, at("vanishing_gradient", excess), 1, 1]
    return judged(look_of(rows, gradient_variance=small, **STILL))


def gradient_up(excess, rows):
    norm = [1, at("exploding_gradient", excess), 1, 1]
    return judged(look_of(rows, gradient_norm=norm), first=look_of(rows))


def stalled(excess, rows):
    ratio = [1e-3, at("stalled", excess), 1e-3, 1e-3]
    return judged(look_of(rows, update_ratio=ratio), previous=look_of(rows))


ACTIVATION_RULES = [
    (through_depth_down, "vanishing"),
    (since_the_first_look_down, "vanishing"),
    (below_theory, "vanishing"),
    (through_depth_up, "exploding"),
    (since_the_first_look_up, "exploding"),
    (above_theory, "exploding"),
    (dead, "dead"),
    (saturated, "saturated"),
    (of_low_rank, "collapsed"),
    (alike, "collapsed"),
]
RULES = [
    *((case, rule, "activations") for case, rule in ACTIVATION_RULES),
    (gradient_down, "vanishing", "gradients"),
    (gradient_up, "exploding", "gradients"),
    (stalled, "stalled", "weights"),
]


@pytest.mark.parametrize(("case", "rule", "what"), RULES)
def test_rule_names_the_layer_just_past_its_threshold(case, rule, what):
    assert signs(case(PAST, rows_of())) == [(rule, what, "b")]


@pytest.mark.parametrize(("case", "rule", "what"), RULES)
def test_rule_is_silent_just_short_of_its_threshold(case, rule, what):
    assert case(SHORT, rows_of()) == ()


def test_every_threshold_is_tried(monkeypatch):
    asked = set()
    real = at
    monkeypatch.setitem(globals(), "at", lambda key, excess: asked.add(key) or real(key, excess))

    for case, _, _ in RULES:
        case(PAST, rows_of())

    assert asked == set(THRESHOLDS)


@pytest.mark.parametrize(("case", "rule"), ACTIVATION_RULES)
def test_output_of_the_model_is_excused(case, rule):
    rows = rows_of()
    rows = (rows[0], layer("b", 1, is_output=True), *rows[2:])

    assert case(PAST, rows) == ()


def test_last_call_is_excused():
    look = look_of(rows_of("ab"), variance=[1, 1e-9], dead_fraction=[0, 1], similarity=[0, 1])

    assert judged(look) == ()


@pytest.mark.parametrize(
    ("statistic", "what"),
    [
        ("nonfinite_count", "activations"),
        ("gradient_nonfinite_count", "gradients"),
        ("weight_nonfinite_count", "weights"),
    ],
)
def test_one_number_that_is_not_finite_is_named(statistic, what):
    assert signs(judged(look_of(**{statistic: [0, 1, 0, 0]}))) == [("nonfinite", what, "b")]


def test_output_that_is_not_finite_is_not_excused():
    rows = rows_of("ab", is_output=True)

    assert signs(judged(look_of(rows, nonfinite_count=1))) == [("nonfinite", "activations", "ab")]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_overflow_of_a_gradient_is_excused_in_float16_alone(dtype):
    problems = judged(look_of(rows_of(dtype=dtype), gradient_nonfinite_count=[0, 1, 0, 0]))

    assert bool(problems) == (dtype != "float16")


def test_overflow_of_an_activation_is_named_in_float16_too():
    problems = judged(look_of(rows_of(dtype="float16"), nonfinite_count=[0, 1, 0, 0]))

    assert signs(problems) == [("nonfinite", "activations", "b")]


def test_layers_that_break_one_rule_go_into_one_problem():
    (problem,) = judged(look_of(rows_of("abcdef"), dead_fraction=[0, 0.8, 0.85, 0.9, 0, 0]))

    assert problem.layers == ("b", "c", "d")
    assert problem.step == 7
    assert problem.value == 0.8
    assert problem.threshold == THRESHOLDS["dead"]
    assert "step 7, b to d (3 layers): 80% of the units" in problem.text


def test_layers_with_healthy_ones_between_are_not_told_as_a_range():
    (problem,) = judged(look_of(rows_of("abcdef"), dead_fraction=[0, 0.8, 0.85, 0, 0.9, 0]))

    assert problem.layers == ("b", "c", "e")
    assert "step 7, b, c and e: 80% of the units" in problem.text


def test_gravest_problem_comes_first():
    wrong = {
        "dead_fraction": [0.9, 0, 0, 0],
        "variance": [1, 1e-9, 1, 1],
        "gradient_variance": [1, 1e-9, 1, 1],
        **STILL,
    }

    found = judged(look_of(**wrong))
    assert [problem.rule for problem in found] == ["vanishing", "vanishing", "dead"]
    # The rest may follow from numbers that are not finite.
    (problem,) = judged(look_of(weight_nonfinite_count=[0, 0, 1, 0], **wrong))
    assert (problem.rule, problem.what) == ("nonfinite", "weights")


def test_growth_through_depth_is_excused_while_the_variance_is_small():
    # 10,000 times 1e-5 is 0.1; at most 100 is no danger.
    assert judged(look_of(variance=[1e-5, 0.2, 99.0, 0.2])) == ()


def test_gradient_with_a_mean_but_no_variance_has_not_vanished():
    look = look_of(gradient_variance=[1, 0, 1, 1], gradient_mean=[0, 1, 0, 0])

    assert judged(look) == ()


def test_layer_that_no_example_reached_is_excused():
    nothing = {"variance": [1, np.nan, 1, 1], "dead_fraction": [0, 1, 0, 0]}

    assert judged(look_of(count=[1000, 0, 1000, 1000], **nothing)) == ()


@pytest.mark.parametrize("activation", ["", "linear", "relu", "relu6"])
def test_zeros_of_a_rectifier_are_not_called_saturation(activation):
    flat = {"saturated_fraction": [0, 0.9, 0, 0], "zero_fraction": [0, 0.8, 0, 0]}

    assert judged(look_of(rows_of(activation=activation), **flat)) == ()


@pytest.mark.parametrize(("units", "count"), [(3, 1000), (8, 63)])
def test_too_few_units_or_examples_cannot_be_alike(units, count):
    look = look_of(rows_of(units=units), count=count, similarity=1.0, effective_rank=1.0)

    assert judged(look) == ()


def test_layer_that_is_dead_as_a_whole_is_not_called_collapsed_too():
    look = look_of(dead_fraction=[0, 1, 0, 0], effective_rank=[4, 0, 4, 4])

    assert signs(judged(look)) == [("dead", "activations", "b")]


def test_first_look_cannot_show_a_stall():
    assert judged(look_of(update_ratio=0)) == ()


@pytest.mark.parametrize("statistic", ["weight_mean", "weight_variance"])
def test_weight_that_moved_since_the_look_before_has_not_stalled(statistic):
    look, previous = look_of(update_ratio=0), look_of(**{statistic: 0.2})

    assert judged(look, previous=previous) == ()


def test_rows_are_compared_by_name_when_a_look_has_others():
    first = look_of(rows_of("dba"), variance=[1e3, 1e-2, 1e8])

    problems = judged(look_of(variance=1e3), first=first)

    assert signs(problems) == [
        ("vanishing", "activations", "a"),
        ("exploding", "activations", "b"),
    ]


def test_look_without_tables_is_healthy():
    assert judged(Look(0, 0.0, {})) == ()


@pytest.mark.parametrize(("units", "share", "told"), [(8, 0.9, 0), (8, 1.0, 1), (16, 0.9, 1)])
def test_later_a_narrow_layer_is_dead_only_if_all_its_units_are(units, share, told):
    rows = rows_of(units=units)
    look = look_of(rows, dead_fraction=[0, share, 0, 0])

    assert len(judged(look)) == 1
    assert len(judged(look, first=look_of(rows))) == told


def test_gradient_that_grows_to_what_others_had_is_no_explosion():
    rows = rows_of()
    first = look_of(rows, gradient_norm=[1, 1e-6, 1, 1])

    assert not judged(look_of(rows, gradient_norm=[1, 0.5, 1, 1]), first=first)
    assert signs(judged(look_of(rows, gradient_norm=[1, 11, 1, 1]), first=first)) == [
        ("exploding", "gradients", "b")
    ]


def test_gradient_that_is_zero_in_one_batch_has_not_vanished():
    rows = rows_of()
    zero = look_of(rows, gradient_variance=[1, 0, 1, 1], gradient_mean=[0, 0, 0, 0], **STILL)

    assert not judged(zero, first=look_of(rows), previous=look_of(rows))
    assert judged(zero, first=look_of(rows), previous=zero)


@pytest.mark.parametrize(("count", "told"), [(100, 1), (10_000, 0)])
def test_gradient_shorter_than_its_weight_is_no_explosion(count, told):
    rows = rows_of()
    first = look_of(rows, gradient_norm=[1, 1e-6, 1, 1])
    look = look_of(rows, gradient_norm=[1, 20, 1, 1], weight_count=count)

    # The weight's root mean square is 0.3: it is 3 long, or 30.
    assert len(judged(look, first=first)) == told
