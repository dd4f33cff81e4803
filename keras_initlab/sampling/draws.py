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


# Powers of two that bring a draw to its standard scale, by bytes of a word.
_ODD = {4: 2.0**-24, 8: 2.0**-53}
_SIGNED = {4: 2.0**-31, 8: 2.0**-63}


@dataclass(frozen=True)
class Draw:
    """A standard distribution.

    `fill(desk, count, low, high, scale, out)` turns the words of the first `count` blocks on a desk
    into elements `low` to `high` of each, `(count, high - low)`, which may be the desk's `values`.
    With `scale=unit[itemsize]`, a power of two, they are standard; with k times that scale they are
    multiplied by k. If there is a `bound`, they lie strictly inside it, or inside k times it.
    `paired`: an element needs a word of both halves of its block.
    """

    fill: "Callable[[Desk, int, int, int, float, np.ndarray], None]"
    bound: float | None
    unit: dict[int, float]
    paired: bool = False

    def words_before(self, high: int) -> int:
        """How many words of a block the elements before `high` need."""
        return min(BLOCK, BLOCK // 2 + high) if self.paired else high


class Desk:
    """Memory in which one thread turns words into values, block after block.

    New memory is slow, so it is reused. A few blocks at a time fit the cache and make each array
    operation long enough that threads rarely meet at the interpreter's lock.

    Args:
        kind: float32 or float64.
        blocks: How many blocks it holds.
    """

    def __init__(self, kind: np.dtype, blocks: int = 1):
        self.itemsize = kind.itemsize
        self.values = np.empty((blocks, BLOCK), kind)
        self.spare = np.empty((blocks, BLOCK), kind)
        self.term = np.empty((blocks, BLOCK), kind)
        self.total = np.empty((blocks, BLOCK), kind)
        self.words = [np.empty(0, f"i{kind.itemsize}")] * blocks

    def lay(self, row: int, generator: np.random.Generator, count: int) -> None:
        """Lay out the first `count` words of a block."""
        size = -(-count * self.itemsize // 8)
        # Unlike `random_raw`, `integers` releases the interpreter lock while it runs.
        drawn = generator.integers(0, 2**64 - 1, size, np.uint64, endpoint=True)
        self.words[row] = drawn.view(f"i{self.itemsize}")

    def numbers(self, low: int, high: int, out: np.ndarray, sign: str = "i") -> np.ndarray:
        """Words `low` to `high` of each block as numbers, with a sign or without one (`"u"`)."""
        for words, row in zip(self.words, out, strict=False):
            np.copyto(row, words.view(f"{sign}{self.itemsize}")[low:high], casting="unsafe")
        return out


def _uniform(desk: Desk, count: int, low: int, high: int, scale: float, out: np.ndarray) -> None:
    # An odd integer over a power of two: symmetric, exact, never 0 and never +-1.
    odd = desk.total.view(f"i{desk.itemsize}")[:count, : high - low]
    values = desk.values[:count, : high - low]
    shift = 8 * desk.itemsize - 1 + int(np.log2(_ODD[desk.itemsize]))
    for words, row in zip(desk.words, odd, strict=False):
        np.right_shift(words[low:high], shift, out=row)
    odd |= 1
    np.copyto(values, odd, casting="unsafe")
    np.multiply(values, values.dtype.type(scale), out=out)


def _normal(desk: Desk, count: int, low: int, high: int, scale: float, out: np.ndarray) -> None:
    # Box and Muller 1958: half the words of a block give the radius, half the angle. The cosine
    # is the block's first half, the sine its second.
    half = BLOCK // 2
    if high <= half:
        values = _ray(desk, count, low, high, np.cos)
    elif low >= half:
        values = _ray(desk, count, low - half, high - half, np.sin)
    else:
        radius = _radius(desk, 0, half, desk.spare[:count, :half])
        first, second = desk.values[:count, :half], desk.values[:count, half:]
        _angle(desk, 0, half, second)
        np.cos(second, out=first)
        np.sin(second, out=second)
        first *= radius
        second *= radius
        values = desk.values[:count, low:high]
    np.multiply(values, values.dtype.type(scale), out=out)


def _ray(desk: Desk, count: int, low: int, high: int, turn: np.ufunc) -> np.ndarray:
    """Radius times the sine or cosine of the angle, for some pairs of words."""
    values = _angle(desk, low, high, desk.values[:count, : high - low])
    turn(values, out=values)
    values *= _radius(desk, low, high, desk.spare[:count, : high - low])
    return values


def _radius(desk: Desk, low: int, high: int, out: np.ndarray) -> np.ndarray:
    kind = out.dtype.type
    desk.numbers(low, high, out, "u")
    out += kind(0.5)
    out *= kind(2.0 ** (-8 * desk.itemsize))
    np.log(out, out=out)
    out *= kind(-2)
    np.maximum(out, kind(0), out=out)
    np.sqrt(out, out=out)
    return out


def _angle(desk: Desk, low: int, high: int, out: np.ndarray) -> np.ndarray:
    desk.numbers(BLOCK // 2 + low, BLOCK // 2 + high, out)
    out *= out.dtype.type(np.pi * 2.0 ** (1 - 8 * desk.itemsize))
    return out


def _truncated_normal(
    desk: Desk, count: int, low: int, high: int, scale: float, out: np.ndarray
) -> None:
    values, square, term, total = (
        memory[:count, : high - low] for memory in (desk.values, desk.spare, desk.term, desk.total)
    )
    desk.numbers(low, high, values)
    # s stays a power of two too large, and the fractions are smaller by the same factor.
    kind, one = values.dtype.type, _SIGNED[desk.itemsize] ** -2
    np.multiply(values, values, out=square)
    (numerator, pole), *others = _FRACTIONS[desk.itemsize]
    np.subtract(kind(pole * one), square, out=total)
    np.divide(kind(numerator * one * scale), total, out=total)
    total += kind(_CONSTANT[desk.itemsize] * scale)
    for numerator, pole in others:
        np.subtract(kind(pole * one), square, out=term)
        np.divide(kind(numerator * one * scale), term, out=term)
        total += term
    np.multiply(values, total, out=out)


DRAWS = {
    "uniform": Draw(_uniform, 1.0, unit=_ODD),
    "normal": Draw(_normal, None, unit={4: 1.0, 8: 1.0}, paired=True),
    "truncated_normal": Draw(_truncated_normal, 2.0, unit=_SIGNED),
}
