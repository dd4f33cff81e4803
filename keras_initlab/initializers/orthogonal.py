"""Schemes whose kernels keep lengths: orthogonal matrices and convolutions."""

import math
from typing import Any

import numpy as np

from keras_initlab.initializers.arguments import ActivationLike, Axes, Seed
from keras_initlab.initializers.base import ArrayScheme, AxesScheme, at_center
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_activation, checked_number, checked_seed
from keras_initlab.sampling import Stream, haar
from keras_initlab.theory import gain_of

__all__ = ["ConvolutionOrthogonal", "DeltaOrthogonal", "Orthogonal"]

_GAIN = "multiplies the weights"


@scheme
class Orthogonal(ArrayScheme, AxesScheme):
    """A random rotation: signal and gradient keep their length in every direction.

    Use it in deep plain networks and recurrent kernels. The kernel, as a matrix of inputs by
    outputs, has orthonormal rows or columns, whichever are fewer.

    Args:
        gain: Multiplies the weights: a number, or the activation that follows, for its forward
            gain.
        scaled: Whether a widening kernel is multiplied by `sqrt(outputs / inputs)`. Without it the
            length of the signal is kept and its mean square falls by `inputs / outputs`.
        output_axes: Axes that remain in the output; `EinsumDense` fills them in. Axes in neither
            list hold independent matrices: the channels of a `DepthwiseConv2D` with
            `input_axes=[0, 1], output_axes=[3]`, or the experts of an `EinsumDense` with
            `input_axes=[1], output_axes=[2]`; by itself the layer counts experts as outputs.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Raises:
        ValueError: If `gain` is not positive; on call, if the shape has fewer than two axes.

    Source:
        Saxe et al. 2013, https://arxiv.org/abs/1312.6120; uniform over all rotations by Stewart
        1980, https://doi.org/10.1137/0717034. `keras.initializers.Orthogonal` flattens all axes but
        the last, so the heads of an attention layer are not orthogonal there, and fails in
        bfloat16. For gates side by side wrap it in `PerGate`.

    Example:
        >>> weights = Orthogonal(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(
        self,
        *,
        gain: float | ActivationLike = 1.0,
        scaled: bool = False,
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.gain = _checked_gain(gain)
        if not isinstance(scaled, bool):
            raise TypeError(f"`scaled` is True or False. Received: scaled={scaled!r}.")
        self.scaled = scaled
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    def check(self, shape: tuple[int, ...]) -> None:
        self._layout(shape)

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        inputs, outputs = self._layout(shape)
        batch = [axis for axis in range(len(shape)) if axis not in (*inputs, *outputs)]
        order = (*batch, *inputs, *outputs)
        rows = math.prod(shape[axis] for axis in inputs)
        columns = math.prod(shape[axis] for axis in outputs)
        factors = [
            haar(rows, columns, stream.part(f"factor {number}"), kind)
            for number in range(math.prod(shape[axis] for axis in batch))
        ]
        gain = _gain_in(self.gain)
        if self.scaled and rows:
            gain *= math.sqrt(max(1.0, columns / rows))
        values = np.asarray(factors, kind).reshape([shape[axis] for axis in order])
        return values.transpose(np.argsort(order)) * kind.type(gain)

    def _layout(self, shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """Axes of the inputs and of the outputs, counted from the front."""
        rank = len(shape)
        if self.input_axes is None or self.output_axes is None:
            if rank < 2:
                raise ValueError(
                    "An orthogonal kernel has shape `(*window, inputs, outputs)`, at least two "
                    f"axes, as `Dense` and `Conv2D` make it. Received: shape={shape}."
                )
            return list(range(rank - 1)), [rank - 1]
        for axis in (*self.input_axes, *self.output_axes):
            if not -rank <= axis < rank:
                raise ValueError(
                    "`input_axes` and `output_axes` name axes of the kernel. Received: "
                    f"input_axes={self.input_axes}, output_axes={self.output_axes}, shape={shape}."
                )
        inputs = [axis % rank for axis in self.input_axes]
        return inputs, [axis % rank for axis in self.output_axes if axis % rank not in inputs]


@scheme
class DeltaOrthogonal(ArrayScheme):
    """A convolution that starts as a rotation of the channels at every place.

    Use it in deep plain convolutional networks: even thousands of tanh layers train. The kernel is
    zero except at its center, and the center has orthonormal rows.

    Args:
        gain: Multiplies the weights: a number, or the activation that follows, for its forward
            gain.

    Shape:
        `(*window, inputs, outputs)` with one to three window axes and `inputs <= outputs`. The
        center of an even window is the one that `padding="same"` leaves in place.

    Raises:
        ValueError: If `gain` is not positive; on call, if the shape is not that of a
            convolution or has more inputs than outputs.

    Source:
        Xiao et al. 2018, algorithm 2, https://arxiv.org/abs/1806.05393.

    Example:
        >>> weights = DeltaOrthogonal(seed=0)((3, 3, 16, 32))
        >>> tuple(weights.shape)
        (3, 3, 16, 32)
    """

    def __init__(self, *, gain: float | ActivationLike = 1.0, seed: Seed = None):
        self.gain = _checked_gain(gain)
        self.seed = checked_seed(seed)

    def check(self, shape: tuple[int, ...]) -> None:
        _check_convolution(shape)

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        block = haar(shape[-2], shape[-1], stream, kind) * kind.type(_gain_in(self.gain))
        return at_center(block, shape)


@scheme
class ConvolutionOrthogonal(ArrayScheme):
    """A convolution that keeps the length of every image and uses its whole window.

    Exact for circular padding and stride 1; zero padding loses what leaves at the border.

    Args:
        gain: Multiplies the weights: a number, or the activation that follows, for its forward
            gain.

    Shape:
        `(*window, inputs, outputs)` with one to three window axes and `inputs <= outputs`.

    Raises:
        ValueError: If `gain` is not positive; on call, if the shape is not that of a
            convolution or has more inputs than outputs.

    Source:
        Kautsky and Turcajova 1994; Xiao et al. 2018, algorithm 1,
        https://arxiv.org/abs/1806.05393: a product of kernels `[P, 1 - P]` of two places each, `P`
        a random projection, here of half the rank and for windows of any shape.

    Example:
        >>> weights = ConvolutionOrthogonal(seed=0)((3, 3, 16, 32))
        >>> tuple(weights.shape)
        (3, 3, 16, 32)
    """

    def __init__(self, *, gain: float | ActivationLike = 1.0, seed: Seed = None):
        self.gain = _checked_gain(gain)
        self.seed = checked_seed(seed)

    def check(self, shape: tuple[int, ...]) -> None:
        _check_convolution(shape)

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        window, (inputs, outputs) = shape[:-2], shape[-2:]
        kernel = haar(inputs, outputs, stream, kind).reshape(*(1 for _ in window), inputs, outputs)
        for step in range(max(window) - 1):
            # Ranks that round up and down in turn keep odd widths from drifting to a corner.
            rank = (outputs + 1 - step % 2) // 2
            for axis in (axis for axis, size in enumerate(window) if step < size - 1):
                part = stream.part(f"axis {axis} step {step}")
                kernel = _widened(kernel, haar(outputs, rank, part, kind), axis)
        return kernel * kind.type(_gain_in(self.gain))


def _widened(kernel: np.ndarray, half: np.ndarray, axis: int) -> np.ndarray:
    """The kernel followed by one of two places along an axis, `[P, 1 - P]` with `P = h h'`."""
    projected = kernel @ half @ half.T
    first, second = [(0, 0)] * kernel.ndim, [(0, 0)] * kernel.ndim
    first[axis], second[axis] = (0, 1), (1, 0)
    widened: np.ndarray = np.pad(projected, first) + np.pad(kernel - projected, second)
    return widened


def _checked_gain(gain: Any) -> Any:
    if isinstance(gain, (int, float, np.number)) or gain is None:
        return checked_number(gain, "gain", _GAIN, positive=True)
    return checked_activation(gain)


def _gain_in(gain: Any) -> float:
    return float(gain) if isinstance(gain, (int, float, np.number)) else gain_of(gain)


def _check_convolution(shape: tuple[int, ...]) -> None:
    if not 3 <= len(shape) <= 5 or shape[-2] > shape[-1] or 0 in shape[:-2]:
        raise ValueError(
            "A length-keeping convolution has a kernel `(*window, inputs, outputs)` of one to "
            "three window axes and no more inputs than outputs, as `Conv2D` makes it. "
            f"Received: shape={shape}. Try `Orthogonal` where the channels become fewer."
        )
