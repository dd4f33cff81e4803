import math

import numpy as np
import pytest
from grids import over
from reference_maps import EDGES, FIXED_POINTS, HALF_STABLE

from keras_initlab.theory import (
    StackLayer,
    correlation_map,
    correlation_slope,
    critical_point,
    edge_of_chaos,
    fixed_point,
    half_stable_points,
    length_map,
    moments_of,
    signal_profile,
    stability_of,
)

pytestmark = pytest.mark.once


def named(name):
    return "leaky_relu" if name == "leaky_relu_0.2" else name


@over(EDGES)
def test_edge_of_chaos_is_that_computed_apart(name, bias_variance):
    points = edge_of_chaos(named(name), bias_variance=bias_variance)

    found = [(point.weight_variance, point.q, point.length_slope) for point in points]
    expected = EDGES[name, bias_variance]
    assert len(found) == len(expected)
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-8)


@over(name=HALF_STABLE)
def test_half_stable_point_is_that_computed_apart(name):
    points = half_stable_points(name)

    found = [(point.bias_variance, point.weight_variance, point.q) for point in points]
    assert len(found) == len(HALF_STABLE[name])
    # The point is a double root, so q is known to the square root of the rounding error.
    np.testing.assert_allclose(np.array(found), np.array(HALF_STABLE[name]), rtol=1e-9)


@over(FIXED_POINTS)
def test_fixed_point_is_that_computed_apart(name, weight, bias):
    q, chi1, slope, correlation, depth = FIXED_POINTS[name, weight, bias]

    point = fixed_point(named(name), weight_variance=weight, bias_variance=bias)

    assert (point.q, point.chi1, point.length_slope) == pytest.approx((q, chi1, slope), rel=1e-7)
    if correlation is not None:
        # The reference is off by up to 2e-9 at (tanh, 4, 0.05), which its depth multiplies.
        assert point.correlation == pytest.approx(correlation, abs=1e-8)
        if depth < 1e6:
            assert point.correlation_depth == pytest.approx(depth, rel=2e-6)


@over(c=[-1.0, -0.999, -0.3, 0.0, 1e-6, 0.5, 0.999, 1 - 1e-6, 1.0])
def test_correlation_map_of_relu_is_the_arc_cosine_kernel(c):
    # Cho and Saul 2009, eq. 6 with n = 1 and n = 0.
    exact = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi

    assert correlation_map("relu", c, q=1.0, weight_variance=2.0) == pytest.approx(exact, abs=1e-12)
    slope = correlation_slope("relu", c, q=1.0, weight_variance=2.0)
    assert slope == pytest.approx(1 - math.acos(c) / math.pi, abs=1e-9)


@over(q=[0.01, 1.0, 50.0, 1e4], c=[-1.0, -0.9, 0.3, 0.99999])
def test_correlation_map_of_erf_is_the_arc_sine_kernel(q, c):
    # Williams 1997, eq. 11.
    exact = 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q)) / q

    assert correlation_map("erf", c, q=q, weight_variance=1.0) == pytest.approx(exact, abs=1e-12)


def test_correlation_of_sharp_tanh_is_that_of_a_dense_grid():
    point = fixed_point("tanh", weight_variance=16.0, bias_variance=0.09)
    z = np.linspace(-9, 9, 3001)
    mass = np.exp(-z * z / 2)
    mass /= mass.sum()
    c, std = point.correlation, math.sqrt(point.q)
    other = std * (c * z[:, None] + math.sqrt(1 - c * c) * z)

    product = mass @ (np.tanh(std * z)[:, None] * np.tanh(other)) @ mass

    # The trapezoid rule converges faster than any power on a Gaussian; this grid leaves 1e-12.
    assert (16 * product + 0.09) / point.q == pytest.approx(c, rel=1e-9)


def test_length_map_is_the_formula():
    assert length_map("relu", 3.0, weight_variance=2.0, bias_variance=0.5) == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("name", "weight", "phase"),
    [("tanh", 0.5, "ordered"), ("tanh", 2.5, "chaotic"), ("relu", 2.0, "critical")],
)
def test_phase_says_what_gradients_do(name, weight, phase):
    assert fixed_point(name, weight_variance=weight).phase == phase


def test_signal_dies_or_explodes_where_no_fixed_point_is():
    assert fixed_point("relu", weight_variance=1.0).q == 0
    assert math.isinf(fixed_point("relu", weight_variance=2.1).q)
    assert math.isinf(fixed_point("exponential", weight_variance=1.0).q)


