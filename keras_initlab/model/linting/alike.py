"""Weights that begin with the same numbers, up to a factor."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_initlab.model.linting.subject import PREFIX, Sample

__all__ = ["Alike", "groups_alike"]

# Fewer numbers are alike by chance.
_FEWEST = 16

# A correlation counts from this many standard errors of Fisher's z: one pair in 10**11 has it by
# chance.
_SIGMAS = 7.0
_CORRELATED = 0.5


@dataclass(frozen=True)
class Alike:
    """Weights drawn from one stream.

    Args:
        samples: The weights, in the order of the model.
        count: How many numbers were compared, the fewest of all pairs.
        correlation: The least among neighbours.
    """

    samples: list[Sample]
    count: int
    correlation: float


def groups_alike(samples: list[Sample]) -> Iterator[Alike]:
    """Groups of weights that are copies of one another, or share a stream of random numbers.

    Keras's random numbers depend on the seed alone. So a small weight repeats the beginning of a
    large one, times the ratio of their standard deviations.
    """
    drawn = [sample for sample in samples if _is_drawn(sample)]
    links = list(_links(drawn))
    group_of = list(range(len(drawn)))
    for place, twin, *_ in links:
        old, new = group_of[twin], group_of[place]
        group_of = [new if group == old else group for group in group_of]
    for group in dict.fromkeys(group_of):
        members = [k for k, its_group in enumerate(group_of) if its_group == group]
        inside = [link for link in links if group_of[link[0]] == group]
        if inside:
            yield Alike(
                [drawn[k] for k in members],
                min(count for *_, count, _ in inside),
                min(correlation for *_, correlation in inside),
            )


def _is_drawn(sample: Sample) -> bool:
    """Whether the numbers are random: an identity or a pattern may be the same in two layers."""
    enough = len(sample.prefix) >= _FEWEST and sample.variance > 0
    return enough and len(np.unique(sample.prefix)) > len(sample.prefix) / 4


def _links(drawn: list[Sample]) -> Iterator[tuple[int, int, int, float]]:
    """Pairs that are alike: their places, numbers compared, and correlation."""
    lengths = np.array([min(len(sample.prefix), PREFIX) for sample in drawn], int)
    for length in np.unique(lengths):
        longer = np.flatnonzero(lengths >= length)
        table = np.stack([_unit(drawn[k].prefix[:length]) for k in longer])
        for place in np.flatnonzero(lengths == length):
            correlations = table @ table[list(longer).index(place)]
            limit = max(_CORRELATED, np.tanh(_SIGMAS / np.sqrt(length - 3)))
            for column in np.flatnonzero(np.abs(correlations) > limit):
                twin = int(longer[column])
                # Equal lengths meet twice.
                if twin != place and (lengths[twin] > length or twin > place):
                    yield int(place), twin, int(length), float(correlations[column])


def _unit(numbers: np.ndarray) -> np.ndarray:
    centered = numbers - numbers.mean()
    length = float(np.linalg.norm(centered))
    return centered / length if length else centered
