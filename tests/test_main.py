"""The command line, run as users run it."""

import json
import os
import subprocess
import sys

import keras
import pytest

from keras_initlab import __version__
from keras_initlab.__main__ import main
from keras_initlab.theory import gain_of

pytestmark = pytest.mark.once


def saved(path, *inside):
    model = keras.Sequential([keras.Input((4,)), *inside, keras.layers.Dense(1)])
    model.save(path)
    return str(path)


@pytest.fixture
def sick(tmp_path):
    layer = keras.layers.Dense(8, "relu", kernel_initializer="zeros", name="a")
    return saved(tmp_path / "sick.keras", layer)


@pytest.fixture
def risky(tmp_path):
    return saved(tmp_path / "risky.keras", keras.layers.Lambda(lambda x: x * 2))


def test_findings_are_printed_and_end_with_1(sick, capsys):
    assert main(["lint", sick]) == 1

    assert capsys.readouterr().out.startswith("equal-units, a: all weights are zero")


@pytest.mark.parametrize(
    ("layers", "said"),
    [(0, "no findings in 1 layer with weights"), (3, "no findings in 4 layers with weights")],
)
def test_healthy_model_is_said_to_be_and_ends_with_0(tmp_path, capsys, layers, said):
    inside = [keras.layers.Dense(8, "relu") for _ in range(layers)]
    path = saved(tmp_path / "well.keras", *inside, keras.layers.Dropout(0.1))

    assert main(["lint", path]) == 0
    assert capsys.readouterr().out == f"{said}\n"


def test_healthy_model_leaves_logs_and_data_empty(tmp_path, capsys):
    path = saved(tmp_path / "well.keras", keras.layers.Dense(8, "relu"))

    assert main(["lint", path, "--format", "github"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["lint", path, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])

    assert end.value.code == 0
    assert capsys.readouterr().out == f"keras-initlab {__version__}\n"


def test_rule_can_be_ignored(sick):
    assert main(["lint", "--ignore", "equal-units", "--ignore", "gain", sick]) == 0


def test_module_that_registers_layers_can_be_imported_first(tmp_path, monkeypatch):
    module = tmp_path / "own_layers.py"
    module.write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('own')\n"
        "class Double(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return 2 * x\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import own_layers

    path = saved(tmp_path / "own.keras", own_layers.Double(), keras.layers.Dense(4))
    code = f"from keras_initlab.__main__ import main; raise SystemExit(main({['lint', path]}"

    without = subprocess.run([sys.executable, "-c", f"{code}))"], check=False, cwd="/")
    assert without.returncode == 2
    assert main(["lint", path, "--import", "own_layers"]) == 0
    assert main(["lint", path, "--import", "no_such_module"]) == 2


def test_findings_as_json_are_data(sick, capsys):
    main(["lint", sick, "--format", "json"])

    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["rule"], finding["layer"]) == ("equal-units", "a")


def test_findings_for_github_name_the_file(sick, capsys):
    main(["lint", sick, "--format", "github"])

    start = f"::error file={sick},title=equal-units::equal-units, a: all weights are zero"
    assert capsys.readouterr().out.startswith(start)


def test_code_in_a_file_is_run_only_when_asked(risky, capsys):
    assert main(["lint", risky]) == 2
    assert "Try --unsafe, if you trust the file." in capsys.readouterr().err

    assert main(["lint", risky, "--unsafe"]) == 0


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("none.keras", None, "There is no model file"),
        ("text.keras", b"not a model", "cannot be loaded as a Keras model"),
    ],
)
def test_file_that_is_no_model_is_refused_with_its_name(tmp_path, capsys, name, contents, message):
    path = tmp_path / name
    if contents is not None:
        path.write_bytes(contents)

    assert main(["lint", str(path)]) == 2

    error = capsys.readouterr().err
    assert message in error
    assert name in error


def test_file_that_is_there_is_not_called_missing(tmp_path, capsys):
    path = tmp_path / "short.keras"
    path.write_bytes(b"PK\x03\x04 and no more")

    assert main(["lint", str(path)]) == 2
    assert "truncated, or not a model file" in capsys.readouterr().err


def test_truncated_file_is_refused(sick, capsys):
    with open(sick, "r+b") as file:
        file.truncate(os.path.getsize(sick) // 2)

    assert main(["lint", sick]) == 2
    assert "cannot be loaded" in capsys.readouterr().err


def test_gain_is_that_of_theory(capsys):
    assert main(["gain", "gelu"]) == 0

    assert float(capsys.readouterr().out) == pytest.approx(gain_of("gelu"), rel=1e-5)


def test_unknown_activation_ends_with_2(capsys):
    assert main(["gain", "nope"]) == 2
    assert "Received: activation='nope'" in capsys.readouterr().err


def test_process_prints_findings_and_nothing_else(sick):
    ran = subprocess.run(
        [sys.executable, "-m", "keras_initlab", "lint", sick],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert ran.stdout.startswith("equal-units, a: ")
    assert ran.stderr == ""


def test_gain_imports_neither_keras_nor_a_backend():
    code = "import sys; from keras_initlab.__main__ import main; main(['gain', 'relu'])\n"
    code += "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
