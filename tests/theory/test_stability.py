"""What depth does to a signal, in logarithms, and advice that can be typed in."""

import math
import re

import keras
import numpy as np
import pytest
from grids import over

import keras_initlab
from keras_initlab.theory import (
    ACTIVATIONS,
    Activation,
    activation_of,
    critical_point,
    moments_of,
    stability_of,
)

pytestmark = pytest.mark.once

# The trapezoid rule; where a slope jumps it errs by the square of the step, 2.5e-5.
NODES = np.linspace(-10.0, 10.0, 4001)
MASS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()


@over(depth=[1, 50], weight=[0.5, 1.0, 2.0, 8.0])
def test_factors_of_relu_are_powers_of_the_half_that_passes(depth, weight):
    stability = stability_of("relu", weight_variance=weight, depth=depth)

    exact = (weight / 2) ** depth
    assert stability.length_factor == pytest.approx(exact, rel=1e-9)
    assert stability.gradient_factor == pytest.approx(exact, rel=1e-9)
    assert ("vanishes" in stability.verdict) == (exact < 0.1)
    assert ("explodes" in stability.verdict) == (exact > 10)


def test_factor_past_the_range_of_floats_is_a_power_of_ten_in_words():
    small = stability_of("relu", weight_variance=1.0, depth=3000)
    large = stability_of("relu", weight_variance=8.0, depth=3000)

    # 3000 log10(2) = 903.1, and twice that.
    assert small.length_factor == 0
    assert "the signal vanishes: x 10^-903.1 over 3000 layers" in small.verdict
    assert math.isinf(large.length_factor)
    assert "the signal explodes: x 10^1806 over 3000 layers" in large.verdict


@over(
    name=["silu", "tanh", "softsign", "selu", "hard_silu"],
    weight=[0.3, 2.5],
)
def test_factors_of_a_curve_are_those_of_a_stack_worked_out_layer_by_layer(name, weight):
    depth, phi = 12, ACTIVATIONS[name]
    q, lengths, slopes = weight, [], []
    for _ in range(2 * depth + 1):
        lengths.append(q)
        x = math.sqrt(q) * NODES
        step = 1e-6 * math.sqrt(q)
        slopes.append(weight * MASS @ ((phi(x + step) - phi(x - step)) / (2 * step)) ** 2)
        q = weight * MASS @ phi(x) ** 2

    stability = stability_of(name, weight_variance=weight, depth=depth)

    # A slope from differences misses a bend by a step of the grid, 5e-3 of a layer's moment.
    tolerance = 5e-3 * depth
    length = math.log(lengths[2 * depth] / lengths[depth])
    assert math.log(stability.length_factor) == pytest.approx(length, abs=tolerance)
    gradient = sum(map(math.log, slopes[depth : 2 * depth]))
    assert math.log(stability.gradient_factor) == pytest.approx(gradient, abs=tolerance)


def test_deviations_of_a_cube_triple_in_each_layer():
    # x - tanh(x) is x**3 / 3 for a small x, so the length is cubed: a deviation grows 3 x.
    stability = stability_of("tanh_shrink", weight_variance=1.0, depth=20)

    assert stability.sensitivity == pytest.approx(3.0**20, rel=1e-6)
    assert stability.length_factor == 0


# --- advice --------------------------------------------------------------------------------------


def snake(x):
    return x + np.sin(x) ** 2


MADE = {
    "a function": snake,
    "a nameless function": lambda x: x * np.tanh(x),
    "a line and a half": lambda x: np.maximum(x, 0.3 * x),
    "an activation of one's own": Activation("gelu", lambda x: np.tanh(2 * x)),
    "LeakyReLU": keras.layers.LeakyReLU(0.1),
}


@over(name=["relu", "gelu", "selu", "softplus", "sigmoid", "tanh_shrink", *MADE])
def test_advice_runs_as_it_is_printed_and_draws_what_it_says(name):
    activation = MADE.get(name, name)
    stability = stability_of(activation)
    names = {name: getattr(keras_initlab, name) for name in keras_initlab.__all__}

    codes = re.findall(r"`([^`]*)`", stability.advice)

    schemes = [eval(code, names) for code in codes]
    weights = [np.float64(keras.ops.convert_to_numpy(made((300, 300)))) for made in schemes]
    if "weight variance" in stability.advice:
        point = critical_point(activation)
        variances = [point.weight_variance / 300, point.bias_variance]
        for weight, variance in zip(weights, variances, strict=False):
            # Of 90,000 normal numbers.
            assert weight.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / 90_000))
        assert len(weights) == 1 + (point.bias_variance > 0)


@over(alpha=[0.5, 1.0])
def test_layer_in_float64_has_the_critical_point_of_its_formula(alpha):
    # The limit at zero is taken where the layer still has digits: at 5e-3 in the float32 of JAX, at
    # 2**-14.7 = 4e-5 where TensorFlow's float64 `elu` has 44 bits.
    point = critical_point(keras.layers.ELU(alpha=alpha))

    # The mean of the squares of the slopes 1 and alpha.
    exact = 2 / (1 + alpha**2)
    on_jax = keras.backend.backend() == "jax"
    assert point.weight_variance == pytest.approx(exact, rel=5e-3 if on_jax else 4e-5)


def test_rounding_of_a_layer_is_not_taken_for_bends():
    # TensorFlow's float64 `elu` and `expm1` have 13 digits near -7e-4.
    def rounded(x):
        return np.where(x > 0, x, np.round(np.expm1(np.minimum(x, 0.0)) * 2.0**44) * 2.0**-44)

    phi = activation_of(rounded)

    assert len(phi.kinks) + len(phi.jumps) <= 2
    exact = moments_of("elu")
    assert moments_of(phi).second == pytest.approx(exact.second, rel=1e-6)
