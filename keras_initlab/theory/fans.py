"""Fans: how many inputs one output of a weight has, and the reverse."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Fans", "fans_of", "share_inside"]


@dataclass(frozen=True)
class Fans:
    """Connections of one weight: `fan_in` per output unit, `fan_out` per input unit (counts)."""

    fan_in: float
    fan_out: float

    @property
    def fan_avg(self) -> float:
        """Mean of the two, the fan of Glorot and Bengio 2010, eq. 12."""
        return (self.fan_in + self.fan_out) / 2

    @property
    def fan_geo_avg(self) -> float:
        """Geometric mean of the two, under JAX's name."""
        return math.sqrt(self.fan_in * self.fan_out)


def fans_of(
    shape: Sequence[int],
    *,
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> Fans:
    """Fans of a kernel from its shape.

    Args:
        shape: `(*window, inputs, outputs)`, at least two axes unless both axes arguments are given.
        input_axes: Axes that are summed over, as in `EinsumDense`.
        output_axes: Axes that remain in the output.

    Returns:
        `Fans`; without axes, the window multiplies both (He et al. 2015, section 2.2: `k*k*c`).

    Raises:
        ValueError: If the shape has fewer than two axes and the axes are not given, or if an axis
            does not exist.

    Example:
        >>> fans_of((3, 3, 64, 128))
        Fans(fan_in=576, fan_out=1152)
    """
    if input_axes is not None and output_axes is not None:
        return Fans(
            _size(shape, input_axes, "input_axes"), _size(shape, output_axes, "output_axes")
        )
    if len(shape) < 2:
        raise ValueError(
            "A fan needs a kernel of shape `(*window, inputs, outputs)`, at least two axes, "
            "as `Dense` and `Conv2D` make it. "
            f"Received: shape={tuple(shape)}. "
            "Try `RandomNormal` or `Zeros` for a bias, a scale or a scalar."
        )
    window = math.prod(shape[:-2])
    return Fans(window * shape[-2], window * shape[-1])


def _size(shape: Sequence[int], axes: Sequence[int], name: str) -> int:
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise ValueError(
            f"`{name}` names axes of the kernel, from {-len(shape)} to {len(shape) - 1} for shape "
            f"{tuple(shape)}. Received: {name}={list(axes)}."
        )
    return math.prod(shape[axis] for axis in axes)


def share_inside(
    size: int, window: int, stride: int = 1, dilation: int = 1, *, causal: bool = False
) -> float:
    """The share of the weights of a window that lie on the signal, not on its padding.

    Along one axis, as a mean over all places of a convolution with `padding="same"`. Zeros add
    nothing, so the variance of a layer's sums is this share of the variance that its fans predict.

    Args:
        size: Length of the input (count).
        window: Length of the kernel (count).
        stride: Places from one output to the next (count).
        dilation: Places from one weight to the next (count).
        causal: Whether all padding stands before the signal, as with `padding="causal"`.

    Returns:
        A number above 0, at most 1.

    Source:
        Counting; padding as in TensorFlow and Keras, with the extra zero at the end if it is odd.

    Example:
        >>> share_inside(4, 3)  # 2, 3, 3 and 2 of three weights
        0.8333333333333334
    """
    outputs = -(-size // stride)
    reach = (window - 1) * dilation
    before = reach if causal else max((outputs - 1) * stride + reach + 1 - size, 0) // 2
    places = np.arange(outputs)[:, np.newaxis] * stride + np.arange(window) * dilation - before
    return float(np.mean((places >= 0) & (places < size)))
