"""What schemes share in their docstrings is written once and shown everywhere."""

import inspect
import re

import pytest
from grids import over

from keras_initlab import _names
from keras_initlab._docstrings import completed
from keras_initlab.initializers.catalogue import CATALOGUE, arguments_of

pytestmark = pytest.mark.once

OWN = """Some weights.

Args:
    gain: Ours.
        In two lines.
    seed: Ours too.

Shape:
    Any.

Raises:
    ValueError: Always.

Source:
    Definition.
"""


def entries(docstring, section):
    text = docstring.partition(f"\n{section}:\n")[2].partition("\n\n")[0]
    return re.findall(r"^    (\w+): ", text, re.MULTILINE)


@over(name=CATALOGUE)
def test_every_argument_is_documented_in_the_order_of_the_signature(name):
    docstring = inspect.getdoc(CATALOGUE[name])

    assert entries(docstring, "Args") == arguments_of(CATALOGUE[name])
    assert arguments_of(CATALOGUE[name]) or "\nArgs:\n    None.\n" in docstring


def test_argument_that_nothing_documents_stays_out():
    assert entries(completed(OWN, ["gain", "seed", "wavelength"]), "Args") == ["gain", "seed"]


def test_shared_entries_come_between_those_of_the_scheme():
    docstring = completed(OWN, ["gain", "kind", "seed"])

    assert entries(docstring, "Args") == ["gain", "kind", "seed"]
    assert entries(docstring, "Raises") == ["TypeError", "ValueError"]


def test_entries_of_the_scheme_stay_as_they_are():
    docstring = completed(OWN, ["gain", "seed"])

    assert "    gain: Ours.\n        In two lines.\n    seed: Ours too.\n" in docstring
    assert "    ValueError: Always.\n" in docstring


def test_whole_docstring_is_not_changed_again():
    docstring = completed(OWN, ["gain", "kind", "seed"])

    assert completed(docstring, ["gain", "kind", "seed"]) == docstring


def test_scheme_without_arguments_raises_no_type_error():
    docstring = completed("Zeros.\n\nShape:\n    Any.", [])

    assert "\nArgs:\n    None.\n" in docstring
    assert entries(docstring, "Raises") == ["ValueError"]


@pytest.mark.parametrize("docstring", ["", "One line.", "Text.\n\nParameters\n----------\nseed"])
def test_docstring_of_another_form_is_left_alone(docstring):
    assert completed(docstring, ["seed"]) == docstring


def test_command_line_shows_the_docstrings_of_the_classes():
    shown = {name: text for family in _names.families().values() for name, text in family.items()}

    assert shown == {name: inspect.getdoc(cls) for name, cls in CATALOGUE.items()}
