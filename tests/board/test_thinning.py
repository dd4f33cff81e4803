import itertools

import numpy as np
import pytest

from keras_initlab.board.thinning import thin

pytestmark = pytest.mark.once


def test_few_looks_stay_as_they_are():
    values = np.arange(12.0).reshape(4, 3)

    thinned = thin(values, 4)

    assert thinned.last.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(thinned.low, values)
    np.testing.assert_array_equal(thinned.high, values)


@pytest.mark.parametrize(("looks", "points"), [(1000, 300), (301, 300), (7, 2), (10_000, 41)])
def test_extremes_of_what_is_left_out_are_kept(looks, points):
    rng = np.random.default_rng(looks)
    values = rng.normal(size=(looks, 3))
    values[looks // 2, 1], values[looks // 3, 2] = 99.0, -99.0

    thinned = thin(values, points)

    assert len(thinned.last) <= points
    assert thinned.last[0] == 0
    assert thinned.last[-1] == looks - 1
    assert thinned.high.max(axis=0).tolist() == values.max(axis=0).tolist()
    assert thinned.low.min(axis=0).tolist() == values.min(axis=0).tolist()
    ends = np.concatenate([[-1], thinned.last])
    for group, (before, last) in enumerate(itertools.pairwise(ends)):
        inside = values[before + 1 : last + 1]
        assert thinned.low[group].tolist() == inside.min(axis=0).tolist()
        assert thinned.high[group].tolist() == inside.max(axis=0).tolist()


def test_looks_that_must_stay_stand_for_their_group():
    thinned = thin(np.zeros((1000, 1)), 10, kept=[123, 456, 5000])

    assert {123, 456} <= set(thinned.last.tolist())
    assert thinned.last.max() == 999


def test_nan_hides_no_extreme():
    values = np.array([[1.0], [np.nan], [np.inf], [np.nan], [2.0], [np.nan]])

    thinned = thin(values, 2)

    assert thinned.high[1, 0] == np.inf
    assert thinned.low[1, 0] == 2.0


def test_nothing_is_nothing():
    assert len(thin(np.zeros((0, 4)), 10).last) == 0
