"""Thinning of looks that keeps their extremes."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Thinned", "thin"]


@dataclass(frozen=True)
class Thinned:
    """Looks in groups: the last look of a group stands for it, with its lowest and highest value.

    Args:
        last: Index of the last look of each group, `[groups]`.
        low: Smallest value in the group, `[groups, columns]`; NaN where all are NaN.
        high: Largest, likewise.
    """

    last: np.ndarray
    low: np.ndarray
    high: np.ndarray


def thin(values: np.ndarray, points: int, kept: Iterable[int] = ()) -> Thinned:
    """Group looks that follow one another so that a picture `points` wide can show them.

    Args:
        values: `[looks, columns]`.
        points: Number of groups, at least 2. The first look is a group of its own.
        kept: Indices of looks that must stand for their group (those with a problem, say); they
            add to `points`.

    Returns:
        The groups. Where there are no more looks than `points`, each is a group.

    Example:
        >>> thinned = thin(np.array([[1.0], [9.0], [2.0], [3.0], [4.0]]), 3)
        >>> thinned.last, thinned.high[:, 0]
        (array([0, 2, 4]), array([1., 9., 4.]))
    """
    looks = len(values)
    if looks == 0:
        return Thinned(np.zeros(0, int), values, values)
    last = np.arange(looks)
    if looks > points:
        last = np.unique(np.rint(np.linspace(0, looks - 1, max(points, 2))).astype(int))
        last = np.union1d(last, [index for index in kept if 0 <= index < looks]).astype(int)
    starts = np.concatenate([[0], last[:-1] + 1])
    low, high = (extreme.reduceat(values, starts, axis=0) for extreme in (np.fmin, np.fmax))
    return Thinned(last, low, high)
