"""Names that doctests may use without importing them."""

import pytest


@pytest.fixture(autouse=True)
def _names_in_doctests(request, doctest_namespace):
    # Imported here: tests of rooms that know no Keras must not get it from this file.
    if isinstance(request.node, pytest.DoctestItem):
        import keras
        import numpy as np

        doctest_namespace.update(keras=keras, np=np)
