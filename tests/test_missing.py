"""A backend that is not installed is told with the way out."""

import os
import subprocess
import sys

import pytest

from keras_initlab import _missing


@pytest.mark.parametrize(
    "code", ["import keras_initlab; keras_initlab.HeNormal", "from keras_initlab import *"]
)
def test_missing_backend_is_told_with_what_to_install(code):
    hidden = "import sys; sys.modules.update(tensorflow=None, jax=None, torch=None)"

    ran = subprocess.run(
        [sys.executable, "-c", f"{hidden}; {code}"],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 1
    assert 'Try `pip install "keras_initlab[jax]"`.' in ran.stderr


def test_missing_backend_is_told_with_one_that_is_there(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "torch" or None)

    told = _missing.explained(ModuleNotFoundError("no", name="tensorflow"))
    other = ModuleNotFoundError("no", name="pandas")

    assert str(told).endswith("or set KERAS_BACKEND=torch.")
    assert _missing.explained(other) is other
