"""Filling memory with a law, block by block, on all cores."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from keras_initlab.sampling.draws import DRAWS, Desk
from keras_initlab.sampling.streams import BLOCK, Stream
from keras_initlab.sampling.strips import Strip, strips_of

__all__ = ["Drawing", "Part", "cores", "drawn", "fill", "fill_parts"]

# Four blocks: see `Desk`.
_GROUP = 4

Part = tuple[np.ndarray, tuple[slice, ...]]


@dataclass(frozen=True)
class Drawing:
    """Independent values of a weight: `center + spread * standard value`.

    Args:
        stream: Random bits of the weight.
        draw: A key of `DRAWS`.
        center: Added to every value.
        spread: Half width of a uniform, standard deviation of a normal before any cut.
    """

    stream: Stream
    draw: str
    center: float = 0.0
    spread: float = 1.0


def fill(out: np.ndarray, drawing: Drawing, *, start: int = 0, threads: int | None = None) -> None:
    """Fill `out` with a weight, or with elements `start`, `start + 1`, ... of it, flattened.

    Args:
        out: C-contiguous float array of any shape; float64, float32, float16 or bfloat16 (the last
            two are drawn in float32 and rounded, never past the bound of the distribution).
        drawing: Where the values come from.
        start: Index of the first element in the flattened weight.
        threads: Workers; `None` takes the cores this process may use. Never changes a value.

    Example:
        >>> weights = np.empty((2, 3), np.float32)
        >>> fill(weights, Drawing(Stream(0, "doctest", (2, 3)), "uniform", spread=0.1))
        >>> bool((abs(weights) < 0.1).all())
        True
    """
    if out.size:
        _run([Strip(out.reshape(1, -1), start, out.size)], drawing, threads)


def fill_parts(
    parts: Sequence[Part], shape: Sequence[int], drawing: Drawing, *, threads: int | None = None
) -> None:
    """Fill some parts of a weight with the values that the whole weight has there.

    A block that several parts share is drawn once. Parts that are cut along the first axis need
    no more than their own blocks; a cut along a later axis passes through every block.

    Args:
        parts: Pairs of a C-contiguous array and its place in the weight, a slice without a step
            for each axis. The arrays have one dtype.
        shape: Shape of the weight.
        drawing: Where the values come from.
        threads: As in `fill`.

    Example:
        >>> drawing = Drawing(Stream(0, "doctest", (4, 6)), "normal")
        >>> right = np.empty((4, 2), np.float32)
        >>> fill_parts([(right, (slice(0, 4), slice(4, 6)))], (4, 6), drawing)
        >>> whole = np.empty((4, 6), np.float32)
        >>> fill(whole, drawing)
        >>> bool((right == whole[:, 4:]).all())
        True
    """
    strips = [strip for out, index in parts for strip in strips_of(out, shape, index)]
    if strips:
        _run(strips, drawing, threads)


def drawn(
    shape: Sequence[int], stream: Stream, draw: str, kind: np.dtype | type = np.float32
) -> np.ndarray:
    """A new array of standard values.

    Args:
        shape: Shape of the array, which need not be that of the weight.
        stream: Random bits; use `stream.part(name)` for each array that a weight needs.
        draw: A key of `DRAWS`.
        kind: float32 or float64.

    Example:
        >>> drawn((2, 3), Stream(0, "doctest", (2, 3)), "normal").shape
        (2, 3)
    """
    out = np.empty(tuple(shape), kind)
    fill(out, Drawing(stream, draw))
    return out


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@dataclass(frozen=True)
class _Group:
    """Consecutive blocks, and the strips that need them."""

    first: int
    count: int
    strips: list[Strip]

    @property
    def reach(self) -> tuple[int, int]:
        """The elements needed: in a single block those of the strips, in several blocks all."""
        if self.count > 1:
            return 0, BLOCK
        begin = self.first * BLOCK
        low = max(0, min(strip.start for strip in self.strips) - begin)
        return low, min(BLOCK, max(strip.stop for strip in self.strips) - begin)


def _groups(strips: Sequence[Strip], size: int) -> Iterator[_Group]:
    """The blocks that the strips need, in groups of up to `size` consecutive ones."""
    waiting = sorted(strips, key=lambda strip: -strip.start)
    active: list[Strip] = []
    block = 0
    while waiting or active:
        if not active:
            block = max(block, waiting[-1].start // BLOCK)
        takers: dict[int, Strip] = {}
        count = 0
        while count < size:
            begin, end = (block + count) * BLOCK, (block + count + 1) * BLOCK
            while waiting and waiting[-1].start < end:
                active.append(waiting.pop())
            meeting = {id(strip): strip for strip in active if strip.meets(begin, end)}
            if not meeting:
                break
            takers.update(meeting)
            count += 1
        if count:
            yield _Group(block, count, list(takers.values()))
        block += max(count, 1)
        active = [strip for strip in active if strip.stop > block * BLOCK]


class _Queue:
    """Groups that several threads take in turn."""

    def __init__(self, groups: Iterator[_Group]):
        self._groups, self._lock = groups, threading.Lock()

    def __iter__(self) -> "_Queue":
        return self

    def __next__(self) -> _Group:
        with self._lock:
            return next(self._groups)


@dataclass(frozen=True)
class _Job:
    drawing: Drawing
    dtype: np.dtype

    def work(self, groups: Iterator[_Group]) -> None:
        """Write groups until none is left."""
        kind = np.dtype(np.float64 if self.dtype == np.float64 else np.float32)
        law, desk = _Law(self.drawing, self.dtype), Desk(kind, 0)
        for group in groups:
            if len(desk.words) < group.count:
                desk = Desk(kind, group.count)
            low, high = group.reach
            begin, room = group.first * BLOCK + low, None
            for row in range(group.count):
                generator = self.drawing.stream.generator(group.first + row)
                desk.lay(row, generator, law.draw.words_before(high))
            if len(group.strips) == 1 and self.dtype == kind:
                room = group.strips[0].room(begin, (group.count, high - low))
            values = desk.values[: group.count, : high - low] if room is None else room
            law.write(desk, low, high, values)
            if room is None:
                for strip in group.strips:
                    strip.take(values.reshape(-1), begin)


def _run(strips: Sequence[Strip], drawing: Drawing, threads: int | None) -> None:
    start, stop = min(strip.start for strip in strips), max(strip.stop for strip in strips)
    blocks = -(-stop // BLOCK) - start // BLOCK
    workers = min(threads or cores(), blocks)
    job = _Job(drawing, strips[0].out.dtype)
    groups = _groups(strips, max(1, min(_GROUP, blocks // (2 * workers))))
    if workers == 1:
        job.work(groups)
        return
    queue = _Queue(groups)
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(job.work, [queue] * workers):
            pass


class _Law:
    """The step from words to the values of a law."""

    def __init__(self, drawing: Drawing, dtype: np.dtype):
        kind = np.float64 if dtype == np.float64 else np.float32
        center, spread = drawing.center, drawing.spread
        self.draw = DRAWS[drawing.draw]
        unit = self.draw.unit[np.dtype(kind).itemsize]
        # One multiplication instead of two, unless the scaled values lose digits (a thousandth).
        tiny = abs(spread) * unit < 1024 * np.finfo(kind).tiny
        self._scale = unit if tiny else unit * spread
        self._factor = kind(spread) if tiny else None
        self._center = kind(center) if center else None
        # Scaling alone keeps values inside the bound, as long as they have digits left.
        self._limits = None
        bound = self.draw.bound
        if bound is not None and (center or tiny or dtype != kind):
            limits = _inside(center - spread * bound, center + spread * bound, dtype)
            self._limits = kind(limits[0]), kind(limits[1])

    def write(self, desk: Desk, low: int, high: int, out: np.ndarray) -> None:
        """Write elements `low` to `high` of each block on a desk: `(blocks, high - low)`."""
        self.draw.fill(desk, len(out), low, high, self._scale, out)
        if self._factor is not None:
            out *= self._factor
        if self._center is not None:
            out += self._center
        if self._limits is not None:
            np.clip(out, *self._limits, out=out)


def _inside(low: float, high: float, dtype: np.dtype) -> tuple[float, float]:
    """Nearest numbers of `dtype` that do not lie outside `[low, high]`."""
    first, last = dtype.type(low), dtype.type(high)
    if float(first) < low:
        first = np.nextafter(first, dtype.type(np.inf), dtype=dtype)
    if float(last) > high:
        last = np.nextafter(last, dtype.type(-np.inf), dtype=dtype)
    return float(first), float(last)
