"""Comparisons that find damaged files where they go on."""

import json
import os
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from comparisons import BATCH, DATA, ONE, STEPS, Notes, built, data_with, lines_of

from keras_initlab.model.comparing.compare import compare
from keras_initlab.model.comparing.record import Run, store, stored_run, write_whole

pytestmark = pytest.mark.once


class Fails(Notes):
    """Raises in the middle of an epoch, as often as the process is asked to."""

    def __init__(self, path, epoch):
        super().__init__(path)
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise RuntimeError("the machine is lost")


def begun(tmp_path, epochs=1, of=2):
    """A run that has come to the end of some epochs; the file of its weights."""
    data = data_with(Fails(tmp_path / "epochs", epochs))
    options = {**ONE, "epochs": of, "directory": tmp_path / "runs"}
    (run,) = compare(built, [None], data, **options).runs
    assert (run.status, len(run.steps)) == ("failed", epochs)
    return Path(run.directory, f"epoch_{epochs}.weights.h5")


def ended(tmp_path, of=2):
    data = data_with(Fails(tmp_path / "epochs", None))
    options = {**ONE, "epochs": of, "directory": tmp_path / "runs"}
    (run,) = compare(built, [None], data, **options).runs
    return run


def by_hand(epochs=2):
    keras.utils.set_random_seed(0)
    fitted = built().fit(**DATA, batch_size=BATCH, epochs=epochs, verbose=0)
    return fitted.history["loss"]


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_another_model(path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save_weights(path, overwrite=True)


def count_of(caught):
    return sum("cannot be read" in str(warning.message) for warning in caught)


DAMAGES = {
    "cut off": cut,
    "short by a byte": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(np.random.default_rng(0).bytes(9_999)),
    "text": lambda path: path.write_text("<html>quota exceeded</html>"),
    "of another model": of_another_model,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_run_whose_weights_cannot_be_read_begins_anew_with_a_warning(tmp_path, damage):
    path = begun(tmp_path)
    damage(path)
    words = rf"starts over. Received: \S*as built/seed_0/{path.name} \("

    with pytest.warns(UserWarning, match=words) as caught:
        run = ended(tmp_path)

    assert count_of(caught) == 1
    assert (run.status, run.steps) == ("finished", (STEPS, 2 * STEPS))
    # The optimizer's state and the order of the data are those of an uninterrupted run.
    np.testing.assert_allclose(run.history["loss"], by_hand(), rtol=1e-5)
    assert lines_of(tmp_path / "epochs") == ["0", "0", "1"]
    assert not list(path.parent.glob("*.h5"))


def test_run_goes_on_from_an_older_checkpoint_that_can_be_read(tmp_path):
    first = begun(tmp_path, 1, of=3)
    whole = first.read_bytes()
    second = begun(tmp_path, 2, of=3)
    first.write_bytes(whole)
    cut(second)

    with pytest.warns(UserWarning, match=f"continues from epoch 1.*{second.name}") as caught:
        run = ended(tmp_path, of=3)

    assert count_of(caught) == 1
    assert lines_of(tmp_path / "epochs") == ["0", "1", "1", "2"]
    np.testing.assert_allclose(run.history["loss"], by_hand(3), rtol=1e-5)


def test_one_warning_names_all_checkpoints_that_cannot_be_read(tmp_path):
    first = begun(tmp_path, 1, of=3)
    second = begun(tmp_path, 2, of=3)
    for path in (first, second):
        path.write_bytes(b"garbage")

    with pytest.warns(UserWarning, match=f"starts over.*{second.name}, .*{first.name}") as caught:
        run = ended(tmp_path, of=3)

    assert count_of(caught) == 1
    assert run.status == "finished"


# --- records ---------------------------------------------------------------------------------

SETTINGS = {"epochs": 2}
RUN = Run("he", 0, "", "finished", "", "loss", {"loss": (2.0, 1.0)}, (5, 10), 7, 1.5, {"a": 1.0})


def changed(**changes):
    def damage(content):
        content["run"].update(changes)
        return json.dumps(content)

    return damage


def without(*names):
    def damage(content):
        for name in names:
            del content["run"][name]
        return json.dumps(content)

    return damage


RECORDS = {
    "cut off": lambda content: json.dumps(content)[:-9],
    "empty": lambda content: "",
    "a list": lambda content: "[]",
    "a number": lambda content: "3",
    "deep": lambda content: "[" * 100_000,
    "no settings": lambda content: json.dumps({"run": content["run"]}),
    "settings of another type": lambda content: json.dumps({**content, "settings": 3}),
    "run of another type": lambda content: json.dumps({**content, "run": [1]}),
    "of an older version": without("first_problems", "problems"),
    "of a newer version": changed(colour="blue"),
    "without history": without("history"),
    "history of another type": changed(history=[1.0]),
    "history of another length": changed(history={"loss": [1.0]}),
    "values of another type": changed(history={"loss": ["a", "b"]}),
    "value alone": changed(history={"loss": 1.0}),
    "variance of another type": changed(first_variance=None),
    "steps of another type": changed(steps=["5", "10"]),
    "steps that go back": changed(steps=[10, 5]),
    "steps alone": changed(steps=5),
    "status unknown": changed(status="fine"),
    "status of another type": changed(status=["finished"]),
    "problems of another type": changed(problems=[3]),
    "seed of another type": changed(seed="0"),
    "duration of another type": changed(duration_s="long"),
    "finished without an epoch": changed(steps=[], history={}),
}


def test_record_is_read_as_it_was_written(tmp_path):
    store(Run(**{**vars(RUN), "directory": str(tmp_path)}), SETTINGS)

    assert stored_run(str(tmp_path), SETTINGS) == Run(**{**vars(RUN), "directory": str(tmp_path)})


@pytest.mark.parametrize("damage", RECORDS.values(), ids=RECORDS)
def test_damaged_record_means_that_the_run_is_made_again(tmp_path, damage):
    store(Run(**{**vars(RUN), "directory": str(tmp_path)}), SETTINGS)
    path = tmp_path / "result.json"
    path.write_text(damage(json.loads(path.read_text())))

    assert stored_run(str(tmp_path), SETTINGS) is None


def test_record_of_bytes_that_are_no_text_means_that_the_run_is_made_again(tmp_path):
    (tmp_path / "result.json").write_bytes(b"\xff\xfe\x00garbage")

    assert stored_run(str(tmp_path), SETTINGS) is None


def test_run_whose_record_is_damaged_is_made_again(tmp_path):
    path = begun(tmp_path).with_name("result.json")
    path.write_text(changed(history=[1.0])(json.loads(path.read_text())))

    run = ended(tmp_path)

    assert run.status == "finished"
    assert lines_of(tmp_path / "epochs") == ["0", "0", "1"]


def test_writers_of_one_file_do_not_meet(tmp_path):
    path, errors = tmp_path / "file", []
    start = threading.Barrier(8)

    def write(number):
        start.wait()
        try:
            for _ in range(50):
                write_whole(path, bytes([number]) * 10_000)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert len(set(path.read_bytes())) == 1
    assert os.listdir(tmp_path) == ["file"]


def test_writer_that_fails_leaves_no_draft(tmp_path):
    (tmp_path / "taken").mkdir()

    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", b"")

    assert os.listdir(tmp_path) == ["taken"]
