"""Rows of arrays move by token, whatever the vocabularies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_initlab import move_rows
from keras_initlab.tables.tokens import NEW, sources_of

pytestmark = pytest.mark.once

TOKENS = st.lists(st.text("abc", max_size=2), max_size=12, unique=True)


@settings(deadline=None, max_examples=100)
@given(TOKENS, TOKENS)
def test_rows_are_found_by_token(old, new):
    values = np.arange(len(old) * 3.0).reshape(-1, 3)

    moved = move_rows(values, old, new, scheme="zeros")

    expected = [values[old.index(token)] if token in old else np.zeros(3) for token in new]
    np.testing.assert_array_equal(moved, np.reshape(expected, (-1, 3)))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from("abc?"), max_size=10), st.randoms())
def test_repeated_tokens_keep_their_order(old, random):
    new = list(old)
    random.shuffle(new)

    found = sources_of(old, new, "users")

    assert sorted(found) == list(range(len(old)))
    assert [old[row] for row in found] == new
    for token in set(old):
        rows = [row for row, held in zip(found, new, strict=True) if held == token]
        assert rows == sorted(rows)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 9), st.integers(0, 9))
def test_ranges_are_the_lists_they_stand_for(old, new):
    short = sources_of(range(old), range(new), "users")

    np.testing.assert_array_equal(short, sources_of([*range(old)], [*range(new)], "users"))


def test_rows_without_a_token_move_in_order():
    found = sources_of(["a", None, None], [None, "a", None, None], "users")

    assert found.tolist() == [1, 0, 2, NEW]


def test_new_rows_are_repeated_by_a_seed():
    twice = [move_rows(np.ones((1, 4)), ["a"], ["b", "a"], scheme="uniform", seed=3) for _ in "12"]

    np.testing.assert_array_equal(*twice)
    assert (twice[0][0] != 1).all()
    assert (twice[0][1] == 1).all()


@pytest.mark.parametrize(
    ("values", "old", "error", "text"),
    [
        (np.zeros(3), ["a"], ValueError, "two axes"),
        (np.zeros((1, 2)), ["a", "b"], ValueError, "2 tokens, a table of 1 rows"),
        (np.zeros((1, 2)), "a", TypeError, "sequence with the token of each row"),
        (np.zeros((1, 2)), [1], TypeError, "of one type"),
    ],
)
def test_arrays_and_tokens_that_do_not_fit_are_refused(values, old, error, text):
    with pytest.raises(error, match=text):
        move_rows(values, old, ["a"], scheme="zeros")
