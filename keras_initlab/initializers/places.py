"""The part of a weight that is made: all of it, a partition, or shards over devices."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.initializers.checks import checked_shape
from keras_initlab.sampling import Part

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """The part of a weight that a call asks for.

    Args:
        shape: Shape of the whole weight.
        index: The part, a slice for each axis.
        layout: How the whole weight is spread over devices, `None` for one tensor.
    """

    shape: tuple[int, ...]
    index: tuple[slice, ...]
    layout: Any

    @classmethod
    def of(cls, shape: Any, layout: Any, partition_shape: Any, partition_offset: Any) -> "Place":
        """The place that the arguments of an initializer's call describe.

        Raises:
            ValueError: If a partition is incomplete, exceeds the weight, or has a layout.
        """
        whole = checked_shape(shape)
        if partition_shape is None and partition_offset is None:
            return cls(whole, tuple(slice(0, size) for size in whole), layout)
        sizes = () if partition_shape is None else tuple(partition_shape)
        offsets = () if partition_offset is None else tuple(partition_offset)
        fits = len(sizes) == len(offsets) == len(whole) and all(
            min(offset, size) >= 0 and offset + size <= of
            for size, offset, of in zip(sizes, offsets, whole, strict=True)
        )
        if not fits or layout is not None:
            raise ValueError(
                "`partition_shape` and `partition_offset` are the shape of one part of the weight "
                "and the place of its first element, one number for each axis, without a `layout`. "
                f"Received: shape={whole}, partition_shape={partition_shape}, "
                f"partition_offset={partition_offset}, layout={layout!r}."
            )
        parts = zip(sizes, offsets, strict=True)
        return cls(whole, tuple(slice(int(at), int(at) + int(size)) for size, at in parts), None)

    @property
    def size(self) -> tuple[int, ...]:
        """Shape of the part."""
        return tuple(part.stop - part.start for part in self.index)

    def tensor(self, dtype: str, write: Callable[[list[Part]], None]) -> Any:
        """The tensor whose memory `write` fills; it gets arrays and their places in the weight."""
        if self.layout is not None:
            return _backend.sharded_tensor(self.shape, dtype, self.layout, write)
        return _backend.filled_tensor(self.size, dtype, lambda out: write([(out, self.index)]))

    def taken(self, whole: Any) -> Any:
        """The part, cut from a tensor that holds the whole weight."""
        if self.layout is not None:
            return _backend.distributed(whole, self.layout)
        return whole if self.size == self.shape else whole[self.index]

    def constant(self, value: Any, dtype: str) -> Any:
        """A tensor of one number, in any dtype."""
        if self.layout is None:
            _backend.check_room(self.size, dtype)
            return keras.ops.full(self.size, value, dtype)

        def write(parts: list[Part]) -> None:
            for out, _ in parts:
                out[...] = value

        return self.tensor(dtype, write)
