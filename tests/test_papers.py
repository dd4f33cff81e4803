"""The claims of the papers: the page is what the trials say, and a run that was stopped goes on."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "papers"

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not FOLDER.exists(), reason="tests run beside an installed wheel"),
]


@pytest.fixture(autouse=True, scope="module")
def _on_the_path():
    kept = list(sys.path)
    sys.path[:0] = [str(FOLDER), str(ROOT / "examples")]
    yield
    sys.path[:] = kept


@pytest.fixture(scope="module")
def claim(_on_the_path):
    return importlib.import_module("claim")


@pytest.fixture(scope="module")
def claims(_on_the_path):
    return importlib.import_module("claims").CLAIMS


def refuse(name):
    raise AssertionError(f"the page lacks the trial {name}")


def test_page_is_what_the_kept_trials_say(claim, claims):
    show = importlib.import_module("show")
    trials = claim.Trials(ROOT / "docs" / "measured" / "papers.json", fast=False, told=refuse)

    found = [(each, each.experiment(trials.named(each.key))) for each in claims]

    page = (ROOT / "docs" / "papers.md").read_text()
    assert page.split(show.BEGIN)[1].split(show.END)[0] == show.filling(found)
    assert [each.verdict(finding) for each, finding in found] == [each.expected for each in claims]


def test_every_figure_of_the_page_is_there():
    page = (ROOT / "docs" / "papers.md").read_text()
    figures = {path.name for path in (ROOT / "docs" / "images" / "papers").iterdir()}

    assert figures
    assert all(f"images/papers/{name}" in page for name in figures)


def test_keys_are_different(claims):
    keys = [each.key for each in claims]

    assert len(keys) == len(set(keys))


def test_trial_that_is_kept_is_not_repeated(claim, tmp_path):
    calls, path = [], tmp_path / "trials.json"

    def trial(number):
        calls.append(number)
        return {"half": number / 2}

    for _ in range(2):
        trials = claim.Trials(path, fast=True, told=lambda name: None)
        found = [trials.named("key").of(trial, number) for number in (1, 2)]

    assert found == [{"half": 0.5}, {"half": 1.0}]
    assert calls == [1, 2]
    assert len(json.loads(path.read_text())) == 2


def test_trial_of_what_is_not_installed_is_made_again(claim, tmp_path):
    answers = [None, 1.0]

    def trial():
        return answers.pop(0)

    trials = claim.Trials(tmp_path / "trials.json", fast=True, told=lambda name: None)

    assert [trials.of(trial) for _ in range(3)] == [None, 1.0, 1.0]


def test_trials_before_one_that_fails_are_kept(claim, tmp_path):
    def trial(number):
        return 1 / number

    trials = claim.Trials(tmp_path / "trials.json", fast=True, told=lambda name: None)
    trials.of(trial, 1)
    with pytest.raises(ZeroDivisionError):
        trials.of(trial, 0)

    assert list(json.loads((tmp_path / "trials.json").read_text()).values()) == [1.0]


@pytest.mark.parametrize("holds", [True, False])
def test_verdict_is_that_of_the_finding(claim, holds):
    made = claim.claim("key", says="", source="", published="")(None)

    verdict = made.verdict(claim.Finding("", holds))

    assert (verdict == made.expected) is holds


@pytest.mark.slow
def test_run_that_goes_on_prints_the_same_table(tmp_path):
    command = [sys.executable, FOLDER, "--fast", "--only", "logistic-from-zero", "xavier-relu"]
    runs = [
        subprocess.run(
            [*command, "--out", tmp_path], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        for _ in range(2)
    ]

    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    tables = [run.stdout[run.stdout.index("┏") :] for run in runs]
    assert tables[0] == tables[1]
    assert "logistic-from-zero" not in runs[1].stdout
