"""Control characters of names come out as text, wherever names are printed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from model_files import rewritten, saved
from rich.console import Console
from signal_logs import layers_of, look_at, problem_at

import keras_initlab
from keras_initlab import ActivationVarianceLogger, SignalWarning, diagnose, lint
from keras_initlab.__main__ import main
from keras_initlab._words import printable
from keras_initlab.model import initialize
from keras_initlab.model.comparing.comparison import Comparison
from keras_initlab.model.comparing.record import Run
from keras_initlab.monitor.events import events_of, first_events_of
from keras_initlab.monitor.scalars import Shown
from keras_initlab.signal.printing import as_html, as_text

pytestmark = pytest.mark.once

# A new line, a colour, a control sequence of one character, an override and an isolate of
# direction, a line separator, a backspace and a carriage return.
OBEYED = "\n\x1b[31m\x9b2J\u202e\u2066\u2028\b\r"
NAME = f"a{OBEYED}::error::[red]forged[bold]"
SHOWN = r"a\n\x1b[31m\x9b2J\u202e\u2066\u2028\x08\r::error::[red]forged[bold]"

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def assert_is_text(told, times=1):
    """It shows the name as it is written, and nothing that is obeyed."""
    assert not CONTROL.search(told), told
    assert "\n::error::" not in told
    # A table folds long names.
    assert re.sub(r"\s", "", told).count(SHOWN) >= times, told


@pytest.fixture(scope="module")
def model():
    layer = keras.layers.Dense(8, "relu", kernel_initializer="zeros", name=NAME)
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1, name="end")])
    model.compile("sgd", "mse")
    return model


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "bidi\u202e\nmodel.keras"
    model.save(path)
    return str(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dense_1", "dense_1"),
        ("é 名前 ה\u200dא 👩\u200d🔬", "é 名前 ה\u200dא 👩\u200d🔬"),
        ("a\tb\nc\0", r"a\tb\nc\x00"),
        ("\x1b]8;;http://a\x07", r"\x1b]8;;http://a\x07"),
        (
            "\x85\xad\u200e\u2069\ufeff\udc80\U000e0041",
            r"\x85\xad\u200e\u2069\ufeff\udc80\U000e0041",
        ),
        ("C:\\new", "C:\\new"),
    ],
)
def test_printable_writes_what_would_be_obeyed(text, expected):
    assert printable(text) == expected
    assert printable(expected) == expected


def test_page_holds_the_same_characters_for_obeyed():
    script = Path(keras_initlab.__file__).parent.joinpath("board", "static", "drawing.js")
    (letters,) = re.findall(r"^  /(\[\\u0000.*\])/gu;$", script.read_text(), re.MULTILINE)
    of_the_page = re.compile(
        re.sub(r"\\u\{?([0-9a-f]+)\}?", lambda code: chr(int(code[1], 16)), letters)
    )

    for code in (*range(0x10000), *range(0xDFFFF, 0xE0100)):
        assert bool(of_the_page.match(chr(code))) == (printable(chr(code)) != chr(code)), hex(code)


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's own code")
def test_page_shows_names_as_text(tmp_path):
    script = Path(keras_initlab.__file__).parent.joinpath("board", "static", "drawing.js")
    shutil.copy(script, tmp_path / "drawing.mjs")
    shown = "console.log(JSON.stringify(drawing.shown(process.argv[1], 200)))"
    code = f"import('./drawing.mjs').then((drawing) => {shown})"

    told = subprocess.run(
        ["node", "-e", code, NAME], capture_output=True, check=True, text=True, cwd=tmp_path
    )

    shown = json.loads(told.stdout).removeprefix("\u2068").removesuffix("\u2069")
    assert shown == r"a\x0a\x1b[31m\x9b2J\u202e\u2066\u2028\x08\x0d::error::[red]forged[bold]"


@pytest.mark.parametrize("format_", ["text", "github"])
def test_lint_prints_names_as_text(path, capsys, format_):
    assert main(["lint", path, "--format", format_]) == 1

    told = capsys.readouterr().out
    assert_is_text(told)
    assert len(told.splitlines()) == 1


def test_lint_for_github_names_the_file_as_it_is(path, capsys):
    main(["lint", path, "--format", "github"])

    start = capsys.readouterr().out.partition(",title=")[0]
    assert start.endswith(r"bidi\u202e%0Amodel.keras")


def test_diagnose_prints_names_as_text(path, capsys):
    assert main(["diagnose", path]) == 1

    assert_is_text(capsys.readouterr().out, times=2)


@pytest.mark.parametrize("ending", ["html", "txt", "svg"])
def test_diagnose_writes_names_as_text(path, tmp_path, capsys, ending):
    if ending == "svg":
        pytest.importorskip("matplotlib")
    out = tmp_path / f"report.{ending}"

    assert main(["diagnose", path, "-o", str(out)]) == 1

    told = out.read_text()
    assert not CONTROL.search(told)
    assert r"a\n\x1b[31m\x9b2J" in told


def test_initialize_prints_names_as_text(path, tmp_path, capsys):
    assert main(["initialize", path, "-o", str(tmp_path / "out.keras")]) == 0

    assert_is_text(capsys.readouterr().out)


def test_json_keeps_the_names(path, capsys):
    main(["lint", path, "--format", "json"])
    (finding,) = json.loads(capsys.readouterr().out)
    main(["diagnose", path, "--format", "json"])
    told = capsys.readouterr().out

    assert finding["layer"] == NAME
    assert json.loads(told)["layers"][0]["name"] == NAME
    assert not CONTROL.search(told)


@pytest.mark.parametrize("words", [["lint"], ["diagnose"], ["initialize", "-o", "out.keras"]])
def test_errors_show_names_as_text(tmp_path, capsys, words):
    path = tmp_path / f"{OBEYED}.keras"
    path.write_text("no model")

    for name in (str(path), str(path) + "\x1b"):
        assert main([*words, name]) == 2
        told = capsys.readouterr().err
        assert not CONTROL.search(told)
        assert len(told.splitlines()) == 1


def test_error_of_a_layer_shows_its_name_as_text(path, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 7), "float32"))

    assert main(["diagnose", path, "--data", str(tmp_path / "x.npz")]) == 2
    told = capsys.readouterr().err
    assert not CONTROL.search(told)
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("entry", ["class_name", "module", "registered_name"])
def test_error_that_quotes_a_file_shows_it_as_text(tmp_path, capsys, entry):
    entries = {"module": "own", "class_name": "Own", "registered_name": "own>Own"}
    entries[entry] = f"b\x1b[2J{NAME}"
    plain = saved(tmp_path / "plain.keras")
    path = rewritten(plain, tmp_path / "other.keras", lambda config: config.update(entries))

    assert main(["lint", path]) == 2

    told = capsys.readouterr().err
    assert r"b\x1b[2J" in told
    assert not CONTROL.search(told)
    assert len(told.splitlines()) == 1


def test_words_too_many_are_shown_as_text(capsys):
    with pytest.raises(SystemExit):
        main(["lint", "model.keras", NAME])

    assert_is_text(capsys.readouterr().err)


WARNED = """
import sys, warnings
from keras_initlab import _commands
from keras_initlab.__main__ import main
_commands.lint = lambda words: warnings.warn(f"Layer {words.model} is strange.") or 0
main(["lint", sys.argv[1]])
"""


def test_warnings_of_a_command_are_text():
    told = subprocess.run(
        [sys.executable, "-c", WARNED, NAME], capture_output=True, check=True, text=True
    )

    assert_is_text(told.stderr)


def test_findings_and_reports_of_a_model_are_text(model):
    report = diagnose(model)

    assert_is_text(str(lint(model)[0]))
    assert_is_text(str(report), times=2)
    assert_is_text(as_html(report).replace("\n", "").replace("&#x27;", "'"))
    with pytest.raises(AssertionError) as failed:
        report.assert_healthy()
    assert_is_text(str(failed.value))


def test_report_of_initialize_is_text(model):
    assert_is_text(str(initialize(keras.models.clone_model(model), seed=0)))


def test_callback_warns_and_reports_in_text(model):
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    logger = ActivationVarianceLogger(update_freq=1, verbose=0)
    twin = keras.models.clone_model(model)
    # A graph of TensorFlow refuses such names.
    twin.compile("sgd", "mse", run_eagerly=True)

    with pytest.warns(SignalWarning) as told:
        twin.fit(x, x[:, :1], batch_size=16, verbose=0, callbacks=[logger])

    assert any(SHOWN in str(each.message) for each in told)
    assert not any(CONTROL.search(str(each.message)) for each in told)
    assert_is_text(as_text(logger.report), times=2)
    assert not CONTROL.search(repr(logger.report))
    # A problem's layers are still those of the model.
    assert NAME in logger.report.problems[0].layers
    assert NAME in logger.looks[0].by_layer("variance")


def test_terminal_receives_only_colours_of_ours(model, tmp_path):
    with open(tmp_path / "told", "w") as file:
        Console(file=file, force_terminal=True, width=200).print(diagnose(model))

    told = (tmp_path / "told").read_text()
    assert_is_text(re.sub(r"\x1b\[[0-9;]*m", "", told), times=2)
    assert "\x1b[31m\x9b" not in told


def test_text_for_tensorboard_is_one_row_for_each_layer():
    look = look_at(0, layers_of(2, [NAME, "b|c"]), problems=[problem_at(0, NAME, SHOWN)])

    (table,) = (
        value.tensor.string_val[0].decode()
        for value in first_events_of(look).summary.value
        if value.tag == "watched_layers"
    )

    assert not CONTROL.search(table)
    _, _, first, second = table.splitlines()
    assert first.startswith(r"| 0 | a\\n\\x1b[31m\\x9b2J\\u202e")
    assert second.startswith(r"| 1 | b\|c | Dense |")
    event, _ = events_of(look, Shown(None))
    assert event.summary.value


def test_stored_runs_of_a_comparison_are_text():
    run = Run(NAME, 0, "", "failed", history={}, steps=(), error=NAME, first_problems=(NAME,))
    done = Run(NAME, 1, "", "finished", history={NAME: (1.0,)}, steps=(1,))

    assert_is_text(repr(Comparison((run, done), None, "")), times=2)


def test_command_forges_no_line_of_a_log(path):
    words = [sys.executable, "-m", "keras_initlab", "lint", path, "--format", "github"]

    told = subprocess.run(words, capture_output=True, check=False)

    lines = (told.stdout + told.stderr).decode().splitlines()
    assert [line[:8] for line in lines] == ["::error "]
