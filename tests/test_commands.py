"""The commands about schemes and whole models, run as users run them."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_initlab import _commands, list_schemes
from keras_initlab.__main__ import main

pytestmark = pytest.mark.once

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")


def ran(*words, **options):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "keras_initlab", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def saved(tmp_path):
    layer = keras.layers.Dense(8, "relu", kernel_initializer="zeros", name="a")
    model = keras.Sequential([keras.Input((4,), name="x"), layer, keras.layers.Dense(1, name="b")])
    model.compile("adam", "mse")
    path = tmp_path / "model.keras"
    model.save(path)
    return str(path)


@pytest.fixture
def batch(tmp_path):
    path = tmp_path / "batch.npz"
    np.savez(path, x=X, y=X[:, :1])
    return str(path)


# --- schemes -----------------------------------------------------------------------------------


def test_list_names_every_scheme_once(capsys):
    assert main(["list"]) == 0

    words = capsys.readouterr().out.split("\n")
    names = [line.split()[0] for line in words if line.startswith(" ")]
    assert sorted(names) == sorted(list_schemes())


def test_list_and_show_import_nothing_heavy():
    code = (
        "import sys; from keras_initlab.__main__ import main; main(['list']); "
        "main(['show', 'HeNormal']); print(*[n in sys.modules for n in "
        "('keras', 'tensorflow', 'jax', 'torch', 'numpy', 'tensorboard')])"
    )

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(out.stdout.split("\n")[-2].split()) == {"False"}


def test_show_prints_source_and_example(capsys):
    assert main(["show", "HeNormal"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("keras_initlab.HeNormal")
    assert "He et al. 2015" in out
    assert "Example:" in out


def test_mistyped_scheme_is_told_what_is_near(capsys):
    assert main(["show", "HeNorm"]) == 2
    assert "Did you mean HeNormal" in capsys.readouterr().err


# --- diagnose ----------------------------------------------------------------------------------


def test_diagnose_prints_the_table_and_ends_with_1(saved, batch, capsys):
    assert main(["diagnose", saved, "--data", batch]) == 1

    out = capsys.readouterr().out
    assert "equal-units" in out
    assert "\x1b" not in out
    assert "no labels" not in out


def test_diagnose_of_a_healthy_model_ends_with_0(tmp_path, capsys):
    layers = [keras.layers.Dense(64, "relu", kernel_initializer="he_normal") for _ in range(2)]
    path = tmp_path / "well.keras"
    keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)]).save(path)

    assert main(["diagnose", str(path)]) == 0
    assert "The signal is healthy." in capsys.readouterr().out


def test_diagnose_as_json_is_data(saved, capsys):
    main(["diagnose", saved, "--format", "json", "--ignore", "equal-units"])

    data = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in data["layers"]] == ["a", "b"]
    assert all(finding["rule"] != "equal-units" for finding in data["findings"])


def test_diagnose_writes_a_file(saved, tmp_path, capsys):
    path = tmp_path / "report.html"

    main(["diagnose", saved, "-o", str(path)])

    assert path.read_text().startswith("<pre")
    assert capsys.readouterr().out == ""


def test_arrays_are_matched_by_the_names_of_the_inputs(tmp_path, capsys):
    one, two = keras.Input((2,), name="one"), keras.Input((3,), name="two")
    outputs = keras.layers.Dense(1)(keras.layers.Concatenate()([one, two]))
    path, arrays, wrong = (str(tmp_path / name) for name in ("m.keras", "x.npz", "w.npz"))
    keras.Model([one, two], outputs).save(path)
    np.savez(arrays, two=X[:, :3], one=X[:, :2])
    np.savez(wrong, two=X[:, :3], three=X[:, :2])

    assert main(["diagnose", path, "--data", arrays]) == 0
    assert main(["diagnose", path, "--data", wrong]) == 2
    assert "without ['one']" in capsys.readouterr().err


def test_file_that_holds_no_arrays_is_refused(saved, tmp_path, capsys):
    path = tmp_path / "text.npz"
    path.write_text("not arrays")

    assert main(["diagnose", saved, "--data", str(path)]) == 2
    assert "cannot be read as an .npz file" in capsys.readouterr().err


# --- initialize --------------------------------------------------------------------------------


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04 and no more"], ids=["empty", "truncated"])
def test_broken_arrays_are_refused_in_one_line(saved, tmp_path, capsys, contents):
    path = tmp_path / "x.npz"
    path.write_bytes(contents)

    assert main(["diagnose", saved, "--data", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be read as an .npz file" in line


def test_single_array_may_be_an_npy_file(saved, tmp_path):
    np.save(tmp_path / "x.npy", X)

    assert main(["diagnose", saved, "--data", str(tmp_path / "x.npy")]) == 1


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX reads the end of the table")
def test_error_of_a_backend_is_one_line_without_colours(tmp_path, capsys):
    table = keras.layers.Embedding(10, 4, name="table")
    model = keras.Sequential([keras.Input((3,), dtype="int32"), table, keras.layers.Flatten()])
    model.save(tmp_path / "table.keras")
    np.savez(tmp_path / "ids.npz", x=np.full((8, 3), 99, "int32"))

    words = ["diagnose", str(tmp_path / "table.keras"), "--data", str(tmp_path / "ids.npz")]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_initialize_writes_another_file_that_is_compiled(saved, batch, tmp_path, capsys):
    fresh = str(tmp_path / "fresh.keras")

    assert main(["initialize", saved, "-o", fresh, "--seed", "1", "--data", batch]) == 0

    model = keras.saving.load_model(fresh)
    assert np.array(model.get_layer("a").kernel).any()
    assert model.loss == "mse"
    assert not np.array(keras.saving.load_model(saved).get_layer("a").kernel).any()
    assert "drawn anew: 3 variables" in capsys.readouterr().out


def test_initialize_replaces_a_file_only_if_forced(saved, tmp_path, capsys):
    assert main(["initialize", saved, "-o", saved]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["initialize", saved, "-o", saved, "--force", "--skip", "b"]) == 0


def test_unknown_scheme_is_refused(saved, tmp_path, capsys):
    out = str(tmp_path / "out.keras")

    assert main(["initialize", saved, "--scheme", "henormel", "-o", out]) == 2
    assert not os.path.exists(out)


# --- compare -----------------------------------------------------------------------------------

SCRIPT = """
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
data = (x, x[:, :1])
epochs = 1


