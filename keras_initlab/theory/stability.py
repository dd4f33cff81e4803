"""Whether a scheme holds the signal at depth with an activation, and advice if not."""

import math
from dataclasses import dataclass

from keras_initlab.theory.activations import Activation, activation_of
from keras_initlab.theory.critical import critical_point
from keras_initlab.theory.gains import gain_of
from keras_initlab.theory.maps import FixedPoint, Phi, fixed_point
from keras_initlab.theory.moments import moments_of

__all__ = ["Stability", "stability_of"]

# A learning rate can still make up for a factor of ten over the whole depth.
_BEARABLE = 10.0
_LOWEST, _HIGHEST = 1e-12, 1e8


@dataclass(frozen=True)
class Stability:
    """What depth does to a signal.

    Args:
        holds: Whether none of the three factors exceeds ten, either way.
        length_factor: Mean square of the preactivations gained over the last `depth` layers of a
            stack twice as deep.
        gradient_factor: Mean square of the gradient gained over the last `depth` layers.
        sensitivity: By how much a relative deviation of the length grows over `depth` layers; a
            network of finite width always deviates.
        fixed_point: Where the stack settles.
        verdict: The three in words.
        advice: A remedy, in words.
    """

    holds: bool
    length_factor: float
    gradient_factor: float
    sensitivity: float
    fixed_point: FixedPoint
    verdict: str
    advice: str


def stability_of(
    activation: Phi,
    *,
    weight_variance: float | None = None,
    bias_variance: float = 0.0,
    depth: int = 50,
) -> Stability:
    """Whether weights of a given variance hold signal and gradient through a deep stack.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        weight_variance: `C_w`, the weights' variance times the fan: 1 for LeCun and Xavier, 2 for
            He; `None` for the activation's own forward gain, which keeps a variance of 1.
        bias_variance: `C_b`, the biases' variance.
        depth: Number of layers.

    Raises:
        ValueError: If an argument is out of range or the activation is unknown.

    Source:
        Roberts, Yaida and Hanin 2022, chapter 5, https://arxiv.org/abs/2106.10165. The bearable
        factor of ten is our choice.

    Example:
        >>> stability_of("relu").holds
        True
        >>> gelu = stability_of("gelu")
        >>> gelu.holds, round(gelu.fixed_point.length_slope, 3)
        (False, 1.144)
    """
    phi = activation_of(activation)
    if depth < 1:
        raise ValueError(f"`depth` counts layers, at least 1. Received: depth={depth}.")
    if weight_variance is None:
        weight_variance = gain_of(phi) ** 2
    point = fixed_point(phi, weight_variance=weight_variance, bias_variance=bias_variance)
    logs = _logs(phi, weight_variance, bias_variance, depth)
    words = _words(logs, depth)
    return Stability(
        holds=not words,
        length_factor=_exp(logs["length"]),
        gradient_factor=_exp(logs["gradient"]),
        sensitivity=_exp(logs["sensitivity"]),
        fixed_point=point,
        verdict="; ".join(words) or f"signal and gradient hold over {depth} layers",
        advice=_advice(phi),
    )


def _logs(
    phi: Activation, weight_variance: float, bias_variance: float, depth: int
) -> dict[str, float]:
    """Logarithms of the three factors, for an input of mean square 1."""
    length = gradient = sensitivity = 0.0
    q = weight_variance + bias_variance
    for layer in range(2 * depth):
        try:
            moments = moments_of(phi, min(max(q, _LOWEST), _HIGHEST))
        except ValueError:
            return {"length": math.inf, "gradient": math.inf, "sensitivity": math.inf}
        following = max(weight_variance * moments.second + bias_variance, _LOWEST)
        if layer >= depth:
            length += math.log(following / q)
            gradient += math.log(max(weight_variance * moments.slope_second, _LOWEST))
            growth = weight_variance * moments.growth * q / following
            sensitivity += math.log(max(growth, _LOWEST))
        q = following
    return {"length": length, "gradient": gradient, "sensitivity": max(sensitivity, 0.0)}


def _exp(log: float) -> float:
    return math.exp(min(max(log, -700.0), 700.0))


def _words(logs: dict[str, float], depth: int) -> list[str]:
    texts = {
        "length": ("the signal explodes", "the signal vanishes"),
        "gradient": ("the gradient explodes", "the gradient vanishes"),
        "sensitivity": ("deviations of the length grow", ""),
    }
    return [
        f"{texts[name][0 if log > 0 else 1]}: x {_exp(log):.2g} over {depth} layers"
        for name, log in logs.items()
        if abs(log) > math.log(_BEARABLE)
    ]


def _advice(phi: Activation) -> str:
    try:
        point = critical_point(phi)
    except ValueError:
        return "no weight and bias variance holds at depth; `LooksLinear` or normalization does"
    advice = f"`CriticalNormal({phi.name!r})`: weight variance {point.weight_variance:.6g} / fan_in"
    if point.bias_variance:
        advice += f" with `CriticalBias({phi.name!r})`: bias variance {point.bias_variance:.6g}"
    return advice
