import math

import keras
import numpy as np
import pytest
from grids import over
from hypothesis import given
from hypothesis import strategies as st
from reference_moments import MOMENTS
from scipy import stats

from keras_initlab.theory import ACTIVATIONS, Activation, activation_of, gain_of, moments_of

SLOPES = {f"leaky_relu_{slope}": slope for slope in (0.01, 0.2, 0.3)}


def named(name):
    slope = SLOPES.get(name)
    return name if slope is None else lambda x: np.maximum(x, slope * x)


@over(name=MOMENTS)
def test_moments_are_those_computed_apart(name):
    mean, second, slope_second, *_ = MOMENTS[name]

    moments = moments_of(named(name))

    assert moments.mean == pytest.approx(mean, abs=1e-10)
    assert moments.second == pytest.approx(second, rel=1e-10)
    assert moments.slope_second == pytest.approx(slope_second, rel=1e-10)


@over([(3, "forward"), (4, "backward"), (5, "centered")], name=MOMENTS)
def test_gains_are_those_computed_apart(place, criterion, name):
    assert gain_of(named(name), criterion) == pytest.approx(MOMENTS[name][place], rel=1e-10)


@over(name=MOMENTS)
def test_error_estimate_covers_the_error(name):
    moments = moments_of(named(name))

    truth = MOMENTS[name][:3]
    found = moments.mean, moments.second, moments.slope_second
    for value, exact, error in zip(found, truth, moments.error, strict=False):
        # The reference itself is rounded to double precision.
        assert abs(value - exact) <= error + 4e-15 * max(1, abs(exact))
        assert error < 1e-8


@pytest.mark.parametrize(
    ("function", "bends"),
    [
        (lambda x: np.clip(x, -0.3, 1.7), (-0.3, 1.7)),
        (lambda x: np.abs(x - 1.2345), (1.2345,)),
        (lambda x: np.where(x > 0, 2 * x, np.sin(x)), (0.0,)),
        (lambda x: np.maximum(np.maximum(x, 0.1 * x), 3 * x - 5), (0.0, 2.5)),
    ],
)
def test_bends_of_an_unknown_function_are_found(function, bends):
    assert activation_of(function).kinks == pytest.approx(bends, abs=1e-9)


@over(name=ACTIVATIONS)
def test_search_gives_the_moments_of_the_table(name):
    known = ACTIVATIONS[name]

    found = moments_of(lambda x: known.function(x))

    assert found.slope_second == pytest.approx(moments_of(known).slope_second, rel=1e-9)
    assert found.second == pytest.approx(moments_of(known).second, rel=1e-10)


@over(
    name=["relu", "gelu", "silu", "tanh", "elu", "selu", "softplus", "mish", "hard_sigmoid", "celu"]
)
def test_keras_function_is_the_name(name):
    function = getattr(keras.activations, name)

    assert activation_of(function) is ACTIVATIONS[name]
    x = np.linspace(-4, 4, 41)
    values = keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(x, "float32")))
    # A float32 of size 4 is rounded to 2.4e-7; exp and tanh of a backend lose a few digits more.
    np.testing.assert_allclose(ACTIVATIONS[name](x), values, atol=5e-6)


def test_layer_is_an_activation_too():
    layer = keras.layers.LeakyReLU(negative_slope=0.3)

    # It computes in float32.
    assert moments_of(layer).second == pytest.approx(0.545, abs=1e-5)


@given(st.floats(0.01, 100), st.floats(0.0, 1.0))
def test_leaky_relu_keeps_its_exact_share(q, slope):
    moments = moments_of(Activation("leaky", lambda x: np.maximum(x, slope * x), (0.0,)), q)

    assert moments.second == pytest.approx((1 + slope**2) / 2 * q)
    assert moments.slope_second == pytest.approx((1 + slope**2) / 2)
    assert moments.growth == pytest.approx((1 + slope**2) / 2)


@over(name=["gelu", "tanh", "relu6", "softplus", "sin"], q=[1e-4, 0.3, 20.0])
def test_growth_is_the_slope_of_the_second_moment(name, q):
    step = 1e-4 * q

    rise = moments_of(name, q + step).second - moments_of(name, q - step).second

    # A central difference is off by step**2 times the third derivative: 1e-8 of the value here.
    assert moments_of(name, q).growth == pytest.approx(rise / (2 * step), rel=1e-6)


def test_moments_at_other_variances_are_those_of_samples():
    samples = ACTIVATIONS["gelu"](stats.norm(0, 2).rvs(200_000, random_state=0))

    moments = moments_of("gelu", 4.0)

    error = samples.std() / math.sqrt(len(samples))
    assert abs(samples.mean() - moments.mean) < 5 * error
    squares = samples**2
    assert abs(squares.mean() - moments.second) < 5 * squares.std() / math.sqrt(len(samples))


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("reluu", "known are linear, relu"),
        ("softmax", "mixes units"),
        (keras.activations.softmax, "mixes units"),
        (lambda x: x - x.mean(), "pointwise"),
        (lambda x: x + 1j, "real number"),
        (lambda x: x[:3], "one real number for each input"),
        (np.sqrt, "finite everywhere"),
        (lambda x: {}[0], "raised KeyError"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_activation_that_is_none_is_refused(activation, message):
    with pytest.raises(ValueError, match=message):
        moments_of(activation)


def test_number_is_no_activation():
    with pytest.raises(TypeError, match="Received: activation=3"):
        moments_of(3)


@pytest.mark.parametrize("q", [0.0, -1.0, math.nan, math.inf])
def test_variance_of_the_input_must_be_positive(q):
    with pytest.raises(ValueError, match="Received: input_variance="):
        moments_of("relu", q)


def test_moments_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="grows too fast"):
        moments_of("exponential", 400.0)


@pytest.mark.parametrize(
    ("activation", "criterion", "reason"),
    [
        (np.sign, "backward", "jumps"),
        (np.zeros_like, "forward", "zero for every input"),
        (np.ones_like, "backward", "flat"),
        (np.ones_like, "centered", "constant"),
    ],
)
def test_gain_that_cannot_exist_is_refused(activation, criterion, reason):
    with pytest.raises(ValueError, match=reason):
        gain_of(activation, criterion)


def test_criterion_must_be_known():
    with pytest.raises(ValueError, match="Received: criterion='fan_in'"):
        gain_of("relu", "fan_in")