def build_model():
    layers = [keras.Input((4,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse", run_eagerly=True)
    return model
"""


def test_compare_trains_what_a_script_defines(tmp_path, capsys):
    script, directory = tmp_path / "a_script.py", tmp_path / "runs"
    script.write_text(SCRIPT)

    words = ["compare", str(script), "--seeds", "1", "--schemes", "auto", "zeros"]
    assert main([*words, "--directory", str(directory)]) == 0

    out = capsys.readouterr().out
    assert "auto" in out
    assert "zeros" in out
    assert directory.is_dir()


def test_runs_that_fail_end_with_1(tmp_path, capsys):
    script = tmp_path / "failing_script.py"
    script.write_text(SCRIPT.replace('"mse"', "lambda y, z: 1 / 0"))

    words = ["compare", str(script), "--seeds", "1", "--schemes", "auto"]
    assert main([*words, "--directory", str(tmp_path / "runs")]) == 1
    assert "1 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "said"),
    [("x = 1\ny = x / 0\n", "line 2 fails: ZeroDivisionError"), ("x = (\n", "fails: SyntaxError")],
)
def test_script_that_fails_is_refused_with_its_line(tmp_path, capsys, code, said):
    script = tmp_path / "broken_script.py"
    script.write_text(code)

    assert main(["compare", str(script)]) == 2
    assert said in capsys.readouterr().err


def test_words_outweigh_the_script_even_if_they_are_zero(tmp_path, monkeypatch):
    script, seen = tmp_path / "target_script.py", {}
    script.write_text(SCRIPT + "target = 5.0\n")
    monkeypatch.setattr("keras_initlab.model.compare", lambda *_, **options: seen.update(options))
    monkeypatch.setattr(_commands, "_print", lambda *_: sys.exit(0))

    with pytest.raises(SystemExit):
        main(["compare", str(script), "--target", "0"])

    assert seen["target"] == 0


def test_script_without_a_model_is_refused(tmp_path, capsys):
    script = tmp_path / "empty_script.py"
    script.write_text("data = None\n")

    assert main(["compare", str(script)]) == 2
    assert "without build_model" in capsys.readouterr().err


# --- help -------------------------------------------------------------------------------------


def test_every_command_has_help_with_an_example(capsys):
    names = ("list", "show", "gain", "lint", "diagnose", "initialize", "compare", "report")
    for name in names:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])

        assert end.value.code == 0
        assert f"keras-initlab {name}" in capsys.readouterr().out.split("example:")[1]


def test_pipe_that_is_closed_early_is_no_error():
    command = f"{sys.executable} -m keras_initlab list | head -1"

    out = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True
    )

    assert out.stderr == ""


def test_command_is_quiet(saved):
    out = ran("diagnose", saved)

    assert out.returncode == 1
    assert out.stderr == ""
