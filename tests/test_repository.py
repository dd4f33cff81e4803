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


def promises(text):
    """Each promise and the test that its row names, `None` for a row without."""
    table = text.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    named = re.compile(r"\| (.*) \| `(tests/[\w/]+\.py)::(test_\w+)` \|")
    return {row: match and match.groups()[1:] for row in rows for match in [named.fullmatch(row)]}


def test_every_promise_of_safety_has_a_test():
    found = promises((ROOT / "SECURITY.md").read_text())

    assert len(found) > 10
    for row, test in found.items():
        assert test is not None, row
        assert f"\ndef {test[1]}(" in ROOT.joinpath(test[0]).read_text(), row


def test_promise_without_a_test_is_seen():
    text = "## What is promised\n| promise | test |\n|---|---|\n| Nothing breaks. | none |\n"

    assert promises(text) == {"| Nothing breaks. | none |": None}


def test_workflow_runs_every_step():
    steps = found(r"^steps=\((.*)\)$", ".ci", "run").split()

    assert found(r"^ +step: \[(.*)\]$", ".github", "workflows", "ci.yml").split(", ") == steps


@pytest.mark.parametrize(
    "command",
    [
        'pip install -e ".[tensorflow]" && python examples/wide_and_deep.py',
        'pip install -e ".[test]" && pytest',
    ],
)
def test_readme_has_the_two_commands_word_for_word(command):
    assert f"\n{command}\n" in (ROOT / "README.md").read_text()
