"""Files that several make at once, and unfinished ones that hold something else."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import safetensors.numpy

from keras_initlab import UnitLookup, initialize_to
from keras_initlab.sampling import BLOCK
from keras_initlab.tables import streaming

pytestmark = pytest.mark.once

SHAPE = (7001, 40)


@pytest.fixture
def _small_chunks(monkeypatch):
    monkeypatch.setattr(streaming, "_CHUNK", BLOCK)
    monkeypatch.setattr(streaming, "_SYNC_BYTES", 2 * BLOCK)


def drawn(seed):
    return keras.ops.convert_to_numpy(UnitLookup(seed=seed)(SHAPE))


def read(path):
    if path.suffix == ".npy":
        return np.load(path)
    return safetensors.numpy.load_file(path)["embeddings"]


SEVERAL = """
import pathlib, sys, time
from keras_initlab import UnitLookup, initialize_to
from keras_initlab.sampling import BLOCK
from keras_initlab.tables import streaming
streaming._CHUNK, streaming._SYNC_BYTES = BLOCK, 2 * BLOCK
folder = pathlib.Path(sys.argv[1])
(folder / f"ready_{sys.argv[2]}").touch()
while len(list(folder.glob("ready_*"))) < 3:
    time.sleep(0.001)
for name in ("a.npy", "b.safetensors"):
    initialize_to(folder / "made" / name, (7001, 40), UnitLookup(seed=3))
"""


def test_processes_that_make_one_file_all_end_with_it(tmp_path):
    (tmp_path / "made").mkdir()
    command = [sys.executable, "-c", SEVERAL, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, str(k)], stderr=subprocess.PIPE, text=True) for k in range(3)
    ]

    errors = [process.communicate(timeout=200)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], errors
    for name in ("a.npy", "b.safetensors"):
        whole = drawn(3)
        np.testing.assert_array_equal(read(tmp_path / "made" / name), whole)
    assert len(list((tmp_path / "made").iterdir())) == 2


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("seeds", [(3, 3, 3, 3), (3, 4, 3, 4)], ids=["one request", "two"])
def test_threads_that_make_one_file_all_end_with_a_whole_one(tmp_path, seeds):
    path, start = tmp_path / "table.npy", threading.Barrier(len(seeds))

    def make(seed):
        start.wait()
        for _ in range(5):
            initialize_to(path, SHAPE, UnitLookup(seed=seed))

    with ThreadPoolExecutor(len(seeds)) as pool:
        list(pool.map(make, seeds))

    table = read(path)
    assert any((table == drawn(seed)).all() for seed in set(seeds))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def part_of(path, scheme, shape=SHAPE):
    header = streaming.header_of(path, shape, "float32", "embeddings")
    digest = streaming._digest(header, scheme.drawing(shape, scheme.seed))
    return path.with_name(f".{path.name}.{digest}.part"), header


def whole_bytes(folder, scheme, shape=SHAPE):
    return initialize_to(folder / "whole.npy", shape, scheme).read_bytes()


STRANGE = {
    "longer, of zeros": lambda whole, header: header + bytes(2 * len(whole)),
    "longer by a byte": lambda whole, header: whole + b"x",
    "longer, twice the same": lambda whole, header: whole + whole,
    "as long, of zeros": lambda whole, header: header + bytes(len(whole) - len(header)),
    "as long, with another head": lambda whole, header: bytes(len(header)) + whole[len(header) :],
    "shorter, of garbage": lambda whole, header: np.random.default_rng(0).bytes(len(whole) - 9),
    "of another seed": None,
}


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_unfinished_file_of_other_content_is_written_anew(tmp_path, make):
    path, scheme = tmp_path / "table.npy", UnitLookup(seed=3)
    part, header = part_of(path, scheme)
    other = whole_bytes(tmp_path, UnitLookup(seed=4))
    whole = whole_bytes(tmp_path, scheme)
    part.write_bytes(other if make is None else make(whole, header))

    initialize_to(path, SHAPE, scheme)

    assert path.read_bytes() == whole
    assert not part.exists()


@pytest.mark.usefixtures("_small_chunks")
def test_whole_file_that_was_not_yet_renamed_is_kept(tmp_path, monkeypatch):
    path, scheme = tmp_path / "table.npy", UnitLookup(seed=3)
    part, _ = part_of(path, scheme)
    whole = whole_bytes(tmp_path, scheme)
    part.write_bytes(whole)
    counts, fill = [], streaming.fill

    def counting(out, drawing, *, start):
        counts.append(out.size)
        fill(out, drawing, start=start)

    monkeypatch.setattr(streaming, "fill", counting)
    initialize_to(path, SHAPE, scheme)

    assert path.read_bytes() == whole
    assert sum(counts) < SHAPE[0] * SHAPE[1]


@pytest.mark.parametrize("name", ["a\0.npy", "folder.npy"])
def test_path_that_no_file_can_have_is_refused(tmp_path, name):
    (tmp_path / "folder.npy").mkdir()

    with pytest.raises(ValueError, match="`path` must be a valid path of a file"):
        initialize_to(f"{tmp_path}/{name}", (2, 3), UnitLookup(seed=1))

    assert [each.name for each in tmp_path.iterdir()] == ["folder.npy"]
