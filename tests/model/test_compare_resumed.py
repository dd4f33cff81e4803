"""Comparisons that were stopped and are called again."""

import functools
import json
import subprocess
import sys
import time
from pathlib import Path

import comparisons
import numpy as np
import pytest
from comparisons import (
    DATA,
    EPOCHS,
    ONE,
    OPTIONS,
    STEPS,
    TARGET,
    X,
    Y,
    built,
    by_hand,
    counted,
    data_with,
    lines_of,
    whole,
)
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from keras_initlab.model.comparing.compare import compare

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return whole(tmp_path_factory.mktemp("comparison"))


def test_finished_comparison_repeats_nothing(tmp_path):
    build = functools.partial(counted, str(tmp_path / "built"))
    options = {**OPTIONS, "directory": tmp_path / "runs"}
    first = compare(build, [None], DATA, **options)

    again = compare(build, [None], DATA, **options)
    wider = compare(build, [None], DATA, **{**options, "seeds": [0, 1, 2]})

    assert len(lines_of(tmp_path / "built")) == 3
    assert again.runs == first.runs
    assert wider.runs[:2] == first.runs


def test_failed_run_is_tried_again(tmp_path):
    build = functools.partial(counted, str(tmp_path / "built"))
    options = {**ONE, "directory": tmp_path / "runs"}

    for _ in range(2):
        compare(build, ["no such scheme"], DATA, **options)

    assert len(lines_of(tmp_path / "built")) == 2


KILLED = """
import sys
import time
from comparisons import Ends, built, data_with, exit_now
from keras_initlab.model.comparing.compare import compare
data = data_with(Ends(sys.argv[1], 3, exit_now))
compare(built, [None], data, seeds=2, epochs=2, batch_size=16, directory=sys.argv[2], verbose=0)
"""


def test_killed_comparison_goes_on_from_the_last_whole_epoch(tmp_path):
    path, folder = tmp_path / "epochs", tmp_path / "runs"
    tests = Path(comparisons.__file__).parent
    command = [sys.executable, "-c", KILLED, str(path), str(folder)]
    killed = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=False)
    assert killed.returncode == 17, killed.stderr
    assert lines_of(path) == ["0", "1", "0"]
    # Event files are read in the order of the second in which they were begun.
    time.sleep(1)

    data = data_with(comparisons.Ends(path, 3, comparisons.exit_now))
    runs = compare(built, [None], data, directory=folder, **OPTIONS).runs

    assert lines_of(path) == ["0", "1", "0", "1"]
    assert not list(folder.rglob("*.h5"))
    whole, resumed = [0, STEPS - 1, 2 * STEPS - 1], [0, STEPS - 1, STEPS, 2 * STEPS - 1]
    # The first step after the kill is looked at too.
    for run, steps in zip(runs, (whole, resumed), strict=True):
        assert run.status == "finished"
        assert run.steps == (STEPS, 2 * STEPS)
        _, history = by_hand(run.seed)
        np.testing.assert_allclose(run.history["loss"], history["loss"], rtol=1e-5)
        events = EventAccumulator(run.directory).Reload().Tensors("signal/activation_variance/a")
        assert [event.step for event in events] == steps


def test_interrupted_comparison_keeps_what_is_finished(tmp_path):
    path, folder = tmp_path / "epochs", tmp_path / "runs"
    data = data_with(comparisons.Ends(path, EPOCHS, comparisons.interrupt))

    with pytest.raises(KeyboardInterrupt):
        compare(built, [None], data, directory=folder, **OPTIONS)
    compare(built, [None], data, directory=folder, **OPTIONS)

    assert len(lines_of(path)) == 2 * EPOCHS


def test_record_that_is_cut_off_is_made_again(tmp_path):
    options = {**ONE, "epochs": 1, "directory": tmp_path}
    first = compare(built, [None], DATA, **options)
    record = Path(first.runs[0].directory, "result.json")
    whole = record.read_text()
    record.write_text(whole[: len(whole) // 2])

    again = compare(built, [None], DATA, **options)

    assert again.runs[0].history["loss"] == pytest.approx(first.runs[0].history["loss"], rel=1e-5)
    assert json.loads(record.read_text())["run"]["status"] == "finished"


def test_directory_that_was_moved_is_known(tmp_path):
    options = {**ONE, "epochs": 1}
    compare(built, [None], DATA, directory=tmp_path / "old", **options)
    (tmp_path / "old").rename(tmp_path / "new")

    (run,) = compare(built, [None], DATA, directory=tmp_path / "new", **options).runs

    assert run.directory == str(tmp_path / "new" / "as built" / "seed_0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 4}, "made with epochs=2, but this call has epochs=4"),
        ({"batch_size": 8}, "made with batch_size=16, but this call has batch_size=8"),
        ({"data": {**DATA, "x": X + 1}}, "made with data="),
        (
            {"schemes": {"as built": "zeros"}},
            "made with scheme=None, but this call has scheme='zeros'",
        ),
    ],
)
def test_directory_with_runs_of_other_settings_is_refused(comparison, change, words):
    arguments = {
        "schemes": {"as built": None},
        "data": DATA,
        "validation_data": (X[:32], Y[:32]),
        "target": TARGET,
        "directory": comparison.directory,
        **OPTIONS,
    }
    compare(built, **arguments)

    with pytest.raises(ValueError, match=words):
        compare(built, **{**arguments, **change})
