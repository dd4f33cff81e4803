"""Schemes that scale the variance by the fans: one row of numbers each."""

from keras_initlab.initializers.arguments import (
    Axes,
    BellDistribution,
    Distribution,
    FanMode,
    KindLike,
    Seed,
)
from keras_initlab.initializers.base import VarianceScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_normal, checked_number
from keras_initlab.theory import Law

__all__ = [
    "HalfXavierUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
]

# Keras's words beside ours: there "normal" is truncated, here it is not.
_DRAW_OF = {
    "uniform": "uniform",
    "normal": "normal",
    "truncated_normal": "truncated_normal",
    "untruncated_normal": "normal",
}


class _NormalScheme(VarianceScheme):
    """A row with a Gaussian that may be truncated."""

    def __init__(
        self,
        *,
        distribution: BellDistribution = "normal",
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.distribution = checked_normal(distribution)
        super().__init__(kind=kind, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _law(self) -> Law:
        return self.law.but(draw=self.distribution)


@scheme
class VarianceScaling(VarianceScheme):
    """Weights of variance `scale / fan`: the general form of the other schemes.

    Args:
        scale: Multiplies the variance (unitless), positive.
        mode: `"fan_in"`, `"fan_out"`, `"fan_avg"` or `"fan_geo_avg"`.
        distribution: `"uniform"`, `"normal"` (the whole bell) or `"truncated_normal"` at two
            standard deviations with the variance corrected; `"untruncated_normal"` is Keras's
            word for `"normal"`.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        Form and defaults of `keras.initializers.VarianceScaling`. It differs in one word: there
        `"normal"` is truncated, here it is not.

    Example:
        >>> weights = VarianceScaling(scale=2.0, seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(
        self,
        *,
        scale: float = 1.0,
        mode: FanMode = "fan_in",
        distribution: Distribution = "truncated_normal",
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.scale = checked_number(scale, "scale", "multiplies the variance", positive=True)
        self.mode = mode
        self.distribution = distribution
        super().__init__(kind=kind, seed=seed, input_axes=input_axes, output_axes=output_axes)
        self._law()

    def _law(self) -> Law:
        draw = _DRAW_OF.get(self.distribution, self.distribution)
        return Law(scale=float(self.scale), fan=self.mode, draw=draw)


@scheme
class XavierUniform(VarianceScheme):
    """Uniform weights that balance signal and gradient around linear units and tanh.

    Use it before `tanh` and in linear layers. The bound is `sqrt(6 / (fan_in + fan_out))`.
    Before ReLU it halves the signal's mean square per layer.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        Glorot and Bengio 2010, eq. 16, https://proceedings.mlr.press/v9/glorot10a.html.

    Example:
        >>> weights = XavierUniform(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    law = Law(scale=1.0, fan="fan_avg", draw="uniform")


@scheme
class XavierNormal(_NormalScheme):
    """Gaussian weights that balance signal and gradient around linear units and tanh.

    Use it before `tanh` and in linear layers. The variance is `2 / (fan_in + fan_out)`.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        Glorot and Bengio 2010, eq. 12, https://proceedings.mlr.press/v9/glorot10a.html.
        The paper draws uniform weights only; the normal of the same variance is common practice.
        Untruncated; `keras.initializers.GlorotNormal` truncates.

    Example:
        >>> weights = XavierNormal(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    law = Law(scale=1.0, fan="fan_avg", draw="normal")


@scheme
class LecunUniform(VarianceScheme):
    """Uniform weights that hold the variance of a linear layer's signal steady.

    The bound is `sqrt(3 / fan_in)`.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        LeCun et al. 1998, Efficient BackProp, section 4.6, eq. 16, in Neural Networks: Tricks of
        the Trade, http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf.

    Example:
        >>> weights = LecunUniform(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    law = Law(scale=1.0, fan="fan_in", draw="uniform")


@scheme
class LecunNormal(_NormalScheme):
    """Gaussian weights that hold the variance of a linear layer's signal steady.

    Use it before `selu`, whose own constants do the rest. The variance is `1 / fan_in`.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        LeCun et al. 1998, Efficient BackProp, section 4.6, eq. 16; for SELU Klambauer et al. 2017,
        https://arxiv.org/abs/1706.02515. Untruncated; `keras.initializers.LecunNormal` truncates.

    Example:
        >>> weights = LecunNormal(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    law = Law(scale=1.0, fan="fan_in", draw="normal")


@scheme
class HalfXavierUniform(VarianceScheme):
    """Xavier-uniform weights of half width, printed in articles as 'He uniform'.

    Kept so that results made with it can be repeated and its harm can be seen: through square ReLU
    layers it passes 1/8 of the mean square per layer. For ReLU use `HeUniform`.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        The bound `sqrt(6) / (2 sqrt(fan_in + fan_out))` circulates in articles on initialization as
        He-uniform; He et al. 2015, https://arxiv.org/abs/1502.01852, gives `sqrt(6 / fan_in)`.

    Example:
        >>> weights = HalfXavierUniform(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    law = Law(scale=0.25, fan="fan_avg", draw="uniform")
