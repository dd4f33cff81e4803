import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_initlab.monitor.statistics import COLUMNS, merged, moments_of, sample_of


def moments(array):
    return keras.ops.convert_to_numpy(moments_of(keras.ops.convert_to_tensor(array)))


def test_moments_keep_their_digits_at_a_large_mean():
    values = np.random.default_rng(0).normal(1000, 0.5, (64, 32)).astype("float32")

    row = dict(zip(COLUMNS, moments(values), strict=True))

    # The mean is rounded to float32 at 1000, so the variance shifts by at most (ulp / 2)**2.
    expected = values.astype("float64").var()
    assert row["squares"] / row["count"] == pytest.approx(expected, rel=1e-4)


def test_moments_leave_out_what_is_not_finite():
    values = np.array([[1.0, np.nan], [3.0, np.inf]], "float32")

    np.testing.assert_allclose(moments(values), [2, 2, 2, 0, 0, 2])


def test_unit_is_dead_when_it_is_zero_on_the_whole_batch():
    values = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]], "float32")

    row = dict(zip(COLUMNS, moments(values), strict=True))

    assert row["dead"] == 0.5
    assert row["zeros"] == 6


def test_half_precision_is_measured_in_float32():
    values = keras.ops.cast(keras.ops.full((512, 64), 300.0), "float16")

    row = keras.ops.convert_to_numpy(moments_of(values))

    np.testing.assert_array_equal(row[:3], [512 * 64, 300, 0])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 2**31))
def test_merging_replicas_equals_measuring_at_once(sizes, seed):
    parts = [np.random.default_rng(seed + k).normal(k, 1 + k, (n, 3)) for k, n in enumerate(sizes)]

    count, mean, variance, *_ = merged([[moments(part)] for part in parts])[0]

    whole = np.concatenate(parts)
    assert count == whole.size
    # Backends without 64-bit floats measure the parts in float32.
    assert mean == pytest.approx(whole.mean(), rel=1e-5, abs=1e-5)
    assert variance == pytest.approx(whole.var(), rel=1e-5)


def test_merging_without_any_finite_element_gives_nan():
    assert np.isnan(merged([np.array([[0, 0, 0, 0, 0, 5.0]])])[0, 2])


@pytest.mark.parametrize(
    ("shape", "bound", "expected"),
    [
        ((1024, 256), 65_536, (256, 256)),
        ((16, 256), 65_536, (16, 256)),
        ((1024, 256), None, (1024, 256)),
        ((32, 64, 64, 16), 65_536, (8, 22, 22, 16)),
        ((4, 10), 1, (4, 10)),
    ],
)
def test_sample_keeps_whole_examples_and_every_unit(shape, bound, expected):
    assert tuple(sample_of(keras.ops.zeros(shape), bound).shape) == expected
