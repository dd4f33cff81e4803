"""Weights and biases at which neither the signal nor the gradient dies or explodes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_initlab.theory.activations import Activation, activation_of
from keras_initlab.theory.maps import Phi, length_map
from keras_initlab.theory.moments import Moments, moments_of
from keras_initlab.theory.roots import roots_over

__all__ = ["CriticalPoint", "critical_point", "edge_of_chaos", "half_stable_points"]

_SCALES = np.log(np.logspace(-4, 4, 161))
_TINY, _NEAR_ZERO, _DOUBLE = 1e-8, 1e-16, 2.0**-52


@dataclass(frozen=True)
class CriticalPoint:
    """A pair of variances at which the gradient keeps its size, `chi1 = 1`.

    Args:
        weight_variance: `C_w`: each weight has variance `C_w / fan_in`.
        bias_variance: `C_b`: each bias has variance `C_b`.
        q: Mean square of the preactivations that the pair keeps; NaN if it keeps any value.
        length_slope: Slope of the length map there.
    """

    weight_variance: float
    bias_variance: float
    q: float
    length_slope: float


def edge_of_chaos(activation: Phi, *, bias_variance: float) -> list[CriticalPoint]:
    """Every weight variance at which a stack with this bias variance is critical.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        bias_variance: `C_b`, positive. At 0 use `critical_point`.

    Returns:
        Points by ascending `q`; empty where there is none (ReLU, softplus).

    Raises:
        ValueError: If `bias_variance` is not positive or the activation is unknown.

    Source:
        Schoenholz et al. 2017, https://arxiv.org/abs/1611.01232; Hayou et al. 2019,
        https://arxiv.org/abs/1902.06853.

    Example:
        >>> [round(point.weight_variance, 4) for point in edge_of_chaos("tanh", bias_variance=0.05)]
        [1.761]
    """
    if not (math.isfinite(bias_variance) and bias_variance > 0):
        raise ValueError(
            "`bias_variance` must be positive here: without biases the edge lies at `q = 0` or at "
            f"every `q`. Received: bias_variance={bias_variance}. Try `critical_point`."
        )
    phi = activation_of(activation)

    def excess(moments: Moments) -> float:
        return 1 - (bias_variance + moments.second / moments.slope_second) / moments.input_variance

    return [_critical(phi, q, bias_variance) for q in _lengths_where(phi, excess)]


def half_stable_points(activation: Phi) -> list[CriticalPoint]:
    """Pairs at which both the length map and the gradient have slope 1 at a positive length.

    Nothing better exists for GELU, SiLU and Mish: below the point the length creeps up to it, above
    it creeps away.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.

    Returns:
        Points by ascending `q`; empty where there is none.

    Source:
        Roberts, Yaida and Hanin 2022, section 5.3.2, https://arxiv.org/abs/2106.10165.

    Example:
        >>> [round(point.weight_variance, 6) for point in half_stable_points("gelu")]
        [1.983058]
    """
    phi = activation_of(activation)

    def excess(moments: Moments) -> float:
        return 1 - moments.growth / moments.slope_second

    points = []
    for q in _lengths_where(phi, excess):
        moments = moments_of(phi, q)
        bias_variance = q - moments.second / moments.slope_second
        if bias_variance > _TINY:
            points.append(_critical(phi, q, bias_variance))
    return points


def critical_point(activation: Phi) -> CriticalPoint:
    """The pair of variances that holds signal and gradient in a deep stack.

    Scale-invariant activations (linear, ReLU, leaky ReLU) keep any length: `C_b` is 0. Those that
    bend towards zero (tanh, sin, ELU) keep a small signal: `C_w = 1 / phi'(0)**2`, `C_b` is 0.
    Those that bend the other way (GELU, SiLU, Mish) need the half-stable pair.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.

    Raises:
        ValueError: If there is no such pair (sigmoid, softplus); the error names an alternative.

    Source:
        Roberts, Yaida and Hanin 2022, chapter 5, https://arxiv.org/abs/2106.10165.

    Example:
        >>> round(critical_point("relu").weight_variance, 12)
        2.0
        >>> point = critical_point("silu")
        >>> round(point.weight_variance, 8), round(point.bias_variance, 8)
        (1.98800468, 0.55514317)
    """
    phi = activation_of(activation)
    if _is_scale_invariant(phi):
        weight_variance = 1 / moments_of(phi).slope_second
        return CriticalPoint(weight_variance, 0.0, math.nan, 1.0)
    # In float32 `exp(x) - 1` is zero where a small signal is.
    near_zero = max(_NEAR_ZERO, phi.precision ** (2 / 3) if phi.precision > _DOUBLE else 0.0)
    slope_second = moments_of(phi, near_zero).slope_second
    passes_zero = abs(float(phi(np.zeros(1))[0])) < 1e-12 and slope_second > 1e-12
    if passes_zero and length_map(phi, 1e-2, weight_variance=1 / slope_second) <= 1e-2 + 1e-14:
        return CriticalPoint(1 / slope_second, 0.0, 0.0, 1.0)
    points = half_stable_points(phi)
    if not points:
        raise ValueError(
            "No pair of weight and bias variance is critical for this activation. Received: "
            f"activation={phi.name}. Try `LooksLinear`, which starts the network linear, "
            "or a normalization layer."
        )
    return points[0]


def _is_scale_invariant(phi: Activation) -> bool:
    x = np.array([-4.0, -1.0, -0.25, 0.25, 1.0, 4.0])
    return bool(np.allclose(phi(2 * x), 2 * phi(x), rtol=16 * phi.precision, atol=0))


def _lengths_where(phi: Activation, excess: Callable[[Moments], float]) -> list[float]:
    """Values of `q` at which an excess of the moments changes sign."""

    def at(log_q: float) -> float:
        try:
            moments = moments_of(phi, math.exp(log_q))
        except ValueError:
            # An activation that grows like exp has no moments under a wide Gaussian.
            return math.nan
        return excess(moments) if moments.slope_second > 1e-9 else math.nan

    return [math.exp(log_q) for log_q in roots_over(at, _SCALES)]


def _critical(phi: Activation, q: float, bias_variance: float) -> CriticalPoint:
    moments = moments_of(phi, q)
    weight_variance = 1 / moments.slope_second
    return CriticalPoint(weight_variance, bias_variance, q, weight_variance * moments.growth)
