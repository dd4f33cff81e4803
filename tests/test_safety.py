"""Files of others: their code does not run, nor that of the folder they came in."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from model_files import saved, with_end

from keras_initlab import _paths
from keras_initlab.__main__ import main

pytestmark = pytest.mark.once

# What Keras imports for objects of a model file, and what the commands import late.
PLANTED = ("keras_cv", "keras_hub", "keras_nlp", "rich", "pandas", "matplotlib", "own_backend")

COMMANDS = (["lint"], ["diagnose"], ["initialize", "--force", "-o", "out.keras"])

EVERY_COMMAND = """
import json, sys
from keras_initlab.__main__ import main
commands, models = json.loads(sys.argv[1]), sys.argv[2:]
print(json.dumps([[main([*words, path]) for path in models] for words in commands]))
"""


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A folder of models and of modules that leave a file behind when they run."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for name in PLANTED:
        (folder / f"{name}.py").write_text(f"open('ran_{name}', 'w').close()\n")
    # An installed plugin of a backend is imported with it.
    about = folder / "own_backend-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-backend\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[torch.backends]\nown = own_backend:load\n")
    saved(folder / "plain.keras")
    for module in PLANTED[:3]:
        source, path = folder / "plain.keras", folder / f"{module}.keras"
        with_end(source, path, module=module, registered_name="other>End")
    monkeypatch.chdir(folder)
    return folder


def ran_in(folder):
    return sorted(path.name for path in folder.glob("ran_*"))


@pytest.mark.parametrize("options", [["-P", "-c"], ["-c"]], ids=["command", "path begins here"])
def test_no_module_beside_a_model_runs(trap, options):
    models = sorted(path.name for path in trap.glob("*.keras"))

    told = subprocess.run(
        [sys.executable, *options, EVERY_COMMAND, json.dumps(COMMANDS), *models],
        capture_output=True,
        text=True,
        check=True,
    )

    # Each model but the plain one names a class that no installed module has.
    codes = [0 if name == "plain.keras" else 2 for name in models]
    assert json.loads(told.stdout.splitlines()[-1]) == [codes] * len(COMMANDS)
    assert ran_in(trap) == []


def test_no_module_beside_a_model_runs_in_a_module_that_is_run(trap):
    command = [sys.executable, "-m", "keras_initlab", "lint", "keras_cv.keras"]

    told = subprocess.run(command, capture_output=True, text=True, check=False)

    assert told.returncode == 2
    assert "keras_cv" in told.stderr
    assert ran_in(trap) == []


def test_planted_module_would_run_if_it_were_found(trap):
    code = "import sys, keras; sys.path.append('.'); keras.saving.load_model('keras_cv.keras')"

    subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=False)

    assert ran_in(trap) == ["ran_keras_cv"]


def test_named_module_is_found_and_its_folder_then_forgotten(trap):
    (trap / "beside.py").write_text("open('ran_beside', 'w').close()\n")
    before = list(sys.path)

    assert main(["lint", "keras_hub.keras", "--import", "beside"]) == 2

    assert ran_in(trap) == ["ran_beside"]
    assert sys.path == before


@pytest.mark.parametrize("entry", ["", ".", os.curdir + os.sep, None])
def test_no_way_to_write_the_current_directory_stays_on_the_path(tmp_path, monkeypatch, entry):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path) if entry is None else entry)
    before = list(sys.path)

    with _paths.elsewhere():
        inside = list(sys.path)
        with _paths.here():
            assert sys.path == [*inside, os.getcwd()]
        assert sys.path == inside

    assert inside == before[1:]
    assert sys.path == before


def test_folder_that_the_package_runs_from_stays_on_the_path(monkeypatch):
    monkeypatch.chdir(_paths._HOME)
    monkeypatch.syspath_prepend(_paths._HOME)

    with _paths.elsewhere():
        assert _paths._HOME in sys.path


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_code_in_a_model_file_does_not_run(tmp_path, monkeypatch, capsys, ending):
    monkeypatch.chdir(tmp_path)
    layer = keras.layers.Lambda(lambda x: x + len(os.makedirs("ran_lambda", exist_ok=True) or ()))
    path = saved(tmp_path / f"risky.{ending}", layer)
    os.rmdir("ran_lambda")

    for words in COMMANDS:
        assert main([*words, path]) == 2
        assert "Try --unsafe" in capsys.readouterr().err
    assert ran_in(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("TFSMLayer", {"filepath": "folder", "call_endpoint": "serve"}),
        ("TorchModuleWrapper", {"module": {"class_name": "__bytes__", "config": {"value": "x"}}}),
    ],
)
def test_layer_that_loads_other_files_is_refused(tmp_path, capsys, kind, config):
    entry = {"module": "keras.layers", "class_name": kind, "registered_name": None}
    source = saved(tmp_path / "plain.keras")
    path = with_end(source, tmp_path / "risky.keras", **entry, config=config)

    assert main(["lint", path]) == 2
    absent = kind.startswith("Torch") and importlib.util.find_spec("torch") is None
    expected = "No module named 'torch'" if absent else "Try --unsafe"
    assert expected in capsys.readouterr().err


class Trap:
    def __reduce__(self):
        return open, ("ran_pickle", "w")


def test_objects_in_an_array_file_do_not_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "model.keras")
    np.savez("batch.npz", x=np.array([Trap()], object))
    np.save("batch.npy", np.array([Trap()], object), allow_pickle=True)

    for data in ("batch.npz", "batch.npy"):
        assert main(["diagnose", path, "--data", data]) == 2
        assert "cannot be read as an .npz file" in capsys.readouterr().err
    assert ran_in(tmp_path) == []
