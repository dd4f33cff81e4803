"""A bounded part of a tensor, flattened to rows of units, in blocks that can be stacked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend

__all__ = ["Block", "block_of", "grouped", "rows_block", "weight_sample_of", "weight_sample_shape"]

# With fewer whole examples than this the spread between examples would be guesswork.
_FEWEST_EXAMPLES = 8


@dataclass(frozen=True)
class Block:
    """Rows of units, or several blocks of one shape with an axis more in front.

    Args:
        values: Float tensor `(rows, units)`.
        weights: `(rows,)` of the same dtype: 1 for what counts, 0 for masked steps, whose values
            are zero; `None` if all rows count.
    """

    values: Any
    weights: Any = None

    @property
    def tensors(self) -> tuple[Any, ...]:
        """What it holds."""
        return (self.values,) if self.weights is None else (self.values, self.weights)


def grouped(blocks: Sequence[Block]) -> list[tuple[list[int], Block]]:
    """Blocks of one shape stacked, so that one operation serves them all.

    Returns:
        For each group the places of its blocks, and one block of one more axis in front.
    """
    places: dict[tuple, list[int]] = {}
    for place, block in enumerate(blocks):
        values = block.values
        key = tuple(values.shape), str(values.dtype), block.weights is None
        places.setdefault(key, []).append(place)
    return [
        (group, Block(*map(ops.stack, zip(*(blocks[k].tensors for k in group), strict=True))))
        for group in places.values()
    ]


def block_of(tensor: Any, max_elements: int | None, mask: Any = None) -> Block:
    """About `max_elements` elements: whole examples, and where these are huge, strided positions.

    Args:
        tensor: Float tensor `(batch, *positions, units)`.
        max_elements: Bound on the elements, `None` for all of them.
        mask: Boolean `(batch, *some positions)`, `True` for what counts; `None` for all.

    Returns:
        A block of float32, or of float64 if the tensor is.
    """
    cut, most_rows = _cut_of(tensor.shape, max_elements)
    part = tensor if cut is None else tensor[cut]
    rows = _as_rows(part)
    valid = None
    if mask is not None and len(mask.shape) < len(tensor.shape):
        mask = mask if cut is None else mask[cut[: len(mask.shape)]]
        for _ in range(len(tensor.shape) - 1 - len(mask.shape)):
            mask = ops.expand_dims(mask, -1)
        valid = ops.reshape(ops.broadcast_to(mask, ops.shape(part)[:-1]), (-1,))
    return rows_block(rows, most_rows, valid)


def rows_block(rows: Any, most_rows: int | None, valid: Any = None) -> Block:
    """At most `most_rows` rows.

    Args:
        rows: Float tensor `(rows, units)`.
        most_rows: Bound on the rows, `None` for all of them.
        valid: Boolean `(rows,)`, `True` for the rows that count; `None` for all.
    """
    rows = rows if most_rows is None else rows[:most_rows]
    if rows.shape[0] == 0:
        # A row that does not count, for the least of nothing is an error on some backends.
        return Block(ops.zeros((1, rows.shape[1]), rows.dtype), ops.zeros((1,), rows.dtype))
    if valid is None:
        return Block(rows)
    valid = valid if most_rows is None else valid[:most_rows]
    return Block(ops.where(ops.expand_dims(valid, 1), rows, 0.0), ops.cast(valid, rows.dtype))


def _cut_of(shape: Any, max_elements: int | None) -> tuple[Any, int | None]:
    """What to slice from a tensor, and the rows that this leaves at most."""
    sizes = [size or 1 for size in shape[1:]] or [1]
    if max_elements is None:
        return None, None
    if None in shape[1:]:
        return None, max(_FEWEST_EXAMPLES, max_elements // sizes[-1])
    room = max(1, max_elements // _FEWEST_EXAMPLES)
    steps = [slice(None)] * len(shape[1:])
    if math.prod(sizes) > room and len(sizes) > 1:
        stride = math.ceil((math.prod(sizes) / room) ** (1 / (len(sizes) - 1)))
        steps[:-1] = [slice(None, None, stride)] * (len(sizes) - 1)
        sizes = [-(-size // stride) for size in sizes[:-1]] + sizes[-1:]
    examples = max(_FEWEST_EXAMPLES, max_elements // max(1, math.prod(sizes)))
    return (slice(examples), *steps), examples * math.prod(sizes[:-1])


def _as_rows(tensor: Any) -> Any:
    dtype = "float64" if tensor.dtype == "float64" else "float32"
    units = tensor.shape[-1] if len(tensor.shape) > 1 else 1
    return ops.reshape(ops.cast(tensor, dtype), (-1, units or 1))


def weight_sample_of(weight: Any, max_elements: int | None, shape: Any = None) -> Any:
    """About `max_elements` elements of a weight, as rows at equal distances.

    Args:
        weight: The tensor.
        max_elements: Bound on the elements, `None` for all of them.
        shape: Its shape; `None` where the tensor itself knows all of it.

    Returns:
        Tensor `(rows, last axis)`.
    """
    rows, units = weight_sample_shape(weight.shape if shape is None else shape, None)
    stride = _stride_of(rows, units, max_elements)
    weight = ops.reshape(weight, (rows, units))
    # Gathered: a slice with strides copies one element at a time on TensorFlow.
    return weight if stride == 1 else _backend.gathered(weight, np.arange(0, rows, stride))


def weight_sample_shape(shape: Any, max_elements: int | None) -> tuple[int, int]:
    """The shape of `weight_sample_of` a weight of this shape."""
    units = shape[-1] if len(shape) else 1
    rows = math.prod(shape[:-1])
    return -(-rows // _stride_of(rows, units, max_elements)), units


def _stride_of(rows: int, units: int, max_elements: int | None) -> int:
    if max_elements is None or rows * units <= max_elements:
        return 1
    return math.ceil(rows / max(1, max_elements // units))
