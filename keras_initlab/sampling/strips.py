"""The places of a weight's elements when only a part of it is drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

__all__ = ["Strip", "strips_of"]


@dataclass(frozen=True)
class Strip:
    """Rows of equal length that lie evenly spaced in a flattened weight.

    Element `(row, column)` of `out` is element `start + row * period + column` of the weight.
    """

    out: np.ndarray
    start: int
    period: int

    @property
    def stop(self) -> int:
        """One past the last element, in the flattened weight."""
        rows, width = self.out.shape
        return self.start + (int(rows) - 1) * self.period + int(width)

    def meets(self, begin: int, end: int) -> bool:
        """Whether an element lies in `[begin, end)` of the flattened weight."""
        if end <= self.start or begin >= self.stop:
            return False
        row, column = divmod(max(begin - self.start, 0), self.period)
        return column < self.out.shape[1] or self.start + (row + 1) * self.period < end

    def room(self, begin: int, shape: tuple[int, ...]) -> np.ndarray | None:
        """The memory of these elements from `begin` on, if one row holds them all."""
        first = begin - self.start
        last = first + math.prod(shape)
        if first < 0 or last > self.out.shape[1]:
            return None
        return self.out[0, first:last].reshape(shape)

    def take(self, values: np.ndarray, begin: int) -> None:
        """Copy what belongs here from the elements that begin at `begin`."""
        first, last = begin - self.start, begin - self.start + values.size
        rows, width = self.out.shape
        # Rows that the values contain completely are copied at once.
        top = max(0, -(-first // self.period))
        bottom = max(top, min(rows, (last - width) // self.period + 1))
        if bottom > top:
            step = values.strides[0]
            whole = as_strided(
                values[top * self.period - first :],
                (bottom - top, width),
                (self.period * step, step),
                writeable=False,
            )
            self.out[top:bottom] = whole
        for row in {top - 1, bottom} & set(range(rows)):
            offset = row * self.period - first
            low, high = max(0, -offset), min(width, values.size - offset)
            if high > low:
                self.out[row, low:high] = values[offset + low : offset + high]


def strips_of(out: np.ndarray, shape: Sequence[int], index: Sequence[slice]) -> list[Strip]:
    """The strips that make up `out`, the part `index` of a weight of this shape.

    Args:
        out: C-contiguous array of the part's shape.
        shape: Shape of the weight.
        index: A slice without a step for each axis.
    """
    bounds = [part.indices(size)[:2] for part, size in zip(index, shape, strict=True)]
    return [] if out.size == 0 else _strips(out, tuple(shape), bounds, 0)


def _strips(
    out: np.ndarray, shape: tuple[int, ...], bounds: list[tuple[int, int]], offset: int
) -> list[Strip]:
    cut = [axis for axis, size in enumerate(shape) if bounds[axis] != (0, size)] or [0]
    outer, inner = cut[0], cut[-1]
    lead, size = math.prod(shape[:outer]), math.prod(shape[outer:])
    if outer == inner:
        # All axes before the cut are whole: they count the rows.
        return [_strip(out.reshape(lead, -1), shape, bounds, inner, offset)]
    parts = out.reshape(lead, -1, *out.shape[outer + 1 :])
    places = [offset + block * size for block in range(lead)]
    row = size // shape[outer]
    begin = bounds[outer][0] * row
    if len(cut) == 2:
        rows = parts[0].size // math.prod(out.shape[inner:])
        return [
            _strip(part.reshape(rows, -1), shape, bounds, inner, place + begin)
            for part, place in zip(parts, places, strict=True)
        ]
    return [
        strip
        for part, place in zip(parts, places, strict=True)
        for number, slab in enumerate(part)
        for strip in _strips(
            slab, shape[outer + 1 :], bounds[outer + 1 :], place + begin + number * row
        )
    ]


def _strip(
    out: np.ndarray, shape: tuple[int, ...], bounds: list[tuple[int, int]], axis: int, offset: int
) -> Strip:
    low = bounds[axis][0] if shape else 0
    return Strip(out, offset + low * math.prod(shape[axis + 1 :]), math.prod(shape[axis:]))
