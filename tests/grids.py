"""One test for a promise over many rows: all rows run, and every row that fails is named."""

import functools
import inspect
import itertools
import sys

import pytest


def over(rows=((),), **grid):
    """Run a test for each tuple of a table, combined with each point of a grid of named values.

    Its other parameters, in their order, are the columns of the table.
    """
    rows, points = list(rows), list(itertools.product(*map(list, grid.values())))

    def over_rows(check):
        signature = inspect.signature(check)
        names = [*(name for name in signature.parameters if name not in grid), *grid]

        @functools.wraps(check)
        def test():
            pairs = list(itertools.product(rows, points))
            assert pairs, "There is no row to check."
            calls = [dict(zip(names, (*row, *point), strict=True)) for row, point in pairs]
            faults = [
                fault for call in calls if (fault := _fault_of(check, signature.bind(**call)))
            ]
            if faults:
                heading = f"{len(faults)} of {len(calls)} rows fail:"
                pytest.fail("\n".join([heading, *faults]), pytrace=False)

        # Pytest takes parameters for fixtures.
        test.__signature__ = inspect.Signature()
        return test

    return over_rows


def reseed():
    # Tests of rooms that know no Keras do not get it from here.
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


def _fault_of(check, row):
    """What is wrong with a row, in one line; `None` if nothing is."""
    # What a row draws does not hang on the rows before it.
    reseed()
    try:
        check(*row.args)
    except (Exception, pytest.fail.Exception) as error:
        label = ", ".join(f"{name}={_shown(value, 60)}" for name, value in row.arguments.items())
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        line = error.__traceback__.tb_next.tb_lineno
        return f"{label}: {kind}{_shown(error, 300)} (line {line})"
    return None


def _shown(value, length):
    text = " ".join(str(getattr(value, "__name__", value)).split())
    return text if len(text) <= length else f"{text[: length - 3]}..."
