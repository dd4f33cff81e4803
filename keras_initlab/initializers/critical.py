"""Weights and biases that hold a deep stack at criticality: a pair of schemes."""

import math

from keras_initlab.initializers.arguments import ActivationLike, Axes, KindLike, Seed
from keras_initlab.initializers.base import RandomScheme, VarianceScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_activation, checked_number, checked_seed
from keras_initlab.theory import CriticalPoint, Law, critical_point, edge_of_chaos

__all__ = ["CriticalBias", "CriticalNormal"]

_BIAS_VARIANCE = "is the variance of the biases that go with the weights"


@scheme
class CriticalNormal(VarianceScheme):
    """Gaussian weights at which a deep stack neither kills nor explodes the signal.

    Use it in stacks of many layers, always with `CriticalBias` of the same arguments as
    `bias_initializer`: for GELU, SiLU and Mish the weights alone do not hold the signal.
    The variance of each weight is `C_w / fan_in`, where `C_w` makes the gradient's gain per layer
    exactly 1.

    Args:
        activation: The activation that follows: a name, a Keras activation or a registered
            callable.
        bias_variance: `C_b`, to choose another point on the edge of chaos; `None` takes the
            activation's own: 0 for ReLU and tanh, the half-stable pair for GELU, SiLU and Mish.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Raises:
        ValueError: If the activation has no critical point (sigmoid, softplus) or none at this
            `bias_variance`; on call, if the shape has fewer than two axes.

    Source:
        Roberts, Yaida and Hanin 2022, chapter 5, https://arxiv.org/abs/2106.10165; for a chosen
        bias variance the edge of chaos of Schoenholz et al. 2017,
        https://arxiv.org/abs/1611.01232. Recipes with the weights' variance alone drift: unit
        variance through 50 GELU layers ends tens of times too large.

    Example:
        >>> weights = CriticalNormal("gelu", seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    law = Law(scale=1.0, fan="fan_in", draw="normal")

    def __init__(
        self,
        activation: ActivationLike,
        *,
        bias_variance: float | None = None,
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.activation = checked_activation(activation)
        self.bias_variance = bias_variance
        _point(activation, bias_variance)
        super().__init__(kind=kind, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _law(self) -> Law:
        return self.law.but(scale=_point(self.activation, self.bias_variance).weight_variance)


@scheme
class CriticalBias(RandomScheme):
    """Gaussian biases with the variance that `CriticalNormal` needs.

    Args:
        activation: The activation that follows, as for `CriticalNormal`.
        bias_variance: `C_b`, as for `CriticalNormal`.

    Shape:
        Any, usually `(units,)`.

    Raises:
        ValueError: If the activation has no critical point, or none at this `bias_variance`.

    Source:
        As for `CriticalNormal`. The pairs are GELU 1.98306 and 0.172922, SiLU 1.98800 and 0.555143,
        Mish 2.01352 and 0.0945218, from Roberts, Yaida and Hanin 2022, section 5.3.2,
        https://arxiv.org/abs/2106.10165, to more digits.

    Example:
        >>> biases = CriticalBias("relu")((4,))
        >>> float(abs(biases[0]))
        0.0
    """

    def __init__(
        self, activation: ActivationLike, *, bias_variance: float | None = None, seed: Seed = None
    ):
        self.activation = checked_activation(activation)
        self.bias_variance = bias_variance
        self.seed = checked_seed(seed)
        _point(activation, bias_variance)

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        return "normal", 0.0, math.sqrt(_point(self.activation, self.bias_variance).bias_variance)


def _point(activation: ActivationLike, bias_variance: float | None) -> CriticalPoint:
    own = critical_point(activation) if bias_variance is None else None
    if own is not None:
        return own
    checked_number(bias_variance, "bias_variance", _BIAS_VARIANCE, positive=True)
    points = edge_of_chaos(activation, bias_variance=float(bias_variance or 0))
    if not points:
        raise ValueError(
            "No weight variance is critical with these biases. "
            f"Received: activation={activation!r}, bias_variance={bias_variance}. "
            "Try `bias_variance=None`."
        )
    return points[0]
