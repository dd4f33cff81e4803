"""Whether a scheme holds the signal at depth with an activation, and advice if it does not."""

import math
from dataclasses import dataclass

import numpy as np

from keras_initlab.theory.activations import ACTIVATIONS, Activation, activation_of
from keras_initlab.theory.critical import CriticalPoint, critical_point
from keras_initlab.theory.gains import gain_of, odd_slope_of
from keras_initlab.theory.maps import FixedPoint, Phi, fixed_point
from keras_initlab.theory.moments import moments_of

__all__ = ["Stability", "stability_of"]

# A learning rate can still make up for a factor of ten over the whole depth.
_BEARABLE = 10.0

# Logarithms of the lengths between which moments are computed. Below and above, an activation is a
# power of its input to all digits that count, and so are its moments.
_LOG_LOWEST, _LOG_HIGHEST = math.log(1e-10), math.log(1e6)

# Past this logarithm a float64 is zero or infinite.
_LOG_FLOAT = 700.0


@dataclass(frozen=True)
class Stability:
    """What depth does to a signal.

    Args:
        holds: Whether all three factors lie between 1/10 and 10.
        length_factor: Factor on the mean square of the preactivations over the last `depth`
            layers of a stack twice as deep; 0 or infinite past the range of float64, where
            `verdict` has the power of ten.
        gradient_factor: Factor on the mean square of the gradient over the same layers.
        sensitivity: Factor by which a relative deviation of the length grows over `depth` layers; a
            network of finite width always deviates.
        fixed_point: Where the stack settles.
        verdict: The three in words.
        advice: A remedy in words; the text between backticks is code that runs.
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


@dataclass(frozen=True)
class _Local:
    """Logarithms of the moments at one length, and the slopes of the first along its own."""

    second: float
    slope_second: float
    exponent: float


def _logs(
    phi: Activation, weight_variance: float, bias_variance: float, depth: int
) -> dict[str, float]:
    """Logarithms of the three factors, for an input of mean square 1."""
    length = gradient = sensitivity = 0.0
    log_q, log_weight = math.log(weight_variance + bias_variance), math.log(weight_variance)
    for layer in range(2 * depth):
        try:
            local = _local(phi, log_q)
        except ValueError:
            return {"length": math.inf, "gradient": math.inf, "sensitivity": math.inf}
        signal = log_weight + local.second
        following = float(np.logaddexp(signal, _log(bias_variance)))
        if following == -math.inf:
            return {"length": -math.inf, "gradient": -math.inf, "sensitivity": 0.0}
        if layer >= depth:
            length += following - log_q
            gradient += log_weight + local.slope_second
            # The share of the signal in the next length, and by how much a deviation grows in it.
            sensitivity += signal - following + _log(local.exponent)
        log_q = following
    return {"length": length, "gradient": gradient, "sensitivity": max(sensitivity, 0.0)}


def _local(phi: Activation, log_q: float) -> _Local:
    # What float32 rounds off near zero is not part of the activation.
    lowest = max(_LOG_LOWEST, 2 / 3 * math.log(phi.precision))
    near = min(max(log_q, lowest), _LOG_HIGHEST)
    here = moments_of(phi, math.exp(near))
    second, slope = _log(here.second), _log(here.slope_second)
    exponent = here.growth * math.exp(near) / here.second if here.second > 0 else 0.0
    if log_q != near and math.isfinite(slope):
        inward = near + math.copysign(1.0, near - log_q)
        steep = slope - _log(moments_of(phi, math.exp(inward)).slope_second)
        slope += (log_q - near) * steep / (near - inward)
        second += (log_q - near) * exponent
    return _Local(second, slope, exponent)


def _log(number: float) -> float:
    return math.log(number) if number > 0 else -math.inf


def _exp(log: float) -> float:
    if abs(log) > _LOG_FLOAT:
        return math.inf if log > 0 else 0.0
    return math.exp(log)


def _in_words(log: float) -> str:
    """A factor, as a power of ten where a float64 cannot hold it."""
    if math.isinf(log) or abs(log) <= _LOG_FLOAT:
        return f"{_exp(log):.2g}"
    return f"10^{log / math.log(10):.4g}"


def _words(logs: dict[str, float], depth: int) -> list[str]:
    texts = {
        "length": ("the signal explodes", "the signal vanishes"),
        "gradient": ("the gradient explodes", "the gradient vanishes"),
        "sensitivity": ("deviations of the length grow", ""),
    }
    return [
        f"{texts[name][0 if log > 0 else 1]}: x {_in_words(log)} over {depth} layers"
        for name, log in logs.items()
        if abs(log) > math.log(_BEARABLE)
    ]


def _advice(phi: Activation) -> str:
    try:
        point = critical_point(phi)
    except ValueError:
        return _without_a_point(phi)
    if ACTIVATIONS.get(phi.name) is phi:
        weights, biases = f"CriticalNormal({phi.name!r})", f"CriticalBias({phi.name!r})"
    else:
        # A function or a layer of the user's own has no name that could be typed in.
        weights, biases = _drawn(point)
    advice = f"`{weights}`: weight variance {point.weight_variance:.6g} / fan_in"
    if point.bias_variance:
        advice += f" with `{biases}`: bias variance {point.bias_variance:.6g}"
    return advice


def _drawn(point: CriticalPoint) -> tuple[str, str]:
    scale, deviation = point.weight_variance, math.sqrt(point.bias_variance)
    return (
        f"VarianceScaling(scale={scale:.6g}, mode='fan_in', distribution='normal')",
        f"RandomNormal(stddev={deviation:.6g})",
    )


def _without_a_point(phi: Activation) -> str:
    none = "no weight and bias variance holds at depth"
    try:
        odd_slope_of(phi)
    except ValueError:
        return f"{none}; a normalization in each layer does"
    if ACTIVATIONS.get(phi.name) is not phi:
        return f"{none}; LooksLinear of this activation does, or a normalization in each layer"
    return f"{none}; `LooksLinear(activation={phi.name!r})` does, or a normalization in each layer"
