"""Schemes for nets of sines, which represent images, sounds and fields."""

from keras_initlab.initializers.arguments import Axes, KindLike, Seed
from keras_initlab.initializers.base import VarianceScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_number
from keras_initlab.theory import Law

__all__ = ["SirenFirst", "SirenHidden"]


@scheme
class SirenFirst(VarianceScheme):
    """Uniform weights for the first layer of a net of sines.

    The bound is `1 / fan_in`: with the layer computing `sin(omega (W x + b))` and inputs in
    [-1, 1], omega sets how many periods the first layer spans.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        Sitzmann et al. 2020, section 3.2, https://arxiv.org/abs/2006.09661; the bound is that of
        the authors' code, https://github.com/vsitzmann/siren.

    Example:
        >>> weights = SirenFirst(seed=0)((2, 256))
        >>> bool((abs(keras.ops.convert_to_numpy(weights)) <= 0.5).all())
        True
    """

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        return "uniform", 0.0, 1 / max(1.0, self._fans(shape).fan_in)


@scheme
class SirenHidden(VarianceScheme):
    """Uniform weights that keep a deep net of sines in its working range.

    The bound is `sqrt(6 / fan_in) / omega`, for layers that compute `sin(omega (W x + b))`: what
    enters each sine is then close to a normal, whose variance settles at 0.80 at any depth.

    Args:
        omega: Factor inside the sine (unitless), positive.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        Sitzmann et al. 2020, section 3.2, https://arxiv.org/abs/2006.09661. Where the layer
        computes `sin(W x + b)`, as in the theorem there, omega is 1. The theorem states a variance
        of 1: it takes the sine of a standard normal to have the arcsine law, of variance 1/2. Its
        true variance is `(1 - exp(-2)) / 2`; the fixed point of `v = 1 - exp(-2 v)` is 0.797.

    Example:
        >>> weights = SirenHidden(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(
        self,
        *,
        omega: float = 30.0,
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.omega = checked_number(omega, "omega", "is the factor inside the sine", positive=True)
        super().__init__(kind=kind, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _law(self) -> Law:
        return Law(scale=2 / float(self.omega) ** 2, fan="fan_in", draw="uniform")
