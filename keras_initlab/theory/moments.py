"""Moments of an activation whose input is Gaussian."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from keras_initlab.theory.activations import Activation, Function, activation_of
from keras_initlab.theory.panels import (
    NODES,
    WEIGHTS,
    adaptive_sum,
    breakpoints,
    density,
    derivative,
)

__all__ = ["Moments", "moments_of"]


@dataclass(frozen=True)
class Moments:
    """Expectations over `x ~ N(0, input_variance)`, each with a bound of its error.

    Args:
        mean: `E[phi]`.
        second: `E[phi**2]`.
        slope_second: `E[phi'**2]`, which the gradient's mean square is multiplied by.
        growth: `d E[phi**2] / d input_variance`, by Stein's lemma `E[phi**2 (z**2 - 1)] / (2 q)`.
        error: Bounds of the errors of these four, in that order.
        input_variance: Variance `q` of the input.
    """

    mean: float
    second: float
    slope_second: float
    growth: float
    error: tuple[float, float, float, float]
    input_variance: float = 1.0

    @property
    def variance(self) -> float:
        """`E[phi**2] - E[phi]**2`."""
        return self.second - self.mean**2


def moments_of(
    activation: str | Function | Activation | None, input_variance: float = 1.0
) -> Moments:
    """Moments of an activation for a Gaussian input of mean zero.

    Gauss-Legendre quadrature of 16 nodes on panels that end at the activation's bends, halved
    where a panel disagrees with its halves. The derivative is that of the interpolating polynomial
    on each panel, so no formula for it is needed.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        input_variance: Variance `q` of the input, positive.

    Raises:
        TypeError: If `activation` is neither a name nor a callable.
        ValueError: If `input_variance` is not positive, if the activation is unknown or not
            a pointwise function, or if its moments do not exist.

    Source:
        Poole et al. 2016, eq. 3 and 7, https://arxiv.org/abs/1606.05340, on what they determine.

    Example:
        >>> moments = moments_of("relu")
        >>> round(moments.second, 12), round(moments.slope_second, 12)
        (0.5, 0.5)
    """
    if not (math.isfinite(input_variance) and input_variance > 0):
        raise ValueError(
            "`input_variance` is the variance of the activation's input, so it must be positive "
            f"and finite. Received: input_variance={input_variance}."
        )
    return _moments(activation_of(activation), float(input_variance))


@lru_cache(maxsize=4096)
def _moments(phi: Activation, q: float) -> Moments:
    std = math.sqrt(q)
    kinks = [place / std for place in (*phi.kinks, *phi.jumps)]
    edges = breakpoints([0.0, *kinks], min(1.0, 1 / std))

    def panels(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = (high - low) / 2
        z = (low + high)[:, None] / 2 + half[:, None] * NODES
        values = phi(std * z)
        # 128: the largest row sum of the differentiation matrix of 16 nodes, rounded up.
        noise = phi.precision * np.abs(values).max(axis=1) * 128 / (half * std)
        slopes = derivative(values, 2 * half * std)
        mass = density(z) * WEIGHTS * half[:, None]
        square = values**2
        terms = np.stack(
            [values * mass, square * mass, slopes**2 * mass, square * (z * z - 1) * mass], axis=-1
        )
        size = np.abs(terms).sum(axis=1)
        rounding = phi.precision * size
        rounding[:, 2] += (2 * noise * np.abs(slopes).max(axis=1) + noise**2) * mass.sum(axis=1)
        return terms.sum(axis=1), rounding

    with np.errstate(over="ignore", invalid="ignore"):
        sums, errors = adaptive_sum(panels, edges, tolerance=1e-14)
        # The rest beyond the last panels is smaller than they are, unless phi grows like exp(z**2).
        ends = np.abs(panels(edges[[0, -2]], edges[[1, -1]])[0]).sum(axis=0)
    errors = errors + ends
    per = np.array([1.0, 1.0, 1.0, 0.5 / q])
    sums, errors = sums * per, errors * per
    if not np.isfinite(sums).all() or errors[1] > 1e-3 * sums[1] > 0:
        raise ValueError(
            f"`activation` grows too fast: its moments under N(0, {q:g}) do not exist in double "
            f"precision. Received: activation={phi.name}."
        )
    if phi.jumps:
        sums[2] = errors[2] = math.inf
    mean, second, slope_second, growth = sums.tolist()
    return Moments(mean, second, slope_second, growth, tuple(errors.tolist()), q)
