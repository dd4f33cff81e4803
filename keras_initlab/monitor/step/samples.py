"""A bounded part of a tensor, flattened to rows of units."""

import math
from typing import Any

from keras import ops

__all__ = ["as_rows", "mask_rows", "sample_of", "weight_sample_of", "weight_sample_shape"]

# With fewer whole examples than this the spread between examples would be guesswork.
_FEWEST_EXAMPLES = 8


def sample_of(tensor: Any, max_elements: int | None) -> Any:
    """About `max_elements` elements: whole examples, and where these are huge, strided positions.

    Args:
        tensor: Tensor `(batch, *positions, units)`.
        max_elements: Bound on the elements, `None` for all of them.

    Returns:
        A slice of the tensor that keeps every unit.
    """
    cut = _cut_of(tensor.shape, max_elements)
    return tensor if cut is None else tensor[cut]


def _cut_of(shape: Any, max_elements: int | None) -> Any:
    sizes = [size or 1 for size in shape[1:]]
    if max_elements is None or None in shape[1:]:
        return None
    room = max(1, max_elements // _FEWEST_EXAMPLES)
    steps = [slice(None)] * len(sizes)
    if math.prod(sizes) > room and len(sizes) > 1:
        stride = math.ceil((math.prod(sizes) / room) ** (1 / (len(sizes) - 1)))
        steps[:-1] = [slice(None, None, stride)] * (len(sizes) - 1)
        sizes = [-(-size // stride) for size in sizes[:-1]] + sizes[-1:]
    examples = max(_FEWEST_EXAMPLES, max_elements // max(1, math.prod(sizes)))
    return (slice(examples), *steps)


def mask_rows(mask: Any, tensor: Any, max_elements: int | None) -> Any:
    """The mask of the rows that `as_rows(sample_of(tensor))` has, or `None` where it does not fit.

    Args:
        mask: Boolean `(batch, *some positions)`; `True` marks what counts.
        tensor: The whole tensor that it belongs to.
        max_elements: As in `sample_of`.
    """
    axes = len(mask.shape)
    if axes >= len(tensor.shape):
        return None
    cut = _cut_of(tensor.shape, max_elements)
    mask = mask if cut is None else mask[cut[:axes]]
    for _ in range(len(tensor.shape) - 1 - axes):
        mask = ops.expand_dims(mask, -1)
    positions = ops.shape(sample_of(tensor, max_elements))[:-1]
    return ops.reshape(ops.broadcast_to(mask, positions), (-1, 1))


def as_rows(tensor: Any) -> Any:
    """A tensor as `(examples and positions, units)`, of float32 unless it is of float64."""
    dtype = "float64" if tensor.dtype == "float64" else "float32"
    units = tensor.shape[-1] if len(tensor.shape) > 1 else 1
    return ops.reshape(ops.cast(tensor, dtype), (-1, units or 1))


def weight_sample_of(weight: Any, max_elements: int | None) -> Any:
    """About `max_elements` elements of a weight: rows at equal distances.

    Args:
        weight: Tensor of any static shape.
        max_elements: Bound on the elements, `None` for all of them.
    """
    stride = _stride_of(weight.shape, max_elements)
    return weight if stride == 1 else ops.reshape(weight, (-1, weight.shape[-1]))[::stride]


def weight_sample_shape(shape: Any, max_elements: int | None) -> tuple[int, ...]:
    """The shape of `weight_sample_of` a weight of this shape."""
    stride = _stride_of(shape, max_elements)
    if stride == 1:
        return tuple(shape)
    return (-(-math.prod(shape[:-1]) // stride), shape[-1])


def _stride_of(shape: Any, max_elements: int | None) -> int:
    if max_elements is None or math.prod(shape) <= max_elements:
        return 1
    rows = max(1, max_elements // shape[-1])
    return math.ceil(math.prod(shape[:-1]) / rows)
