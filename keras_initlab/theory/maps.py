"""Mean-field theory of a deep network: how signal and correlation change from layer to layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from keras_initlab.theory.activations import Activation, Function, activation_of
from keras_initlab.theory.moments import moments_of
from keras_initlab.theory.panels import NODES, WEIGHTS, breakpoints, density, derivative
from keras_initlab.theory.roots import lowest_between, root_between

__all__ = ["FixedPoint", "correlation_map", "correlation_slope", "fixed_point", "length_map"]

Phi = str | Function | Activation | None

_SMALLEST, _LARGEST, _FAR = 1e-12, 1e12, 1e4


def length_map(
    activation: Phi, q: float, *, weight_variance: float, bias_variance: float = 0.0
) -> float:
    """Mean square of the next preactivation, `C_w E[phi**2] + C_b`.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        q: Mean square of this preactivation, positive.
        weight_variance: `C_w`, the weights' variance times the fan (unitless).
        bias_variance: `C_b`, the biases' variance.

    Source:
        Poole et al. 2016, eq. 3, https://arxiv.org/abs/1606.05340.

    Example:
        >>> round(length_map("relu", 3.0, weight_variance=2.0), 12)
        3.0
    """
    return weight_variance * moments_of(activation, q).second + bias_variance


@dataclass(frozen=True)
class FixedPoint:
    """Where a deep stack settles.

    Args:
        q: Mean square of the preactivations there; 0 if the signal dies, infinite if it explodes.
        length_slope: Slope of the length map there: below 1, deviations shrink.
        chi1: Factor on the gradient's mean square in one layer, `C_w E[phi'**2]`.
        correlation: Correlation that two inputs settle at.
        correlation_slope: Slope of the correlation map there.
    """

    q: float
    length_slope: float
    chi1: float
    correlation: float
    correlation_slope: float

    @property
    def phase(self) -> str:
        """`"ordered"` (gradients vanish), `"critical"` or `"chaotic"` (gradients explode)."""
        if abs(self.chi1 - 1) < 1e-6:
            return "critical"
        return "ordered" if self.chi1 < 1 else "chaotic"

    @property
    def length_depth(self) -> float:
        """Layers over which a deviation of the length shrinks to 1/e; infinite at a slope of 1."""
        return _depth(self.length_slope)

    @property
    def correlation_depth(self) -> float:
        """Layers over which two inputs forget how they differed; infinite at a slope of 1."""
        return _depth(self.correlation_slope)


def _depth(slope: float) -> float:
    if slope <= 0:
        return 0.0
    return math.inf if abs(slope - 1) < 1e-12 else abs(1 / math.log(slope))


def fixed_point(
    activation: Phi, *, weight_variance: float, bias_variance: float = 0.0, start: float = 1.0
) -> FixedPoint:
    """Where a stack of equal layers settles when its first preactivation has mean square `start`.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        weight_variance: `C_w`, the weights' variance times the fan (unitless), positive.
        bias_variance: `C_b`, the biases' variance, not negative.
        start: Mean square of the first preactivation.

    Raises:
        ValueError: If a variance is out of range or the activation is unknown.

    Source:
        Poole et al. 2016, https://arxiv.org/abs/1606.05340; depth scales: Schoenholz et al. 2017,
        eq. 9 and 11, https://arxiv.org/abs/1611.01232.

    Example:
        >>> point = fixed_point("tanh", weight_variance=1.69, bias_variance=0.09)
        >>> round(point.q, 6), point.phase
        (0.607047, 'ordered')
    """
    _check_variances(weight_variance, bias_variance)
    phi = activation_of(activation)
    q = _settled(phi, weight_variance, bias_variance, start)
    if q == 0 or math.isinf(q):
        return _at_the_end(phi, weight_variance, q)
    moments = moments_of(phi, q)
    chi1 = weight_variance * moments.slope_second
    correlation = _settled_correlation(phi, q, weight_variance, bias_variance, chi1)
    slope = (
        chi1
        if correlation == 1
        else correlation_slope(phi, correlation, q=q, weight_variance=weight_variance)
    )
    return FixedPoint(q, weight_variance * moments.growth, chi1, correlation, slope)


def _at_the_end(phi: Activation, weight_variance: float, q: float) -> FixedPoint:
    try:
        moments = moments_of(phi, _SMALLEST if q == 0 else _FAR)
    except ValueError:
        return FixedPoint(q, math.inf, math.inf, 1.0, math.inf)
    slope = weight_variance * moments.slope_second
    return FixedPoint(q, weight_variance * moments.growth, slope, 1.0, slope)


def _check_variances(weight_variance: float, bias_variance: float) -> None:
    if not (math.isfinite(weight_variance) and weight_variance > 0):
        raise ValueError(
            "`weight_variance` is the weights' variance times the fan, so it must be positive. "
            f"Received: weight_variance={weight_variance}."
        )
    if not (math.isfinite(bias_variance) and bias_variance >= 0):
        raise ValueError(
            "`bias_variance` is a variance, so it must be at least 0. "
            f"Received: bias_variance={bias_variance}."
        )


def _settled(phi: Activation, weight_variance: float, bias_variance: float, start: float) -> float:
    """The next fixed point up or down from `start`, in the direction in which the map moves."""

    def drift(log_q: float) -> float:
        return _drift(phi, weight_variance, bias_variance, math.exp(log_q))

    before, here = math.inf, drift(math.log(start))
    if abs(here) < 1e-13:
        return start
    step, place = math.copysign(0.25, here), math.log(start)
    while not math.isnan(there := drift(place + step)):
        if there * here <= 0:
            return math.exp(root_between(drift, *sorted((place, place + step))))
        if abs(here) < min(0.1, abs(before), abs(there)):
            touching = _touching(drift, place, abs(step))
            if touching is not None:
                return math.exp(touching)
        before, here, place = here, there, place + step
    return math.inf if step > 0 else 0.0


def _drift(phi: Activation, weight_variance: float, bias_variance: float, q: float) -> float:
    """Relative change of the length in one layer; NaN where it counts as dead or exploded."""
    if not _SMALLEST <= q <= _LARGEST:
        return math.nan
    try:
        second = moments_of(phi, q).second
    except ValueError:
        # An activation that grows like exp has no second moment any more: it explodes.
        return math.inf
    return (weight_variance * second + bias_variance) / q - 1


def _touching(drift: Callable[[float], float], place: float, step: float) -> float | None:
    """Where a drift touches zero without crossing it, as at a half-stable point."""
    lowest = lowest_between(lambda x: abs(drift(x)), place - step, place + step)
    return lowest if abs(drift(lowest)) < 1e-9 else None


def correlation_map(
    activation: Phi, c: float, *, q: float, weight_variance: float, bias_variance: float = 0.0
) -> float:
    """Correlation of two preactivations in the next layer, from that in this one.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        c: Correlation of the two in this layer, from -1 to 1.
        q: Mean square of both, a fixed point of the length map.
        weight_variance: `C_w`, the weights' variance times the fan (unitless).
        bias_variance: `C_b`, the biases' variance.

    Source:
        Poole et al. 2016, eq. 5, https://arxiv.org/abs/1606.05340.

    Example:
        >>> round(correlation_map("relu", 0.0, q=1.0, weight_variance=2.0), 6)
        0.31831
    """
    product = _product(activation_of(activation), float(q), float(c), slope=False)
    return (weight_variance * product + bias_variance) / q


def correlation_slope(activation: Phi, c: float, *, q: float, weight_variance: float) -> float:
    """Slope of the correlation map at `c`, `C_w E[phi'(u1) phi'(u2)]`; at `c = 1` it is `chi1`.

    Example:
        >>> round(correlation_slope("relu", 0.0, q=1.0, weight_variance=2.0), 6)
        0.5
    """
    return weight_variance * _product(activation_of(activation), float(q), float(c), slope=True)


@lru_cache(maxsize=4096)
def _product(phi: Activation, q: float, c: float, *, slope: bool) -> float:
    """`E[f(u1) f(u2)]` with f the activation or its slope, variance q and correlation c.

    Both share a Gaussian w of weight |c| and have one of weight 1 - |c| of their own, so the mean
    is that of `E[f | w] E[f | +-w]`: two nested integrals that split at the bends.
    """
    if not -1 <= c <= 1:
        raise ValueError(f"`c` is a correlation, so it must lie in [-1, 1]. Received: c={c}.")
    if c == 1:
        moments = moments_of(phi, q)
        return moments.slope_second if slope else moments.second
    shared, own = math.sqrt(abs(c) * q), math.sqrt((1 - abs(c)) * q)
    places = np.array([0.0, *phi.kinks, *phi.jumps])
    if shared == 0:
        return float(_conditional(phi, np.zeros(1), own, places, slope)[0] ** 2)
    width = max(own, 1e-9)
    edges = breakpoints(
        [*(places / shared), *(-places / shared)], min(1.0, width / shared, 1 / shared)
    )
    half = np.diff(edges) / 2
    w = ((edges[:-1] + edges[1:])[:, None] / 2 + half[:, None] * NODES).reshape(-1)
    mass = density(w) * (half[:, None] * WEIGHTS).reshape(-1)
    held = np.abs(mass) > 1e-25
    w, mass = w[held], mass[held]
    first = _conditional(phi, shared * w, own, places, slope)
    second = first if c > 0 else _conditional(phi, -shared * w, own, places, slope)
    return float((first * second * mass).sum())


def _conditional(
    phi: Activation, centers: np.ndarray, std: float, places: np.ndarray, slope: bool
) -> np.ndarray:
    """`E[f(center + std z)]` for each center, on panels that end at the bends."""
    if std == 0:
        spots = centers[:, None] + 1e-9 * NODES
        values = phi(spots)
        if slope:
            values = derivative(values, np.full(len(centers), 2e-9))
        means: np.ndarray = values @ WEIGHTS / 2
        return means
    bends = (places[None, :] - centers[:, None]) / std
    grid = np.arange(-9.0, 9.5, 1.0)
    fine = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 4.0, -4.0]) / max(std, 1.0)
    near = bends[:, :1] + fine
    edges = np.concatenate([np.broadcast_to(grid, (len(centers), len(grid))), bends, near], axis=1)
    edges = np.sort(edges.clip(-9.0, 9.0), axis=1)
    half = np.diff(edges, axis=1) / 2
    z = (edges[:, :-1] + edges[:, 1:])[..., None] / 2 + half[..., None] * NODES
    values = phi(centers[:, None, None] + std * z)
    if slope:
        width = np.where(half > 1e-12, 2 * half * std, 1.0)
        values = np.where((half > 1e-12)[..., None], derivative(values, width), 0.0)
    totals: np.ndarray = (values * density(z) * WEIGHTS * half[..., None]).sum(axis=(1, 2))
    return totals


def _settled_correlation(
    phi: Activation, q: float, weight_variance: float, bias_variance: float, chi1: float
) -> float:
    """The stable fixed point of the correlation map: 1 unless its slope there exceeds 1."""
    if chi1 <= 1 + 1e-9:
        return 1.0

    def drift(c: float) -> float:
        product = _product(phi, q, c, slope=False)
        return (weight_variance * product + bias_variance) / q - c

    return max(0.0, root_between(drift, 0.0, 1 - 1e-6)) if drift(0.0) > 1e-13 else 0.0
