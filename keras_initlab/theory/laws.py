"""The row of numbers that defines a scheme."""

import math
from dataclasses import dataclass, replace

from keras_initlab.theory.fans import Fans

__all__ = ["STANDARD_VARIANCE", "Law", "rectifier_scale", "spread_of"]

_DENSITY_AT_CUT = math.exp(-2.0) / math.sqrt(2 * math.pi)
_MASS_INSIDE_CUT = math.erf(2 / math.sqrt(2))

# Variance of the draw whose `spread` is 1: U(-1, 1), N(0, 1), and N(0, 1) kept inside [-2, 2].
STANDARD_VARIANCE = {
    "uniform": 1 / 3,
    "normal": 1.0,
    "truncated_normal": 1 - 2 * 2 * _DENSITY_AT_CUT / _MASS_INSIDE_CUT,
}

_FANS = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")


def spread_of(draw: str, variance: float) -> float:
    """Half width of a uniform, or standard deviation of the (uncut) normal, that has `variance`.

    Args:
        draw: `"uniform"`, `"normal"` or `"truncated_normal"` (cut at two standard deviations).
        variance: Variance wanted after any cut (unitless), not negative.

    Returns:
        The spread (unitless): `sqrt(3 variance)` for a uniform; for a truncated normal
        `sqrt(variance) / 0.8796...`, so that the cut values have the variance asked for.

    Example:
        >>> round(spread_of("uniform", 1 / 3), 6)
        1.0
    """
    return math.sqrt(variance / STANDARD_VARIANCE[draw])


def rectifier_scale(negative_slope: float) -> float:
    """Scale that offsets the loss in a (leaky) ReLU: `2 / (1 + slope**2)`, He et al. 2015, eq. 15.

    Example:
        >>> rectifier_scale(0.0)
        2.0
    """
    return 2.0 / (1.0 + negative_slope**2)


@dataclass(frozen=True)
class Law:
    """Variance `scale / fan`, drawn from a named distribution.

    Args:
        scale: Multiplies the variance (unitless), positive.
        fan: `"fan_in"`, `"fan_out"`, `"fan_avg"` or `"fan_geo_avg"`.
        draw: `"uniform"`, `"normal"` or `"truncated_normal"`.

    Raises:
        ValueError: If an argument has another value.

    Example:
        >>> Law(scale=2.0, fan="fan_in", draw="normal").variance(Fans(50, 10))
        0.04
    """

    scale: float
    fan: str
    draw: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(
                "`scale` multiplies the variance, so it must be positive and finite. "
                f"Received: scale={self.scale}."
            )
        if self.fan not in _FANS:
            raise ValueError(
                f"`mode` must be one of {', '.join(_FANS)}. Received: mode={self.fan!r}."
            )
        if self.draw not in STANDARD_VARIANCE:
            raise ValueError(
                f"`distribution` must be one of {', '.join(STANDARD_VARIANCE)}. "
                f"Received: distribution={self.draw!r}."
            )

    def variance(self, fans: Fans) -> float:
        """Variance of each weight (unitless); a fan of zero counts as one."""
        return float(self.scale / (getattr(fans, self.fan) or 1.0))

    def spread(self, fans: Fans) -> float:
        """Half width or standard deviation to draw with (unitless)."""
        return spread_of(self.draw, self.variance(fans))

    def but(self, **changes: object) -> "Law":
        """The same law with some entries changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
