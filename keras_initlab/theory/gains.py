"""Gains: factors on the weights that compensate for the activation after a layer."""

import math

import numpy as np

from keras_initlab.theory.activations import Activation, Function, activation_of
from keras_initlab.theory.moments import moments_of

__all__ = ["CRITERIA", "gain_of", "odd_slope_of"]

CRITERIA = ("forward", "backward", "centered")


def gain_of(activation: str | Function | Activation | None, criterion: str = "forward") -> float:
    r"""Factor on the standard deviation of the weights that compensates for an activation.

    For a unit-variance Gaussian input the three criteria keep, through weights of variance
    $g^2 / n$: the mean square forward, $g = E[\phi^2]^{-1/2}$; the gradient's mean square backward,
    $g = E[\phi'^2]^{-1/2}$; and the variance about the mean, $g = Var[\phi]^{-1/2}$.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        criterion: `"forward"`, `"backward"` or `"centered"`.

    Returns:
        The gain (unitless); its square multiplies the variance.

    Raises:
        TypeError: If `activation` is neither a name nor a callable.
        ValueError: If the criterion or the activation is unknown, or if no such gain exists.

    Source:
        He et al. 2015, eq. 10 and 14, https://arxiv.org/abs/1502.01852, generalised as in Klambauer
        et al. 2017, https://arxiv.org/abs/1706.02515. `torch.nn.init.calculate_gain` agrees for
        linear, ReLU and leaky ReLU alone: its tanh (5/3) and SELU (3/4) are empirical.

    Example:
        >>> round(gain_of("relu") ** 2, 12)
        2.0
        >>> round(gain_of("gelu"), 6)
        1.53353
    """
    if criterion not in CRITERIA:
        raise ValueError(
            f"`criterion` must be one of {', '.join(CRITERIA)}. Received: criterion={criterion!r}."
        )
    phi = activation_of(activation)
    moments = moments_of(phi)
    kept = {
        "forward": moments.second,
        "backward": moments.slope_second,
        "centered": moments.variance,
    }[criterion]
    if not (math.isfinite(kept) and kept > 1e-12):
        raise ValueError(
            f"No `{criterion}` gain exists: {_reason(criterion, kept)}. "
            f"Received: activation={phi.name}, criterion={criterion!r}."
        )
    return float(1 / math.sqrt(kept))


def _reason(criterion: str, kept: float) -> str:
    if math.isinf(kept):
        return "the activation jumps, so its derivative has no mean square"
    return {
        "forward": "the activation is zero for every input, so nothing can be scaled up",
        "backward": "the activation is flat, so no gradient passes it",
        "centered": "the activation is constant, so nothing varies about its mean",
    }[criterion]


def odd_slope_of(activation: str | Function | Activation | None) -> float:
    r"""Slope `k` of an activation with $\phi(x) - \phi(-x) = k x$ for every `x`.

    It is 1 for ReLU, GELU, SiLU and softplus, and 1 plus the slope for a leaky ReLU.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.

    Raises:
        ValueError: If the odd part of the activation is flat or not linear (tanh).

    Source:
        Balduzzi et al. 2017, section 4.1, https://arxiv.org/abs/1702.08591, for ReLU.

    Example:
        >>> round(odd_slope_of("gelu"), 12)
        1.0
    """
    phi = activation_of(activation)
    x = np.linspace(0.05, 8.0, 160)
    ratios = (phi(x) - phi(-x)) / x
    slope = float(ratios.mean())
    if abs(slope) < 1e-3 or np.ptp(ratios) > 1e4 * phi.precision + 1e-9:
        raise ValueError(
            "Mirrored units cancel to a line only if `phi(x) - phi(-x)` is proportional to `x`, as "
            f"for relu, leaky_relu, gelu, silu and softplus. Received: activation={phi.name}. "
            "Try `Orthogonal`."
        )
    return slope
