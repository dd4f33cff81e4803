"""Where activations are flat, against closed forms and against slopes worked out in here."""

import math

import keras
import numpy as np
import pytest
from grids import over

from keras_initlab.theory import FlatRegions, flat_regions
from keras_initlab.theory.activations import ACTIVATIONS, Activation, activation_of

SLOPE = 0.01

# Bisection ends at a 2**50th of a grid step of 0.01, so what is left is the rounding of a slope:
# a central difference over 2e-5 has an error of 2**-52 / 2e-5 = 1e-11, and near the edges below
# the slope itself changes by no less than 0.009 per unit.
REL = 5 * 1e-11 / 0.009

# tanh' = 1 - y**2, sigmoid' = y * (1 - y), softplus' = sigmoid, softsign' = 1 / (1 + |x|)**2,
# elu' = e**x = y + 1 below 0, selu' = 1.0507... * 1.6732... * e**x there.
TANH = math.sqrt(1 - SLOPE)
SIGMOID = (1 - math.sqrt(1 - 4 * SLOPE)) / 2
SELU = 1.0507009873554805 * 1.6732632423543772
CLOSED_FORMS = {
    "linear": [],
    "leaky_relu": [],
    "relu": [(-math.inf, 0)],
    "relu6": [(-math.inf, 0), (6, math.inf)],
    "hard_tanh": [(-math.inf, -1), (1, math.inf)],
    "hard_sigmoid": [(-math.inf, 0), (1, math.inf)],
    "tanh": [(-math.inf, -TANH), (TANH, math.inf)],
    "sigmoid": [(-math.inf, SIGMOID), (1 - SIGMOID, math.inf)],
    # log(1 + e**x) where sigmoid(x) is 0.01.
    "softplus": [(-math.inf, -math.log(1 - SLOPE))],
    "elu": [(-math.inf, SLOPE - 1)],
    "celu": [(-math.inf, SLOPE - 1)],
    "selu": [(-math.inf, SLOPE - SELU)],
    # |x| = 9 at a slope of 1 / 100.
    "softsign": [(-math.inf, -0.9), (0.9, math.inf)],
    "exponential": [(-math.inf, SLOPE)],
}


@over(name=CLOSED_FORMS)
def test_regions_are_those_of_the_closed_form(name):
    found = flat_regions(name)

    assert found.of == "output"
    assert len(found.regions) == len(CLOSED_FORMS[name])
    for region, expected in zip(found.regions, CLOSED_FORMS[name], strict=True):
        assert region == pytest.approx(expected, rel=REL, abs=REL)


def test_regions_of_gelu_are_of_its_input():
    found = flat_regions("gelu")

    assert found.of == "input"
    # phi' = Phi(x) + x pdf(x): 0 once below 0, and below 0.01 again in the far tail.
    for edge in (edge for region in found.regions for edge in region if math.isfinite(edge)):
        pdf = math.exp(-(edge**2) / 2) / math.sqrt(2 * math.pi)
        slope = (1 + math.erf(edge / math.sqrt(2))) / 2 + edge * pdf
        assert abs(slope) == pytest.approx(SLOPE, abs=5e-11)


def slope_of(phi, x):
    """Five-point stencil, of fourth order, where the package takes two points."""
    h = 1e-3
    f = phi(x[:, None] + h * np.array([-2, -1, 1, 2]))
    return (f @ np.array([1, -8, 8, -1])) / (12 * h)


def is_flat(found, phi, x):
    seen = phi(x) if found.of == "output" else x
    return np.any([(seen >= low) & (seen <= high) for low, high in found.regions], axis=0)


@over(name=sorted(set(ACTIVATIONS) - {"sin"}), slope=[0.01, 0.1])
def test_regions_hold_exactly_what_a_numeric_slope_calls_flat(name, slope):
    phi = ACTIVATIONS[name]
    found = flat_regions(name, slope=slope)
    # Off the grid of the search, and away from bends and edges.
    x = np.linspace(-9.9, 9.9, 1_237) + 0.00123
    slopes = np.abs(slope_of(phi, x))
    clear = np.abs(slopes - slope) > 1e-4
    for kink in phi.kinks:
        clear &= np.abs(x - kink) > 0.01

    flat = is_flat(found, phi, x) if found.regions else np.zeros(len(x), bool)

    assert clear.mean() > 0.9
    np.testing.assert_array_equal(flat[clear], slopes[clear] < slope)


@over(name=sorted(ACTIVATIONS))
def test_regions_are_of_the_output_exactly_where_the_activation_is_monotone(name):
    x = np.linspace(-20, 20, 999)
    monotone = bool((np.diff(ACTIVATIONS[name](x)) >= -1e-12).all())

    assert flat_regions(name).of == ("output" if monotone else "input")


@over(name=sorted(ACTIVATIONS))
def test_regions_ascend_and_do_not_overlap(name):
    edges = [edge for region in flat_regions(name).regions for edge in region]

    assert edges == sorted(edges)


def test_higher_threshold_calls_more_flat():
    (low,) = flat_regions("elu", slope=0.01).regions
    (high,) = flat_regions("elu", slope=0.5).regions

    assert high[1] == pytest.approx(-0.5, rel=REL)
    assert low[1] < high[1]


def test_none_is_linear_and_never_flat():
    assert flat_regions(None) == FlatRegions("output", ())


def test_activation_of_keras_is_the_one_of_its_name():
    assert flat_regions(keras.activations.tanh) == flat_regions("tanh")


def test_callable_in_float64_has_the_regions_of_its_function():
    found = flat_regions(lambda x: np.tanh(2 * x))

    # 2 * (1 - y**2) is 0.01.
    expected = math.sqrt(1 - SLOPE / 2)
    assert found.regions[1] == pytest.approx((expected, math.inf), rel=REL)


def test_callable_in_float32_has_them_up_to_its_rounding():
    found = flat_regions(lambda x: np.tanh(x.astype("float32")))

    # A slope over 2 * sqrt(2**-23) = 7e-4 is off by 2**-24 / 7e-4 = 1e-4; of 0.01 that is 1 %,
    # and 1 - y is half the slope.
    assert found.regions[0][1] == pytest.approx(-TANH, abs=5 * 1e-4 / 2)
    assert found.regions[-1][0] == pytest.approx(TANH, abs=5 * 1e-4 / 2)


def test_activation_flat_between_two_slopes_has_a_region_with_two_ends():
    shrink = Activation("shrink", lambda x: x - np.clip(x, -0.5, 0.5), kinks=(-0.5, 0.5))

    assert flat_regions(shrink) == FlatRegions("output", ((0.0, 0.0),))


def test_constant_is_flat_everywhere():
    found = flat_regions(lambda x: 0.0 * x + 3.0)

    assert found.regions == ((-math.inf, math.inf),)


@pytest.mark.parametrize("name", ["softmax", "no_such", ""])
def test_unknown_name_is_refused(name):
    with pytest.raises(ValueError, match=f"Received: activation='{name}'"):
        flat_regions(name)


def test_what_is_no_activation_is_refused():
    with pytest.raises(TypeError, match="Received: activation=3"):
        flat_regions(3)


@pytest.mark.parametrize("slope", [0, -0.01, math.nan])
def test_threshold_that_is_not_positive_is_refused(slope):
    with pytest.raises(ValueError, match=f"`slope` .* must be positive.*Received: slope={slope}"):
        flat_regions("tanh", slope=slope)


def test_same_activation_is_worked_out_once():
    assert flat_regions("mish") is flat_regions(activation_of("mish"))
