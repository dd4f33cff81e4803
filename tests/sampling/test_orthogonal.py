import math

import numpy as np
import pytest

from keras_initlab.sampling import Stream, haar

pytestmark = pytest.mark.once


def matrix(rows, columns, seed=0, kind=np.float32):
    return haar(rows, columns, Stream(seed, "tests", (rows, columns)), kind)


def worst_overlap(q):
    gram = (q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T).astype("float64")
    return np.abs(gram - np.eye(len(gram))).max()


SHAPES = [(1, 1), (1, 3), (2, 1), (5, 3), (3, 5), (64, 64), (65, 65), (200, 130), (130, 200)]


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_rows_or_columns_are_orthonormal(rows, columns):
    # The target of the design for float32; float64 is 2**29 times finer.
    assert worst_overlap(matrix(rows, columns)) < 1e-5
    assert worst_overlap(matrix(rows, columns, kind=np.float64)) < 1e-13


def test_large_matrix_is_orthonormal():
    assert worst_overlap(matrix(1024, 1024)) < 1e-5


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 3), (3, 0)])
def test_empty_matrix_is_allowed(rows, columns):
    assert matrix(rows, columns).shape == (rows, columns)


def assert_mean(values, expected):
    error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - expected) < 5 * error


@pytest.mark.parametrize("size", [4, 70])
def test_traces_have_the_moments_of_haar(size):
    # Diaconis and Shahshahani 1994: the trace has the moments 0, 1, 0, 3 of a Gaussian.
    traces = np.array([np.trace(matrix(size, size, seed)) for seed in range(1500)])

    for power, moment in [(1, 0), (2, 1), (3, 0), (4, 3)]:
        assert_mean(traces**power, moment)


def test_traces_of_a_bare_qr_are_refused():
    draws = np.random.default_rng(0).normal(size=(1500, 4, 4))
    traces = np.trace(np.linalg.qr(draws)[0], axis1=1, axis2=2)

    with pytest.raises(AssertionError):
        assert_mean(traces, 0)


def test_determinant_takes_both_signs():
    signs = np.array([np.linalg.det(matrix(3, 3, seed)) for seed in range(400)])

    assert_mean(signs, 0)
    single = np.array([matrix(1, 1, seed)[0, 0] for seed in range(400)])
    assert_mean(single, 0)


def test_every_entry_has_mean_square_one_over_the_size():
    squares = np.array([matrix(6, 3, seed) ** 2 for seed in range(1500)])

    for entry in squares.reshape(1500, -1).T:
        assert_mean(entry, 1 / 6)


def test_seed_decides():
    assert (matrix(8, 8, 1) == matrix(8, 8, 1)).all()
    assert (matrix(8, 8, 1) != matrix(8, 8, 2)).any()
