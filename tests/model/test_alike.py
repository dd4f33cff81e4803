"""Shared streams of random numbers, told from chance."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_initlab.model.linting.alike import groups_alike


def weight(numbers):
    numbers = np.asarray(numbers, np.float64)
    return SimpleNamespace(prefix=numbers, variance=float(numbers.var()))


@pytest.mark.parametrize("size", [16, 64, 4096])
def test_independent_weights_are_never_alike(size):
    generator = np.random.default_rng(size)

    # 44,850 pairs; one in 10**11 by chance.
    assert not list(groups_alike([weight(generator.normal(size=size)) for _ in range(300)]))


@pytest.mark.parametrize("factor", [1.0, 0.01, -3.0])
def test_beginning_of_a_longer_weight_is_alike_up_to_a_factor(factor):
    generator = np.random.default_rng(0)
    long, other = generator.normal(size=500), generator.normal(size=500)
    weights = [weight(other), weight(long), weight(factor * long[:60] + 7)]

    (found,) = groups_alike(weights)

    assert found.samples == weights[1:]
    assert found.count == 60
    assert abs(found.correlation) == pytest.approx(1)


def test_chain_of_pairs_is_one_group():
    numbers = np.random.default_rng(0).normal(size=400)

    (found,) = groups_alike([weight(numbers[:size]) for size in (400, 40, 200, 40)])

    assert len(found.samples) == 4


@pytest.mark.parametrize("numbers", [np.zeros(64), np.eye(8).ravel(), np.arange(15.0)])
def test_patterns_and_short_weights_are_not_compared(numbers):
    assert not list(groups_alike([weight(numbers), weight(numbers)]))
