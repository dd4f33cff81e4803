"""From random bits to standard values: U(-1, 1), N(0, 1), and N(0, 1) kept inside [-2, 2]."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_initlab.sampling.streams import BLOCK

__all__ = ["DRAWS", "Desk", "Draw"]

# z = s P(1 - s^2) / Q(1 - s^2) is the inverse of Phi on the middle 95.45 %, s in (-1, 1): minimax
# rational fits made with 60 digits, relative error 7e-8 and 4e-16. All coefficients are positive,
# so Horner's rule loses nothing. Only + * / are used: the same bits on every processor.
_P = {
    4: (1.999999864, 24.25388057, 74.47175794, 54.21692427, 4.381431448),
    8: (
        1.9999999999999993373,
        61.205791840893171189,
        731.96829461628231921,
        4366.7272020644197588,
        13818.814550834835499,
        22958.974525382914872,
        18789.375482994742962,
        6634.621090302483691,
        767.50860225262165832,
        12.846321516418030328,
    ),
}
_Q = {
    4: (1.0, 13.8367589, 52.4141704, 55.23156901, 10.69946252),
    8: (
        1.0,
        32.312755730675435583,
        412.74986378613755194,
        2671.000842973818649,
        9365.503584288444696,
        17768.831876424614583,
        17376.563558917433423,
        7905.9678504686953892,
        1372.1393541470189449,
        56.836488792054804353,
    ),
}


@dataclass(frozen=True)
class Draw:
    """A standard distribution.

    `standard(desk, count, low, high)` turns the words of the first `count` blocks on a desk into
    elements `low` to `high` of each, in the desk's own memory. `bound` is the largest magnitude,
    if there is one. `paired` tells that an element needs a word of both halves of its block.
    """

    standard: "Callable[[Desk, int, int, int], np.ndarray]"
    bound: float | None
    paired: bool = False

    def words_before(self, high: int) -> int:
        """How many words of a block the elements before `high` need."""
        return min(BLOCK, BLOCK // 2 + high) if self.paired else high


class Desk:
    """Memory in which one thread turns words into values, again and again.

    Fresh memory is slow, so it is kept. A few blocks at a time fit the cache and make each array
    operation long enough that threads rarely meet at the interpreter's lock.

    Args:
        kind: float32 or float64.
        blocks: How many blocks it holds.
    """

    def __init__(self, kind: np.dtype, blocks: int = 1):
        self.words = np.empty((blocks, BLOCK), f"u{kind.itemsize}")
        self.values = np.empty((blocks, BLOCK), kind)
        self.spare = np.empty((blocks, BLOCK), kind)

    def lay(self, row: int, generator: np.random.Generator, count: int) -> None:
        """Lay out the first `count` words of a block."""
        held = self.words[row].view(np.uint64)[: -(-count * self.words.itemsize // 8)]
        # Unlike `random_raw`, `integers` lets go of the interpreter lock while it runs.
        held[...] = generator.integers(0, 2**64 - 1, held.size, np.uint64, endpoint=True)


def _uniform(desk: Desk, count: int, low: int, high: int) -> np.ndarray:
    # An odd integer over a power of two: symmetric, exact, never 0 and never +-1.
    words, values = desk.words[:count, low:high], desk.values[:count, : high - low]
    digits = {4: 24, 8: 53}[words.itemsize]
    odd = words.view(f"i{words.itemsize}")
    odd >>= 8 * words.itemsize - digits - 1
    odd |= 1
    np.copyto(values, odd, casting="unsafe")
    values *= values.dtype.type(2.0**-digits)
    return values


def _normal(desk: Desk, count: int, low: int, high: int) -> np.ndarray:
    # Box and Muller 1958: half the words of a block give the radius, half the angle. The cosine
    # is the block's first half, the sine its second.
    half = BLOCK // 2
    if high <= half:
        return _ray(desk, count, low, high, np.cos)
    if low >= half:
        return _ray(desk, count, low - half, high - half, np.sin)
    radius = _radius(desk.words[:count, :half], desk.spare[:count, :half])
    first, second = desk.values[:count, :half], desk.values[:count, half:]
    _angle(desk.words[:count, half:], second)
    np.cos(second, out=first)
    np.sin(second, out=second)
    first *= radius
    second *= radius
    return desk.values[:count, low:high]


def _ray(desk: Desk, count: int, low: int, high: int, turn: np.ufunc) -> np.ndarray:
    """Radius times the sine or cosine of the angle, for some pairs of words."""
    radii, angles = desk.words[:count, : BLOCK // 2], desk.words[:count, BLOCK // 2 :]
    values = _angle(angles[:, low:high], desk.values[:count, : high - low])
    turn(values, out=values)
    values *= _radius(radii[:, low:high], desk.spare[:count, : high - low])
    return values


def _radius(words: np.ndarray, out: np.ndarray) -> np.ndarray:
    kind = out.dtype.type
    np.copyto(out, words, casting="unsafe")
    out += kind(0.5)
    out *= kind(2.0 ** (-8 * words.itemsize))
    np.log(out, out=out)
    out *= kind(-2)
    np.maximum(out, kind(0), out=out)
    np.sqrt(out, out=out)
    return out


def _angle(words: np.ndarray, out: np.ndarray) -> np.ndarray:
    np.copyto(out, words.view(f"i{words.itemsize}"), casting="unsafe")
    out *= out.dtype.type(np.pi * 2.0 ** (1 - 8 * words.itemsize))
    return out


def _truncated_normal(desk: Desk, count: int, low: int, high: int) -> np.ndarray:
    values = _uniform(desk, count, low, high)
    kind = values.dtype.type
    rest = desk.spare[:count, : high - low]
    total = desk.words.view(values.dtype)[:count, : high - low]
    np.multiply(values, values, out=rest)
    np.subtract(kind(1), rest, out=rest)
    values *= _horner(_P[values.itemsize], rest, total)
    values /= _horner(_Q[values.itemsize], rest, total)
    np.clip(values, kind(-2), kind(2), out=values)
    return values


def _horner(coefficients: tuple[float, ...], x: np.ndarray, total: np.ndarray) -> np.ndarray:
    kind = x.dtype.type
    np.multiply(x, kind(coefficients[-1]), out=total)
    for coefficient in coefficients[-2:0:-1]:
        total += kind(coefficient)
        total *= x
    total += kind(coefficients[0])
    return total


DRAWS = {
    "uniform": Draw(_uniform, 1.0),
    "normal": Draw(_normal, None, paired=True),
    "truncated_normal": Draw(_truncated_normal, 2.0),
}
