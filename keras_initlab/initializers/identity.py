"""Schemes that pass the signal through unchanged, without random numbers."""

import numpy as np

from keras_initlab.initializers.base import ArrayScheme, at_center
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_count, checked_number
from keras_initlab.sampling import Stream

__all__ = ["Dirac", "Identity", "ZerO"]


@scheme
class Identity(ArrayScheme):
    """Ones on the diagonal: the layer passes on as many features as fit, unchanged.

    Use it for a square layer that should start as if it were absent, such as a cross layer, an
    adapter or a projection. A wider layer pads with zeros, a narrower one drops the last features.

    Args:
        gain: Value on the diagonal (unitless), finite.

    Shape:
        `(inputs, outputs)`, two axes, square or not.

    Raises:
        ValueError: If `gain` is NaN or infinite; on call, if the shape does not have two axes.

    Source:
        Le, Jaitly and Hinton 2015, section 2, https://arxiv.org/abs/1504.00941, for recurrent
        kernels. Same values as `keras.initializers.Identity` and `torch.nn.init.eye_`. In a wider
        layer the units beyond the inputs are idle; `ZerO` leaves none idle.

    Example:
        >>> keras.ops.convert_to_numpy(Identity()((2, 3))).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(self, *, gain: float = 1.0):
        self.gain = checked_number(gain, "gain", "is the value on the diagonal")

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2:
            raise ValueError(
                "An identity has the shape `(inputs, outputs)`, two axes, as `Dense` makes it. "
                f"Received: shape={shape}. Try `Dirac` for the kernel of a convolution."
            )

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        return kind.type(self.gain) * np.eye(*shape, dtype=kind)


@scheme
class Dirac(ArrayScheme):
    """Ones at the center of the window: a convolution that passes channels through.

    Args:
        groups: Groups of the convolution (count), as given to the layer. Each group passes on as
            many of its own channels as fit.

    Shape:
        `(*window, inputs / groups, outputs)`, three to five axes, as `Conv1D`, `Conv2D` and
        `Conv3D` make it; `groups` must divide the outputs.

    Raises:
        TypeError: If `groups` is not an integer.
        ValueError: If `groups` is below 1; on call, if the shape has another number of axes or
            the groups do not divide the outputs.

    Source:
        Zagoruyko and Komodakis 2017, https://arxiv.org/abs/1706.00388, and
        `torch.nn.init.dirac_`, which puts the 1 of an even window at `size // 2`. Here it is at
        `(size - 1) // 2`, where `padding="same"` with stride 1 leaves the signal in place. Not for
        a depthwise kernel, which has the shape of an ordinary one.

    Example:
        >>> keras.ops.convert_to_numpy(Dirac()((3, 1, 1))).ravel().tolist()
        [0.0, 1.0, 0.0]
    """

    def __init__(self, *, groups: int = 1):
        self.groups = checked_count(groups, "groups", "counts the groups of the convolution")

    def check(self, shape: tuple[int, ...]) -> None:
        if not 3 <= len(shape) <= 5:
            raise ValueError(
                "The kernel of a convolution has the shape `(*window, inputs / groups, outputs)`, "
                "three to five axes, as `Conv1D`, `Conv2D` and `Conv3D` make it. "
                f"Received: shape={shape}. Try `Identity` for `Dense`."
            )
        if shape[-1] % self.groups:
            raise ValueError(
                "Groups of a convolution have equal numbers of outputs, so `groups` must divide "
                f"the last axis. Received: groups={self.groups}, shape={shape}."
            )

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        block = np.eye(shape[-2], shape[-1] // self.groups, dtype=kind)
        return at_center(np.tile(block, self.groups), shape)


@scheme
class ZerO(ArrayScheme):
    """Ones and zeros, and signs where a layer widens: not random, yet no idle unit.

    Made for residual networks. Layers that keep or shrink the width are a (partial) identity.
    Layers that widen are the corner of a Hadamard matrix; there, units `2**ceil(log2(inputs))`
    apart start equal, and only the identity of the layers above distinguishes them.

    Shape:
        `(*window, inputs, outputs)`, at least two axes. A window is zero except at its center.

    Raises:
        ValueError: On call, if the shape has fewer than two axes.

    Source:
        Zhao, Schaefer and Anandkumar 2022, algorithm 1, https://arxiv.org/abs/2110.12661: with
        `m = ceil(log2(outputs))` a widening layer is `2**(-(m - 1) / 2) H_m`, cut to size. Its
        gain in mean length is `sqrt(outputs / 2**(m - 1))`, between 1 and `sqrt(2)`. The authors'
        code divides by `2**(m / 2)` instead, which is smaller by `sqrt(2)`. Their `W` is `(outputs,
        inputs)`. An even window has its center where `padding="same"` needs it, as in `Dirac`.

    Example:
        >>> keras.ops.convert_to_numpy(ZerO()((1, 2))).tolist()
        [[1.0, 1.0]]
    """

    def __init__(self) -> None:
        super().__init__()

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) < 2:
            raise ValueError(
                "A kernel has the shape `(*window, inputs, outputs)`, at least two axes, as "
                f"`Dense` and `Conv2D` make it. Received: shape={shape}. Try `Zeros` for a bias."
            )

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        inputs, outputs = shape[-2:]
        if inputs >= outputs:
            return at_center(np.eye(inputs, outputs, dtype=kind), shape)
        doublings = (outputs - 1).bit_length()
        # Sylvester's matrix has -1 where row and column share an odd number of binary ones.
        shared = np.bitwise_count(np.arange(inputs)[:, None] & np.arange(outputs))
        signs = 1 - 2 * (shared % 2).astype(kind)
        return at_center(kind.type(2.0 ** (-(doublings - 1) / 2)) * signs, shape)
