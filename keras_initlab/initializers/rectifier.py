"""Schemes for ReLU and its relatives."""

from keras_initlab.initializers.arguments import (
    ActivationLike,
    Axes,
    BellDistribution,
    FanMode,
    KindLike,
    Seed,
)
from keras_initlab.initializers.base import VarianceScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_activation, checked_normal, checked_number
from keras_initlab.theory import Law, gain_of, rectifier_scale

__all__ = ["HeNormal", "HeUniform"]


class _RectifierScheme(VarianceScheme):
    """A row whose scale follows from a leaky ReLU's slope and whose fan may be chosen."""

    def __init__(
        self,
        *,
        activation: ActivationLike = "relu",
        negative_slope: float = 0.0,
        mode: FanMode = "fan_in",
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.activation = checked_activation(activation)
        self.negative_slope = checked_number(negative_slope, "negative_slope", "is a slope")
        self.mode = mode
        if self.negative_slope and self.activation != "relu":
            raise ValueError(
                "`negative_slope` is that of a leaky ReLU, so it fits no other activation. "
                f"Received: negative_slope={negative_slope}, activation={activation!r}."
            )
        super().__init__(kind=kind, seed=seed, input_axes=input_axes, output_axes=output_axes)
        self._law()

    def _law(self) -> Law:
        if self.activation == "relu":
            scale = rectifier_scale(self.negative_slope)
        else:
            criterion = "backward" if self.mode == "fan_out" else "forward"
            scale = gain_of(self.activation, criterion) ** 2
        return self.law.but(scale=scale, fan=self.mode)


@scheme
class HeUniform(_RectifierScheme):
    """Uniform weights that hold the signal's mean square steady through ReLU.

    Use it before `relu` and its relatives. The bound is `sqrt(6 / fan_in)`; `HalfXavierUniform` is
    the different formula that circulates under this name.

    Args:
        activation: The activation that follows: a name, a Keras activation or a registered
            callable. The square of its gain takes the place of the 2: forward, or backward with
            `fan_out`.
        negative_slope: Slope of the leaky ReLU that follows, 0 for ReLU (unitless).
        mode: `"fan_in"` keeps the forward signal, `"fan_out"` the gradient; `"fan_avg"` and
            `"fan_geo_avg"` lie between.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        He et al. 2015, eq. 10 and 15, https://arxiv.org/abs/1502.01852. The paper draws Gaussian
        weights; this is the uniform of the same variance, as in Keras and torch. `fan_out`: eq. 14.

    Example:
        >>> weights = HeUniform(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    law = Law(scale=2.0, fan="fan_in", draw="uniform")


@scheme
class HeNormal(_RectifierScheme):
    """Gaussian weights that hold the signal's mean square steady through ReLU.

    Use it before `relu` and its relatives. The variance of each weight is `2 / fan_in`: the 2
    makes up for the half of the signal that ReLU drops.

    Args:
        activation: The activation that follows: a name, a Keras activation or a registered
            callable. The square of its gain takes the place of the 2: forward, or backward with
            `fan_out`.
        negative_slope: Slope of the leaky ReLU that follows, 0 for ReLU (unitless).
        mode: `"fan_in"` keeps the forward signal, `"fan_out"` the gradient; `"fan_avg"` and
            `"fan_geo_avg"` lie between.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        He et al. 2015, eq. 10 and 15, https://arxiv.org/abs/1502.01852; `fan_out`: eq. 14.
        Untruncated, as in the paper; `keras.initializers.HeNormal` truncates.

    Example:
        >>> weights = HeNormal(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    law = Law(scale=2.0, fan="fan_in", draw="normal")

    def __init__(
        self,
        *,
        activation: ActivationLike = "relu",
        negative_slope: float = 0.0,
        mode: FanMode = "fan_in",
        distribution: BellDistribution = "normal",
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.distribution = checked_normal(distribution)
        super().__init__(
            activation=activation,
            negative_slope=negative_slope,
            mode=mode,
            kind=kind,
            seed=seed,
            input_axes=input_axes,
            output_axes=output_axes,
        )

    def _law(self) -> Law:
        return super()._law().but(draw=self.distribution)
