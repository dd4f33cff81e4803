import errno
import json
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import safetensors.numpy

import keras_initlab
from keras_initlab import RandomUniform, TruncatedNormal, UnitLookup, initialize_to
from keras_initlab.sampling import BLOCK
from keras_initlab.tables import streaming

pytestmark = pytest.mark.once

SHAPE = (7001, 40)
DTYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.fixture
def _small_chunks(monkeypatch):
    monkeypatch.setattr(streaming, "_CHUNK", BLOCK)
    monkeypatch.setattr(streaming, "_SYNC_BYTES", 2 * BLOCK)


def in_memory(scheme, shape=SHAPE, dtype="float32"):
    return keras.ops.convert_to_numpy(keras.ops.cast(scheme(shape, dtype), "float64"))


def read(path):
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r").astype("float64")
    return safetensors.numpy.load_file(path)["embeddings"].astype("float64")


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [(".npy", dtype) for dtype in DTYPES[:3]] + [(".safetensors", dtype) for dtype in DTYPES],
)
@pytest.mark.parametrize("scheme", [UnitLookup(seed=3), TruncatedNormal(seed=3)])
def test_file_holds_the_draw_in_memory(tmp_path, scheme, suffix, dtype):
    path = tmp_path / f"table{suffix}"

    assert initialize_to(path, SHAPE, scheme, dtype=dtype) == path

    np.testing.assert_array_equal(read(path), in_memory(scheme, dtype=dtype))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_seed_replaces_that_of_the_scheme(tmp_path):
    path = initialize_to(tmp_path / "a.npy", (10, 4), UnitLookup(), seed=5)

    np.testing.assert_array_equal(np.load(path), in_memory(UnitLookup(seed=5), (10, 4)))


def test_weight_without_elements_has_a_file(tmp_path):
    assert np.load(initialize_to(tmp_path / "a.npy", (0, 4), UnitLookup(seed=5))).shape == (0, 4)


CODE = """
import sys
from keras_initlab import UnitLookup, initialize_to
from keras_initlab.tables import streaming
streaming._SYNC_BYTES = 1 << 24
initialize_to(sys.argv[1], (1_500_000, 64), UnitLookup(seed=3))
"""


def test_killed_run_is_finished_by_the_next(tmp_path, monkeypatch):
    path = tmp_path / "table.npy"
    process = subprocess.Popen([sys.executable, "-c", CODE, str(path)])
    while not any(part.stat().st_size > 1e8 for part in tmp_path.glob(".table.npy.*.part")):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists()
    drawn, fill = [], streaming.fill

    def counting(out, drawing, *, start):
        drawn.append(out.size)
        fill(out, drawing, start=start)

    monkeypatch.setattr(streaming, "fill", counting)
    monkeypatch.setattr(streaming, "_SYNC_BYTES", 1 << 24)
    initialize_to(path, (1_500_000, 64), UnitLookup(seed=3))

    table = np.load(path, mmap_mode="r")
    assert table.shape == (1_500_000, 64)
    assert sum(drawn) < 0.9 * table.size
    whole = keras.ops.convert_to_numpy(UnitLookup(seed=3)((1_500_000, 64)))
    np.testing.assert_array_equal(table, whole)


@pytest.mark.usefixtures("_small_chunks")
def test_full_disk_loses_nothing(tmp_path, monkeypatch):
    path, write = tmp_path / "table.safetensors", streaming._write_all
    written = []

    def full(file, data):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(len(data))
        write(file, data)

    monkeypatch.setattr(streaming, "_write_all", full)
    with pytest.raises(OSError, match="No space left"):
        initialize_to(path, SHAPE, UnitLookup(seed=3))
    (part,) = tmp_path.iterdir()
    assert part.stat().st_size == sum(written)

    monkeypatch.setattr(streaming, "_write_all", write)
    initialize_to(path, SHAPE, UnitLookup(seed=3))

    np.testing.assert_array_equal(read(path), in_memory(UnitLookup(seed=3)))


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize(
    ("shape", "scheme", "dtype"),
    [
        (SHAPE, UnitLookup(seed=4), "float32"),
        ((SHAPE[0] + 1, SHAPE[1]), UnitLookup(seed=3), "float32"),
        (SHAPE, RandomUniform(seed=3), "float32"),
        (SHAPE, UnitLookup(seed=3), "float16"),
    ],
)
def test_unfinished_file_of_another_request_is_left_alone(tmp_path, shape, scheme, dtype):
    path = tmp_path / "table.npy"
    header = streaming.header_of(path, SHAPE, "float32", "embeddings")
    drawing = UnitLookup(seed=3).drawing(SHAPE, 3)
    other = tmp_path / f".table.npy.{streaming._digest(header, drawing)}.part"
    other.write_bytes(header + bytes(4 * 7001 * 40))

    initialize_to(path, shape, scheme, dtype=dtype)

    assert other.exists()
    np.testing.assert_array_equal(read(path), in_memory(scheme, shape, dtype))


def test_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(OSError, match=r"GB are still to be written, and .* GB are free") as caught:
        initialize_to(tmp_path / "table.npy", (10**9, 10**6), UnitLookup(seed=3))

    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


MEMORY = """
import json, resource, sys
from keras_initlab import UnitLookup, initialize_to
initialize_to(sys.argv[1] + "/small.npy", (1000, 64), UnitLookup(seed=3))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
initialize_to(sys.argv[1] + "/large.npy", (2_000_000, 64), UnitLookup(seed=3))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


def test_memory_does_not_grow_with_the_table(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True
    )

    # A table of 512 MB; a buffer of 16 MiB, and 6 MiB of scratch memory for each thread.
    assert json.loads(told.stdout) * 1024 < 100e6


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("a.bin", (2, 3), UnitLookup(seed=1)), ValueError, r"end with \.npy or \.safetensors"),
        (("a.npy", (2, 3), UnitLookup()), ValueError, "needs an integer `seed`.*Try `seed=0`"),
        (("a.npy", (None, 3), UnitLookup(seed=1)), ValueError, "Every axis"),
        (("a.npy", (2, 3), "he_normal"), TypeError, "draws a weight in pieces"),
        (("a.npy", (2, 3), keras_initlab.Orthogonal(seed=1)), TypeError, "independent"),
        (("a.npy", (2, 3), keras.initializers.HeNormal(1)), TypeError, "one of keras_initlab"),
    ],
)
def test_request_that_cannot_be_served_is_refused(tmp_path, arguments, error, text):
    name, *rest = arguments

    with pytest.raises(error, match=text):
        initialize_to(tmp_path / name, *rest)

    assert not list(tmp_path.iterdir())


def test_npy_refuses_bfloat16_and_names_the_other_format(tmp_path):
    with pytest.raises(ValueError, match=r"bfloat16.*a\.safetensors"):
        initialize_to(tmp_path / "a.npy", (2, 3), UnitLookup(seed=1), dtype="bfloat16")
