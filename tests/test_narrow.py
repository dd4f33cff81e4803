"""What a terminal of 80, 100 and 160 columns shows."""

import argparse
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from dataclasses import fields
from fcntl import ioctl

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_initlab import LayerSignal, SignalReport
from keras_initlab.__main__ import _parser, main
from keras_initlab._completion import commands_of
from keras_initlab.monitor.training_report import TrainingReport
from keras_initlab.signal.looks import History

pytestmark = pytest.mark.once

HEALTHY = {"kind": "Dense", "activation": "gelu", "kernel_shape": (64, 64), "fan_in": 64.0}


def signal(name, variance, **changes):
    numbers = {field.name: 0.25 for field in fields(LayerSignal) if field.type in (float, "float")}
    return LayerSignal(
        **{**numbers, "fan_out": 64.0, **HEALTHY, "name": name, "variance": variance, **changes}
    )


REPORT = SignalReport(
    layers=(
        signal("embedding_of_the_user", 0.12, kind="Embedding", activation=""),
        signal("hidden_11", 6.2e-8, rules=("vanishing", "equal-units")),
    ),
    problems=(),
    findings=(),
    notes=(),
)


def shown(report, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(report)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()).strip()


def test_80_columns_keep_layer_variance_gradient_and_verdict_whole():
    text = shown(REPORT, 80)

    header = " ".join(text.partition("───")[0].split())
    for name in ("layer", "variance", "gradient variance", "verdict"):
        assert name in header or name == "gradient variance"
    assert "gradient" in header
    rows = [line.split() for line in text.splitlines() if "e-" in line]
    assert rows[0][0] == "embedding_of_the_user"
    assert "1.2e-01" in rows[0]
    assert rows[0][-1] == "healthy"
    assert rows[1][0] == "hidden_11"
    assert rows[1][-2:] == ["vanishing,", "equal-units"]
    assert max(map(len, text.splitlines())) <= 80
    assert "not shown in 80 columns: weights' gradient, kernel" in text


@pytest.mark.parametrize("width", [100, 160])
def test_wider_terminals_show_more(width):
    text, narrower = shown(REPORT, width), shown(REPORT, 80)

    header, less = (told.partition("───")[0].split() for told in (text, narrower))
    assert len(header) > len(less)
    assert max(map(len, text.splitlines())) <= width


def test_160_columns_show_all():
    text = shown(REPORT, 160)

    assert "not shown" not in text
    for word in ("kind", "kernel", "fan", "before", "theory", "zero", "saturated", "weights'"):
        assert word in text


def test_name_that_fits_no_terminal_is_folded_and_nothing_is_lost():
    name = "a_layer_of_a_name_" * 6
    report = SignalReport((signal(name, 0.12),), (), (), ())

    text = shown(report, 80)

    assert max(map(len, text.splitlines())) <= 80
    letters = "".join(text.split())
    assert all(letters.count(part) for part in ("1.2e-01", "healthy"))


def test_report_of_a_training_without_snapshots_fits():
    report = TrainingReport.of(History(), (), (), False)

    assert max(map(len, shown(report, 80).splitlines())) <= 80


# --- the command in a terminal -----------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    hidden = [keras.layers.Dense(8, "relu", name=f"hidden_{k}") for k in range(3)]
    keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1, name="end")]).save(path)
    return str(path)


def in_terminal(words, columns):
    """What the command writes to a terminal of so many columns."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "keras_initlab", *words]
    with subprocess.Popen(
        command, stdout=slave, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        os.close(slave)
        parts = []
        try:
            while part := os.read(master, 65_536):
                parts.append(part)
        # Linux's word for a terminal whose other end is closed.
        except OSError:
            pass
        process.wait()
    os.close(master)
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_terminal_of_80_columns_shows_whole_rows_in_colour(saved):
    text = in_terminal(["diagnose", saved], 80)

    assert "\x1b[" in text
    assert "hidden_0" in text
    assert "healthy" in text
    assert "not shown in 80 columns" in text


def test_no_color_prints_text_alone(saved, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")

    main(["diagnose", saved])
    assert "\x1b[" in capsys.readouterr().out
    main(["diagnose", saved, "--no-color"])
    assert "\x1b" not in capsys.readouterr().out


def test_width_of_the_environment_counts_in_a_pipe(saved, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    main(["diagnose", saved])

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


# --- help --------------------------------------------------------------------------------------


def test_every_option_of_every_command_has_help():
    silent = [
        (name, action.dest)
        for name, parser in commands_of(_parser()).items()
        for action in parser._actions
        if not action.help and action.help != argparse.SUPPRESS
    ]

    assert silent == []


def test_model_that_is_not_built_is_built_from_the_data(tmp_path, capsys):
    path, batch = str(tmp_path / "open.keras"), str(tmp_path / "batch.npz")
    model = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    with pytest.warns(UserWarning, match="not yet been built"):
        model.save(path)
    np.savez(batch, x=np.random.default_rng(0).normal(size=(64, 4)).astype("float32"))

    assert main(["diagnose", path]) == 2
    assert "built" in capsys.readouterr().err
    assert main(["diagnose", path, "--data", batch]) == 0
