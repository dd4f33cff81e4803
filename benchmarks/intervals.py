"""How far a ratio can be trusted on a noisy machine."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["FEWEST", "Ratio", "bootstrapped", "median_ratio"]

# The median of fewer pairs has no interval of 95 %: all of 5 lie above it 1 time in 32.
FEWEST = 6

_DRAWS = 2000


class Ratio(NamedTuple):
    """A ratio (unitless) and the ends of its interval of 95 %.

    Args:
        value: The ratio.
        low: The lower end; `None` where there are too few pairs.
        high: The upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


def bootstrapped(statistic: Callable[..., float], *samples: Sequence[Any]) -> Ratio:
    """A statistic of one sample or several, with its interval by the bootstrap's percentiles.

    Args:
        statistic: Takes as many lists as there are samples.
        samples: Of pairs say; each is drawn from by itself.
    """
    value = float(statistic(*samples))
    if min(map(len, samples)) < FEWEST:
        return Ratio(value)
    rng = np.random.default_rng(0)
    drawn = [
        statistic(
            *(
                [sample[place] for place in rng.integers(len(sample), size=len(sample))]
                for sample in samples
            )
        )
        for _ in range(_DRAWS)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975), method="nearest")
    return Ratio(value, float(low), float(high))


def median_ratio(ratios: Sequence[float]) -> Ratio | None:
    """The median of the ratios of pairs; `None` without any."""
    return bootstrapped(statistics.median, ratios) if ratios else None
