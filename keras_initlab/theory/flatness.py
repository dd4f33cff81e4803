"""Where an activation is so flat that hardly any gradient passes."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from keras_initlab.theory.activations import Activation, Function, activation_of

__all__ = ["FLAT_SLOPE", "FlatRegions", "flat_regions", "slopes_of"]

# A gradient that passes eight such units has lost sixteen decimal digits.
FLAT_SLOPE = 0.01

_REACH, _GRID = 20.0, 4_001
_STEP = 1e-5


@dataclass(frozen=True)
class FlatRegions:
    """Where a unit counts as saturated.

    Args:
        of: `"output"` where the activation is monotone, so that its value decides; else `"input"`.
        regions: Closed intervals `(low, high)` of that quantity, ascending, possibly infinite.
    """

    of: str
    regions: tuple[tuple[float, float], ...]


def flat_regions(
    activation: str | Function | Activation | None, *, slope: float = FLAT_SLOPE
) -> FlatRegions:
    """Intervals with a slope below a bound: of the output where it decides, else of the input.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        slope: Threshold on the absolute slope (unitless), positive.

    Raises:
        TypeError: If `activation` is neither a name nor a callable.
        ValueError: If the activation is unknown or `slope` is not positive.

    Source:
        Glorot and Bengio 2010, section 3, https://proceedings.mlr.press/v9/glorot10a.html, shows
        saturation in percentiles of the outputs; the threshold on the slope is our choice.

    Example:
        >>> flat_regions("relu")
        FlatRegions(of='output', regions=((-inf, 0.0),))
        >>> flat_regions("gelu").of
        'input'
    """
    if not slope > 0:
        raise ValueError(
            f"`slope` bounds an absolute slope, so it must be positive. Received: slope={slope}."
        )
    return _flat_regions(activation_of(activation), float(slope))


@lru_cache(maxsize=64)
def _flat_regions(phi: Activation, slope: float) -> FlatRegions:
    x = np.linspace(-_REACH, _REACH, _GRID)
    flat = np.abs(slopes_of(phi, x)) < slope
    edges = np.flatnonzero(np.diff(flat.astype(int)))
    places: list[float] = [_edge(phi, slope, x[edge], x[edge + 1]) for edge in edges]
    if flat[0]:
        places.insert(0, -math.inf)
    if flat[-1]:
        places.append(math.inf)
    inputs = tuple(zip(places[::2], places[1::2], strict=True))
    rising = bool((np.diff(phi(x)) >= -1e-12).all())
    if not rising:
        return FlatRegions("input", inputs)
    return FlatRegions("output", tuple((_value(phi, a), _value(phi, b)) for a, b in inputs))


def slopes_of(phi: Activation, x: np.ndarray) -> np.ndarray:
    """Slopes of an activation at some places, by central differences.

    Args:
        phi: The activation.
        x: Places, float64 of any shape.
    """
    step = max(_STEP, math.sqrt(phi.precision))
    slopes: np.ndarray = (phi(x + step) - phi(x - step)) / (2 * step)
    return slopes


def _edge(phi: Activation, slope: float, low: float, high: float) -> float:
    """Where the slope passes the threshold, at a kink of the activation if there is one."""
    for kink in phi.kinks:
        if low <= kink <= high:
            return kink
    flat_below = abs(slopes_of(phi, np.array([low]))[0]) < slope
    for _ in range(50):
        middle = (low + high) / 2
        if (abs(slopes_of(phi, np.array([middle]))[0]) < slope) == flat_below:
            low = middle
        else:
            high = middle
    return float(low + high) / 2


def _value(phi: Activation, x: float) -> float:
    """The output at an edge; an infinite edge stays infinite."""
    return x if math.isinf(x) else float(phi(np.array([x]))[0])
