"""Files beside the package say the same as it."""

import re
from pathlib import Path

import pytest

from keras_initlab import __version__

ROOT = Path(__file__).parent.parent

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(
        not (ROOT / "CITATION.cff").exists(), reason="tests run beside an installed wheel"
    ),
]


def found(pattern, *path):
    return re.search(pattern, ROOT.joinpath(*path).read_text(), re.MULTILINE).group(1)


def test_citation_is_of_this_version():
    assert found(r"^version: (.*)$", "CITATION.cff") == __version__


def test_citation_names_the_licence_of_the_package():
    licence = found(r'^license = "(.*)"$', "pyproject.toml")

    assert found(r"^license: (.*)$", "CITATION.cff") == licence


def test_workflow_runs_every_step():
    steps = found(r"^steps=\((.*)\)$", ".ci", "run").split()

    assert found(r"^ +step: \[(.*)\]$", ".github", "workflows", "ci.yml").split(", ") == steps
