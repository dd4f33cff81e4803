"""A test over many rows fails when one of them does, and names them all."""

import numpy as np
import pytest
from grids import over


def faults_of(test):
    with pytest.raises(pytest.fail.Exception) as caught:
        test()
    return str(caught.value).split("\n")


def test_every_row_that_fails_is_named_with_its_numbers():
    @over([("one", 3), ("two", 4)], more=[0, 1])
    def check(more, name, number):
        assert len(name) + more == number

    line = check.__wrapped__.__code__.co_firstlineno + 2
    assert faults_of(check) == [
        "2 of 4 rows fail:",
        f"more=1, name=one, number=3: assert (3 + 1) == 3 + where 3 = len('one') (line {line})",
        f"more=0, name=two, number=4: assert (3 + 0) == 4 + where 3 = len('two') (line {line})",
    ]


def test_row_that_raises_does_not_hide_the_next():
    def raises_nothing():
        with pytest.raises(ValueError):
            pass

    @over(call=[lambda: {}[3], np.zeros, raises_nothing])
    def check(call):
        call()

    heading, *faults = faults_of(check)

    assert heading == "3 of 3 rows fail:"
    assert faults[0].startswith("call=<lambda>: KeyError: 3 (line ")
    assert faults[1].startswith("call=zeros: TypeError: zeros() missing")
    assert faults[2].startswith("call=raises_nothing: Failed: DID NOT RAISE")


def test_table_without_rows_fails():
    @over(name=[])
    def check(name):
        pass

    with pytest.raises(AssertionError, match="no row"):
        check()


@pytest.mark.parametrize(
    ("rows", "grid"),
    [([(1, 2)], {}), ([(1,)], {"label": [2]}), ([(1,)], {"name": [2], "more": [3]})],
)
def test_row_of_other_columns_than_the_parameters_is_refused(rows, grid):
    @over(rows, **grid)
    def check(name):
        pass

    with pytest.raises((TypeError, ValueError)):
        check()


def test_seed_is_set_anew_before_every_row(monkeypatch):
    events = []
    monkeypatch.setattr("grids.reseed", lambda: events.append("seed"))

    @over(row=iter([1, 2]))
    def check(row):
        events.append(row)

    check()

    assert events == ["seed", 1, "seed", 2]


@over(number=[1, 2])
def test_test_over_rows_asks_for_no_fixtures(number):
    assert number in (1, 2)
