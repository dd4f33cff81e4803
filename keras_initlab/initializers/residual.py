"""Schemes for residual networks: branches that start small, or shut."""

import math
from typing import Any, Literal, get_args

import keras

from keras_initlab.initializers.arguments import Axes, KindLike, Seed
from keras_initlab.initializers.base import RandomScheme, Scheme, VarianceScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import (
    checked_choice,
    checked_count,
    checked_number,
    checked_seed,
    known_count,
)
from keras_initlab.initializers.places import Place
from keras_initlab.theory import Law

__all__ = ["Fixup", "GPT2Residual", "ReZero", "SkipInit"]

_Mode = Literal["fan_in", "fan_out"]
_BRANCHES = "counts the residual branches of the network"
_LAYERS = "counts the transformer blocks of the model"


@scheme
class Fixup(VarianceScheme):
    """He weights shrunk so that deep residual nets train without normalization.

    For the layers of a residual branch except its last. The last layer of every branch and the
    classifier take `Zeros`; all other layers outside the branches take `HeNormal`. The standard
    deviation is He's times `branches**(-1 / (2 layers_per_branch - 2))`: with two layers per
    branch and 16 branches, a quarter of it.

    Args:
        branches: Residual branches in the whole network, the paper's L (count); must be given.
        layers_per_branch: Weight layers in one branch, the paper's m (count), at least 2: with one
            layer there is nothing to shrink: the only layer is the last and takes `Zeros`.
        mode: `"fan_in"` keeps the forward signal, `"fan_out"` the gradient.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Raises:
        ValueError: If an argument's value is not allowed; on call, if `branches` was not given or
            the shape has fewer than two axes.

    Source:
        Zhang, Dauphin and Ma 2019, section 3, rule 2, https://arxiv.org/abs/1901.09321. The
        exponent belongs to the standard deviation, not to the variance. The authors' code uses
        `fan_out`. Rule 3 is up to the model: one scalar multiplier (1) in every branch, and a
        scalar bias (0) before each convolution, dense layer and activation.

    Example:
        >>> weights = Fixup(branches=16, seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(
        self,
        *,
        branches: int | None = None,
        layers_per_branch: int = 2,
        mode: _Mode = "fan_in",
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        meaning = "counts the weight layers of one branch, of which the last takes `Zeros`"
        self.branches = None if branches is None else checked_count(branches, "branches", _BRANCHES)
        self.layers_per_branch = checked_count(
            layers_per_branch, "layers_per_branch", meaning, least=2
        )
        self.mode = checked_choice(mode, "mode", get_args(_Mode))
        super().__init__(kind=kind, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _law(self) -> Law:
        branches = known_count(self.branches, "branches", _BRANCHES)
        scale = 2.0 * branches ** (-1 / (self.layers_per_branch - 1))
        return Law(scale=scale, fan=self.mode, draw="normal")


class _ShutGate(Scheme):
    """A zero for a scalar only, so that it cannot silence a kernel by mistake."""

    def __init__(self) -> None:
        super().__init__()

    def _at(self, place: Place, dtype: Any) -> Any:
        if place.shape not in ((), (1,)):
            raise ValueError(
                f"`{type(self).__name__}` fills the one scalar that multiplies a residual branch, "
                f"so the shape must be () or (1,). Received: shape={place.shape}. "
                "Try `Zeros` for a scale per channel or for a kernel."
            )
        return place.constant(0, keras.backend.standardize_dtype(dtype))


@scheme
class SkipInit(_ShutGate):
    """A zero scalar at the end of a residual branch, in place of batch normalization.

    With it every block is the identity at the start. The branch itself starts as usual, say with
    `HeNormal`, and only the scalar gets a gradient in the first step.

    Shape:
        `()` or `(1,)`: the scalar that multiplies the output of one residual branch.

    Raises:
        ValueError: On call, if the shape differs.

    Source:
        De and Smith 2020, https://arxiv.org/abs/2002.10444: `alpha = 0`; a constant of at most
        `1/sqrt(blocks)`, which is `Constant`, also trains.

    Example:
        >>> float(SkipInit()(()))
        0.0
    """


@scheme
class ReZero(_ShutGate):
    """A zero scalar before the residual sum: every layer starts as the identity.

    `x + alpha * F(x)` with `alpha = 0`: all singular values of the input-output Jacobian start at
    one. `F` starts as usual; in a transformer the layer norm is removed.

    Shape:
        `()` or `(1,)`: the paper's alpha of one residual layer.

    Raises:
        ValueError: On call, if the shape differs.

    Source:
        Bachlechner et al. 2020, eq. 1, https://arxiv.org/abs/2003.04887. In the transformer of
        their code the attention and the feed-forward net of a block share one alpha.

    Example:
        >>> tuple(ReZero()((1,)).shape)
        (1,)
    """


@scheme
class GPT2Residual(RandomScheme):
    """Gaussian weights that shrink with depth, for the ends of residual branches.

    For the two kernels of a transformer block that write to the stream: the output projection of
    the attention and the second layer of the feed-forward net. All other kernels and the token
    embeddings take `RandomNormal(stddev=0.02)`. The standard deviation is
    `stddev / sqrt(2 layers)`, so that the sum of all branches does not grow with depth.

    Args:
        layers: Transformer blocks, each with two residual layers (count); must be given.
        stddev: Standard deviation of the other kernels (unitless), positive.

    Shape:
        Any.

    Raises:
        ValueError: If an argument's value is not allowed; on call, if `layers` was not given.

    Source:
        Radford et al. 2019, section 2.3,
        https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf:
        `1/sqrt(N)` with N residual layers, which are two per block; mistaking N for the number
        of blocks makes the branches `sqrt(2)` too large. The 0.02 is from Radford et al. 2018.

    Example:
        >>> weights = GPT2Residual(layers=12, seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(self, *, layers: int | None = None, stddev: float = 0.02, seed: Seed = None):
        self.layers = None if layers is None else checked_count(layers, "layers", _LAYERS)
        self.stddev = checked_number(stddev, "stddev", "is a standard deviation", positive=True)
        self.seed = checked_seed(seed)

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        layers = known_count(self.layers, "layers", _LAYERS)
        return "normal", 0.0, float(self.stddev) / math.sqrt(2 * layers)
