"""How the promises are held for the cases of a group."""

import pytest

pytest.register_assert_rewrite("field.promises")


def pytest_generate_tests(metafunc):
    """Run a promise for each case of the group that the module is named after."""
    cases_of = getattr(metafunc.function, "cases_of", None)
    if cases_of is not None:
        group = metafunc.module.__name__.rpartition("test_")[2]
        metafunc.parametrize("name", cases_of(group))
