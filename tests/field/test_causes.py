"""How an answer is told to be right."""

from types import SimpleNamespace

import pytest
from field.causes import names_cause, names_place
from field.register import Entry

FAULT = Entry("fault", "", build=None, cause="rate-high", where=("first",))


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (SimpleNamespace(cause="rate-high"), True),
        (SimpleNamespace(cause="rate-zero", text="lower the learning rate"), False),
        ("step 5, first: signal exploding; lower the learning rate.", True),
        ("step 5, first: the learning rate is not to blame; the weights are too large.", False),
    ],
)
def test_cause_is_found_by_attribute_or_in_one_clause(said, named):
    assert names_cause(FAULT, said) == named


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (SimpleNamespace(layers=("tower/first", "second")), True),
        (SimpleNamespace(layer="first"), True),
        (SimpleNamespace(layers=("first_norm",)), False),
        (SimpleNamespace(layers=(), text="lower it in first"), True),
    ],
)
def test_place_is_found_among_layers_or_in_the_text(said, named):
    assert names_place(FAULT, said) == named
