"""Healthy models are called healthy, and what is wrong with the others is named."""

from types import SimpleNamespace

import pytest
from field.causes import names_cause, names_place, text_of
from field.expected import ACCUSED, UNNAMED
from field.register import BACKEND, Entry, entries, every_case
from field.running import plain, said_about, watched


@every_case(lambda entry: entry.kind != "fault")
def test_healthy_models_learn(name):
    first, *_, last = plain(name).history["loss"]

    assert last < first


@every_case(lambda entry: entry.kind != "fault", wrong=ACCUSED[BACKEND])
def test_healthy_models_are_called_healthy(name):
    allowed = entries()[name].allowed

    wrong = [text_of(each) for each in said_about(name) if each.rule not in allowed]

    assert not wrong
    assert watched(name).report.healthy or allowed


@every_case(lambda entry: entry.kind == "fault", wrong=UNNAMED[BACKEND])
def test_faults_are_named(name):
    entry = entries()[name]

    named = [each for each in said_about(name) if names_cause(entry, each)]

    assert named
    assert any(names_place(entry, each) for each in named)


FAULT = Entry("fault", build=None, cause="rate-high", where=("first",))


@pytest.mark.field
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


@pytest.mark.field
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
