"""Schemes that follow from the width of the model."""

from dataclasses import dataclass
from typing import Literal, get_args

from keras_initlab.initializers.arguments import Axes, KindLike, Seed
from keras_initlab.initializers.base import VarianceScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import (
    checked_choice,
    checked_count,
    checked_number,
    known_count,
)
from keras_initlab.theory import spread_of

__all__ = ["LearningRates", "MuNormal", "SmallInit"]

_Role = Literal["input", "hidden", "output"]
_BASE = "is the width of the small model on which the learning rate was tuned"


@scheme
class SmallInit(VarianceScheme):
    """Gaussian weights of one small variance in all kernels of a transformer.

    The variance is `2 / (5 width)`: the attention kernels get what Xavier gives the feed-forward
    net, whose hidden layer is four times as wide as the model. Made for pre-norm blocks and no
    warm-up.

    Args:
        width: Size of the model's representations, the paper's d (count); `None` takes the smaller
            of the two fans, which is d in every kernel of a transformer block.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Source:
        Nguyen and Salazar 2019, section 2, https://arxiv.org/abs/1910.05895:
        `N(0, sqrt(2 / (d + 4d)))`, where the root is the standard deviation. The d is the width of
        the model, also for the `(4d, d)` kernel: dividing by `fan_in` there halves the weights.

    Example:
        >>> weights = SmallInit(seed=0)((512, 2048))
        >>> tuple(weights.shape)
        (512, 2048)
    """

    def __init__(
        self,
        *,
        width: int | None = None,
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        meaning = "is the size of the model's representations"
        self.width = None if width is None else checked_count(width, "width", meaning)
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        fans = self._fans(shape)
        width = self.width or max(1, min(fans.fan_in, fans.fan_out))
        return "normal", 0.0, spread_of("normal", 2 / (5 * width))


@dataclass(frozen=True)
class LearningRates:
    """Factors on the learning rate of one weight, relative to the base model (unitless).

    Args:
        adam: For Adam and its variants, which divide the gradient by its size.
        sgd: For SGD, with or without momentum.
    """

    adam: float
    sgd: float


@scheme
class MuNormal(VarianceScheme):
    """Gaussian weights under which one learning rate suits a model of any width.

    Maximal update parametrization: tune a narrow model, then widen it and keep the learning rate,
    times the factors that `learning_rates` gives for each weight. At `base_width` everything is as
    usual: variance `scale / fan_in` and factors of one.

    ==========  ============================  =====================  ======================
    role        variance                      Adam's factor          SGD's factor
    ==========  ============================  =====================  ======================
    `"input"`   `scale / fan_in`              1                      `fan_out / base_width`
    `"hidden"`  `scale / fan_in`              `base_width / fan_in`  1
    `"output"`  `scale base_width/fan_in**2`  `base_width / fan_in`  same
    ==========  ============================  =====================  ======================

    Input kernels lead from the data to the width, hidden ones from width to width, output kernels
    from the width to the result.

    Attention logits must be divided by the head's size instead of its root.

    Args:
        role: `"input"`, `"hidden"` or `"output"`.
        base_width: Size, in the base model, of the axis that grows: `fan_in` of a hidden or output
            kernel, `fan_out` of an input kernel (count). Needed for an output kernel and for the
            learning rates.
        scale: Multiplies the variance (unitless), positive: 2 before ReLU.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given, or as
        the kind requires. An `Embedding` is an input: `role="input", kind="lookup"`.

    Raises:
        ValueError: If an argument's value is not allowed; on call, if an output kernel's
            `base_width` was not given or the shape has fewer than two axes.

    Source:
        Yang et al. 2022, table 3, with fans relative to the base model as in eq. 4,
        https://arxiv.org/abs/2203.03466. The package `mup` implements the equivalent table 8: an
        output kernel of width-free variance whose input is divided by the width; mixing rows of
        both tables is a common mistake. A zero output kernel (appendix D.2) works as well.

    Example:
        >>> MuNormal(role="hidden", base_width=128).learning_rates((512, 512))
        LearningRates(adam=0.25, sgd=1.0)
    """

    def __init__(
        self,
        *,
        role: _Role = "hidden",
        base_width: int | None = None,
        scale: float = 1.0,
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.role = checked_choice(role, "role", get_args(_Role))
        self.base_width = (
            None if base_width is None else checked_count(base_width, "base_width", _BASE)
        )
        self.scale = checked_number(scale, "scale", "multiplies the variance", positive=True)
        super().__init__(kind=kind, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def learning_rates(self, shape: tuple[int, ...]) -> LearningRates:
        """Factors on the base model's learning rate for a weight of this shape."""
        fans = self._fans(shape)
        base = known_count(self.base_width, "base_width", _BASE)
        if self.role == "input":
            return LearningRates(adam=1.0, sgd=fans.fan_out / base)
        shrink = base / max(1.0, fans.fan_in)
        return LearningRates(adam=shrink, sgd=1.0 if self.role == "hidden" else shrink)

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        variance = self.scale / max(1.0, self._fans(shape).fan_in)
        if self.role == "output":
            variance *= self.learning_rates(shape).adam
        return "normal", 0.0, spread_of("normal", variance)
