"""`keras-initlab carry`, run as users run it."""

import json

import keras
import numpy as np
import pytest
from carried_models import model_of, trained, values

from keras_initlab.__main__ import main


@pytest.fixture
def files(tmp_path):
    old = trained(model_of(2, keras.optimizers.Adam()), ["ann", "bob"])
    new = model_of(3, keras.optimizers.Adam())
    paths = [str(tmp_path / name) for name in ("old.keras", "new.keras", "out.keras", "v.json")]
    old.save(paths[0])
    new.save(paths[1])
    pair = {"users": {"old": ["ann", "bob"], "new": ["bob", "cat", "ann"]}}
    (tmp_path / "v.json").write_text(json.dumps(pair))
    return paths


def test_carry_writes_the_moved_model_with_its_slots(files, capsys):
    old, new, out, vocabularies = files

    assert main(["carry", old, new, "-o", out, "--vocabularies", vocabularies]) == 0

    before, after = (keras.saving.load_model(path) for path in (old, out))
    tables = [values(model.get_layer("users").embeddings) for model in (before, after)]
    np.testing.assert_array_equal(tables[1][[0, 2]], tables[0][[1, 0]])
    assert values(after.optimizer.iterations) == 3
    assert "Carried over" in capsys.readouterr().out


def test_doubt_ends_with_2_and_writes_nothing(files, capsys, tmp_path):
    old, new, out, _ = files

    assert main(["carry", old, new, "-o", out]) == 2
    assert "'users'" in capsys.readouterr().err
    assert not (tmp_path / "out.keras").exists()
    assert main(["carry", old, new, "-o", new]) == 2
    assert "--force" in capsys.readouterr().err


def test_broken_vocabularies_are_refused(files, tmp_path, capsys):
    (tmp_path / "v.json").write_text('{"users": {"old": []}}')

    assert main(["carry", *files[:2], "-o", files[2], "--vocabularies", files[3]]) == 2
    assert "must hold" in capsys.readouterr().err
