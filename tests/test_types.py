"""What a type checker tells the users of the package."""

import re

import pytest

import keras_initlab
from keras_initlab._schemes import ALIASES

api = pytest.importorskip("mypy.api", reason="mypy is no part of the tests' own requirements")

pytestmark = pytest.mark.once


def told(tmp_path, monkeypatch, *lines):
    """What mypy says of a user's file, as `(line, message)`."""
    path = tmp_path / "user.py"
    path.write_text("\n".join(["import keras_initlab", *lines]) + "\n")
    monkeypatch.setenv("MYPYPATH", str(keras_initlab.__path__[0]).rpartition("/")[0])
    out, err, _ = api.run(
        [str(path), "--strict", "--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}"]
    )
    assert not err
    found = re.findall(r"user\.py:(\d+): (?:error|note): (.*)", out)
    return [(int(line) - 2, message) for line, message in found]


def test_wrong_names_are_errors_and_classes_are_classes(tmp_path, monkeypatch):
    said = told(
        tmp_path,
        monkeypatch,
        "keras_initlab.HeNormal(sed=1)",
        "keras_initlab.HeNormall",
        "reveal_type(keras_initlab.HeNormal(seed=1))",
        'keras_initlab.ActivationVarianceLogger("logs", update_frequency=3)',
    )

    text = {line: [each for at, each in said if at == line] for line in range(4)}
    assert any('"sed" for "HeNormal"' in each for each in text[0])
    assert any('no attribute "HeNormall"' in each for each in text[1])
    assert any("rectifier.HeNormal" in each for each in text[2])
    assert any('"update_frequency"' in each for each in text[3])


def test_every_public_name_is_known(tmp_path, monkeypatch):
    names = [*keras_initlab.__all__, *ALIASES]

    said = told(tmp_path, monkeypatch, *(f"print(keras_initlab.{name})" for name in names))

    assert said == []
