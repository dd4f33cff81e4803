"""A scheme that makes a nonlinear network start exactly linear."""

import math
from typing import Literal, get_args

import numpy as np

from keras_initlab.initializers.arguments import ActivationLike, Seed
from keras_initlab.initializers.base import ArrayScheme, at_center
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_activation, checked_choice, checked_seed
from keras_initlab.sampling import Stream, haar
from keras_initlab.theory import odd_slope_of

__all__ = ["LooksLinear"]

_Position = Literal["first", "hidden", "last"]


@scheme
class LooksLinear(ArrayScheme):
    """Mirrored units that make a network of any depth start exactly linear.

    Use it in all layers of a deep stack of `relu`, `gelu`, `silu` or `softplus` that shall not
    distort its signal at the start. Units come in pairs with opposite weights, and the next layer
    takes their difference: `phi(x) - phi(-x) = k x`. The first layer is `[A, -A]`, hidden ones are
    `[[A, -A], [-A, A]]`, the last is `[A; -A]`, with `A` orthogonal and divided by `k`. Biases must
    start at zero.

    Args:
        position: `"first"` (inputs are not mirrored), `"hidden"`, or `"last"` (outputs are not).
        activation: The activation between the layers, all the same: a name, a Keras activation or
            a registered callable.

    Shape:
        `(*window, inputs, outputs)`; mirrored sides are even. A window is zero but for its center.

    Raises:
        ValueError: If `position` is unknown or the mirrored activation is not linear (tanh); on
            call, if a mirrored side is odd or the shape has fewer than two axes.

    Source:
        Balduzzi et al. 2017, section 4, https://arxiv.org/abs/1702.08591, for ReLU. That GELU, SiLU
        and softplus cancel as well follows from `phi(x) - phi(-x) = x`. A widening `A` is scaled by
        `sqrt(outputs / inputs)`, so that the mean square is kept.

    Example:
        >>> weights = LooksLinear(position="first", seed=0)((16, 64))
        >>> tuple(weights.shape)
        (16, 64)
    """

    def __init__(
        self,
        *,
        position: _Position = "hidden",
        activation: ActivationLike = "relu",
        seed: Seed = None,
    ):
        self.position = checked_choice(position, "position", get_args(_Position))
        self.activation = checked_activation(activation)
        self.seed = checked_seed(seed)
        odd_slope_of(activation)

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) < 2:
            raise ValueError(
                "A mirrored kernel has shape `(*window, inputs, outputs)`, at least two axes, as "
                f"`Dense` and `Conv2D` make it. Received: shape={shape}."
            )
        sides = {"inputs": shape[-2], "outputs": shape[-1]}
        sides.pop({"first": "inputs", "last": "outputs"}.get(self.position, ""), None)
        odd = [name for name, size in sides.items() if size % 2]
        if odd:
            raise ValueError(
                f"Units come in pairs, so `{'` and `'.join(odd)}` must be even in a "
                f"{self.position} layer. Received: position={self.position!r}, shape={shape}."
            )

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        mirrored_in, mirrored_out = self.position != "first", self.position != "last"
        rows, columns = shape[-2] // (1 + mirrored_in), shape[-1] // (1 + mirrored_out)
        gain = math.sqrt(max(1.0, columns / rows)) if rows else 1.0
        if mirrored_in:
            gain /= odd_slope_of(self.activation)
        block = haar(rows, columns, stream, kind) * kind.type(gain)
        if mirrored_out:
            block = np.concatenate([block, -block], axis=1)
        if mirrored_in:
            block = np.concatenate([block, -block], axis=0)
        return at_center(block, shape)
