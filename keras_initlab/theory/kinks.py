"""Where an unknown function bends or jumps."""

from collections.abc import Callable

import numpy as np

from keras_initlab.theory.panels import NODES, interpolation_matrix

__all__ = ["kinks_of"]

_REACH = 32.0
# With both ends, to see a bend beyond the last node.
_TRIED = np.concatenate([[-1.0], (NODES - 1) / 2, (NODES + 1) / 2, [1.0]])
_TO_TRIED = interpolation_matrix(_TRIED)

# A function that needs more intervals is rough, not bent.
MOST_INTERVALS = 16_384


def kinks_of(
    function: Callable[[np.ndarray], np.ndarray], precision: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bends and jumps of a function between -32 and 32.

    Intervals in which a polynomial of degree 15 misses the function are halved until they are
    tiny; the remaining ones surround a bend or a jump.

    Args:
        function: From a float64 array to an array of the same shape.
        precision: Relative rounding error of its values (unitless).

    Returns:
        Places of the bends and places of the jumps, ascending; more than 16,384 where the function
        is rough everywhere, for example because its values have fewer digits than `precision`.
    """
    # Bends are often at round numbers, so the ends of the intervals are not round.
    edges = np.linspace(-_REACH, _REACH, 129) + 0.0123456789
    low, high = edges[:-1], edges[1:]
    # Below this width a jump of the slope drowns in the rounding of the values.
    for _ in range(int(-0.5 * np.log2(precision))):
        unresolved = _misses(function, low, high, precision)
        low, high = low[unresolved], high[unresolved]
        if not low.size:
            return (), ()
        if low.size > MOST_INTERVALS:
            return tuple(low.tolist()), ()
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    places = _merged(np.sort(low), float(high[0] - low[0]))
    bends = [_bend(function, *place) for place in places]
    jumps = tuple(x for x, jump in bends if jump)
    return tuple(x for x, jump in bends if not jump), jumps


def _misses(
    function: Callable[[np.ndarray], np.ndarray],
    low: np.ndarray,
    high: np.ndarray,
    precision: float,
) -> np.ndarray:
    half, middle = (high - low)[:, None] / 2, (high + low)[:, None] / 2
    whole = function(middle + half * NODES)
    gap = np.abs(function(middle + half * _TRIED) - whole @ _TO_TRIED.T).max(axis=1)
    missed: np.ndarray = gap > 256 * precision * (np.abs(whole).max(axis=1) + np.abs(middle[:, 0]))
    return missed


def _merged(lows: np.ndarray, width: float) -> list[tuple[float, float]]:
    """Runs of neighbouring intervals as (low, high)."""
    places = [(float(lows[0]), float(lows[0]) + width)]
    for low in lows[1:]:
        if low <= places[-1][1] + 2 * width:
            places[-1] = (places[-1][0], float(low) + width)
        else:
            places.append((float(low), float(low) + width))
    return places


def _bend(
    function: Callable[[np.ndarray], np.ndarray], low: float, high: float
) -> tuple[float, bool]:
    """Where the lines from both sides meet, and whether the value jumps there."""
    reach = 64 * (high - low)
    middle = (low + high) / 2
    left, near_left, near_right, right = function(
        np.array([low - reach, low, high, high + reach])
    ).tolist()
    slope_left, slope_right = (near_left - left) / reach, (right - near_right) / reach
    step = near_right - near_left
    jumps = abs(step) > 4 * (abs(slope_left) + abs(slope_right)) * (high - low) + 1e-6 * (
        abs(near_left) + abs(near_right)
    )
    if jumps or abs(slope_left - slope_right) < 1e-3 * (abs(slope_left) + abs(slope_right)):
        return middle, jumps
    place = (near_right - near_left + slope_left * low - slope_right * high) / (
        slope_left - slope_right
    )
    return (float(place) if low - reach <= place <= high + reach else middle), False