@over(
    # 2 / (1 + 0.2**2); tanh'(0) = 1; erf'(0)**2 = 4 / pi; SELU: 2 / (scale**2 (1 + alpha**2))
    [
        ("relu", 2.0),
        ("leaky_relu", 2 / 1.04),
        ("linear", 1.0),
        ("tanh", 1.0),
        ("sin", 1.0),
        ("erf", math.pi / 4),
        ("hard_tanh", 1.0),
        ("selu", 2 / (1.0507009873554805**2 * (1 + 1.6732632423543772**2))),
    ]
)
def test_critical_weights_without_biases(name, weight_variance):
    point = critical_point(name)

    # The limit at zero is taken at a standard deviation of 1e-8.
    assert point.weight_variance == pytest.approx(weight_variance, rel=1e-6)
    assert point.bias_variance == 0


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "exponential"])
def test_activation_without_a_critical_pair_says_what_else(name):
    with pytest.raises(ValueError, match="LooksLinear"):
        critical_point(name)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish"])
def test_unit_variance_does_not_hold_at_depth_but_the_critical_pair_does(name):
    unit = stability_of(name)
    point = critical_point(name)
    pair = stability_of(
        name, weight_variance=point.weight_variance, bias_variance=point.bias_variance
    )

    assert not unit.holds
    assert "CriticalNormal" in unit.advice
    assert "CriticalBias" in unit.advice
    assert pair.holds


@pytest.mark.parametrize(
    ("name", "weight", "word"),
    [("relu", 1.0, "vanishes"), ("tanh", 2.5, "explodes"), ("sigmoid", 1.0, "vanishes")],
)
def test_verdict_says_what_happens(name, weight, word):
    stability = stability_of(name, weight_variance=weight)

    assert not stability.holds
    assert word in stability.verdict


@pytest.mark.parametrize(("name", "weight"), [("relu", 2.0), ("tanh", 1.0), ("linear", 1.0)])
def test_good_scheme_holds(name, weight):
    assert stability_of(name, weight_variance=weight).holds


def measured(activation, weight_variance, bias_variance, depth, width, seeds):
    """Mean square of each preactivation and of each gradient, mean over seeds, in NumPy."""
    step, forward, backward = 1e-6, np.zeros(depth), np.zeros(depth)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        signal, kernels, slopes = rng.normal(size=width), [], []
        for layer in range(depth):
            kernels.append(rng.normal(size=(width, width)) * math.sqrt(weight_variance / width))
            before = signal @ kernels[-1] + rng.normal(size=width) * math.sqrt(bias_variance)
            forward[layer] += np.mean(before**2) / seeds
            signal = activation(before)
            slopes.append((activation(before + step) - activation(before - step)) / (2 * step))
        gradient = rng.normal(size=width) * slopes[-1]
        backward[-1] += np.mean(gradient**2) / seeds
        for layer in range(depth - 2, -1, -1):
            gradient = (kernels[layer + 1] @ gradient) * slopes[layer]
            backward[layer] += np.mean(gradient**2) / seeds
    return forward, backward


def test_profile_is_what_a_wide_network_does():
    depth, width, seeds = 8, 400, 8
    forward, backward = measured(np.tanh, 1.5, 0.05, depth, width, seeds)

    profile = signal_profile([StackLayer("tanh", 1.5, 0.05)] * depth)

    # One layer's mean square over `width` units and `seeds` draws has a relative standard error of
    # at most sqrt(2 / (width seeds)) = 0.025; the errors of `depth` layers add up in quadrature.
    tolerance = 5 * math.sqrt(2 * depth / (width * seeds))
    np.testing.assert_allclose(forward, profile.preactivation, rtol=tolerance)
    np.testing.assert_allclose(backward, profile.gradient, rtol=tolerance)


def test_profile_of_widening_layers_counts_both_fans():
    profile = signal_profile([StackLayer(None, 1.0, backward_variance=4.0)] * 3)

    assert profile.preactivation == pytest.approx((1.0, 1.0, 1.0))
    assert profile.gradient == pytest.approx((16.0, 4.0, 1.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fixed_point("relu", weight_variance=0.0), "weight_variance=0"),
        (lambda: fixed_point("relu", weight_variance=1.0, bias_variance=-1.0), "bias_variance=-1"),
        (lambda: edge_of_chaos("tanh", bias_variance=0.0), "bias_variance=0"),
        (lambda: correlation_map("tanh", 1.5, q=1.0, weight_variance=1.0), "c=1.5"),
        (lambda: stability_of("relu", depth=0), "depth=0"),
        (lambda: signal_profile([]), r"layers=\[\]"),
        (lambda: moments_of("relu", -1.0), "input_variance=-1"),
    ],
)
def test_value_out_of_range_is_named(call, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        call()
