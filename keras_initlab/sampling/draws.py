"""From random bits to standard values: U(-1, 1), N(0, 1), and N(0, 1) kept inside [-2, 2]."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_initlab.sampling.streams import BLOCK

__all__ = ["DRAWS", "Desk", "Draw"]

# On the middle 95.45 % of the bell, z = s (a + sum of b / (c - s^2)) with s in (-1, 1): the partial
# fractions of minimax fits made with 60 digits, relative error 3e-6, which shows in a sample of
# 1e12, and in float64 1e-15. Both end below 2, however they are rounded, and all b are positive, so
# the sum loses nothing. Only + - * / are used: the same bits on every processor.
_CONSTANT = {4: 0.49418560854353946985, 8: 0.226022433641499191802}
_FRACTIONS = {
    4: (
        (1.7894100067472707702, 3.4636684281188647762),
        (0.21952768176910152458, 1.4199558814173507088),
        (0.035103854512644156896, 1.1367244235397646586),
    ),
    8: (
        (6.122020850692495155726, 17.92980200593644848972),
        (1.176398529179791502388, 4.844921044587201207658),
        (0.4094624994848780384745, 2.534031108872726653199),
        (0.1773209948725239463101, 1.759144077550224491612),
        (0.08489864725452738279902, 1.422382493240671173209),
        (0.04248923713282135992391, 1.25619993825009729637),
        (0.02129223633453459892969, 1.169241631310645641248),
        (0.009950671047616241958218, 1.123708451820401912457),
        (0.003361645562236618325126, 1.102443303445886159913),
    ),
}


# Powers of two that bring what a draw leaves to its standard scale, by bytes of a word.
_ODD = {4: 2.0**-24, 8: 2.0**-53}
_SIGNED = {4: 2.0**-31, 8: 2.0**-63}


@dataclass(frozen=True)
class Draw:
    """A standard distribution.

    `standard(desk, count, low, high)` turns the words of the first `count` blocks on a desk into
    elements `low` to `high` of each, in the desk's own memory. They are still to be multiplied by
    `unit[itemsize]`, a power of two, and lie strictly inside `bound` then, if there is one.
    `paired` tells that an element needs a word of both halves of its block.
    """

    standard: "Callable[[Desk, int, int, int], np.ndarray]"
    bound: float | None
    unit: dict[int, float]
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
        self.term = np.empty((blocks, BLOCK), kind)

    def lay(self, row: int, generator: np.random.Generator, count: int) -> None:
        """Lay out the first `count` words of a block."""
        held = self.words[row].view(np.uint64)[: -(-count * self.words.itemsize // 8)]
        # Unlike `random_raw`, `integers` lets go of the interpreter lock while it runs.
        held[...] = generator.integers(0, 2**64 - 1, held.size, np.uint64, endpoint=True)


def _uniform(desk: Desk, count: int, low: int, high: int) -> np.ndarray:
    # An odd integer over a power of two: symmetric, exact, never 0 and never +-1.
    words, values = desk.words[:count, low:high], desk.values[:count, : high - low]
    digits = -int(np.log2(_ODD[words.itemsize]))
    odd = words.view(f"i{words.itemsize}")
    odd >>= 8 * words.itemsize - digits - 1
    odd |= 1
    np.copyto(values, odd, casting="unsafe")
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
    words, values = desk.words[:count, low:high], desk.values[:count, : high - low]
    square, term = desk.spare[:count, : high - low], desk.term[:count, : high - low]
    np.copyto(values, words.view(f"i{words.itemsize}"), casting="unsafe")
    # s is left a power of two too large, which the caller takes out of z at no cost.
    kind, one = values.dtype.type, _SIGNED[words.itemsize] ** -2
    np.multiply(values, values, out=square)
    total = words.view(values.dtype)
    (numerator, pole), *others = _FRACTIONS[words.itemsize]
    np.subtract(kind(pole * one), square, out=total)
    np.divide(kind(numerator * one), total, out=total)
    total += kind(_CONSTANT[words.itemsize])
    for numerator, pole in others:
        np.subtract(kind(pole * one), square, out=term)
        np.divide(kind(numerator * one), term, out=term)
        total += term
    values *= total
    return values


DRAWS = {
    "uniform": Draw(_uniform, 1.0, unit=_ODD),
    "normal": Draw(_normal, None, unit={4: 1.0, 8: 1.0}, paired=True),
    "truncated_normal": Draw(_truncated_normal, 2.0, unit=_SIGNED),
}
