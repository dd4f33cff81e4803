"""Moments that tell the uniform law on rotations from its near kin, also across blocks."""

import math

import numpy as np
import pytest

from keras_initlab.sampling import Stream, haar
from keras_initlab.sampling import orthogonal as module

pytestmark = pytest.mark.once


def matrices(rows, columns, count):
    return np.array(
        [haar(rows, columns, Stream(seed, "tests", (rows, columns))) for seed in range(count)]
    ).astype("float64")


def assert_mean(values, expected):
    error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - expected) < 5 * error


def assert_direction_is_uniform(vectors):
    """Fourth moments of a uniform unit vector of n entries: 3 / (n (n + 2)), mixed a third."""
    size = vectors.shape[1]
    moment = 3 / (size * (size + 2))
    assert_mean((vectors**4).mean(axis=1), moment)
    assert_mean(vectors[:, 0] ** 2 * vectors[:, 1] ** 2, moment / 3)
    assert_mean(vectors[:, 0] * vectors[:, 1], 0)


@pytest.mark.parametrize("column", [0, 1, 4])
def test_each_column_has_a_uniform_direction(column):
    assert_direction_is_uniform(matrices(10, 5, 1500)[:, :, column])


def test_each_row_has_a_uniform_direction():
    assert_direction_is_uniform(matrices(10, 10, 1500)[:, 9])


def test_directions_from_a_cube_are_refused():
    draws = np.random.default_rng(0).uniform(-1, 1, (1500, 10))
    vectors = draws / np.linalg.norm(draws, axis=1, keepdims=True)

    with pytest.raises(AssertionError):
        assert_direction_is_uniform(vectors)


@pytest.mark.parametrize(("rows", "columns", "block"), [(6, 6, 1), (6, 6, 2), (7, 5, 2)])
def test_blocks_do_not_change_the_law(monkeypatch, rows, columns, block):
    monkeypatch.setattr(module, "_BLOCK", block)

    draws = matrices(rows, columns, 1500)

    assert np.abs(draws.transpose(0, 2, 1) @ draws - np.eye(columns)).max() < 1e-5
    for column in range(columns):
        assert_direction_is_uniform(draws[:, :, column])
    if rows == columns:
        # Diaconis and Shahshahani 1994: tr Q is like N(0, 1), and tr Q^2 like N(1, 2).
        traces = np.trace(draws, axis1=1, axis2=2)
        squares = np.trace(draws @ draws, axis1=1, axis2=2)
        for values, moment in [(traces, 0), (traces**2, 1), (traces**4, 3), (squares, 1)]:
            assert_mean(values, moment)
        assert_mean((squares - 1) ** 2, 2)


def test_many_blocks_and_rows_are_orthonormal():
    q = haar(700, 300, Stream(0, "tests", (700, 300))).astype("float64")

    assert np.abs(q.T @ q - np.eye(300)).max() < 1e-5


def test_blocks_do_not_share_their_random_numbers(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 1)
    parts = []
    plain = module.drawn
    monkeypatch.setattr(
        module,
        "drawn",
        lambda shape, stream, *rest: parts.append(stream) or plain(shape, stream, *rest),
    )

    haar(6, 6, Stream(0, "tests", (6, 6)))

    assert len({part.key for part in parts}) == len(parts) == 6
