"""A table that is larger than memory, drawn into a file."""

import errno
import hashlib
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from keras_initlab.initializers.base import RandomScheme
from keras_initlab.initializers.checks import checked_float, checked_seed, checked_shape
from keras_initlab.initializers.seeds import seeded
from keras_initlab.sampling import BLOCK, Drawing, fill
from keras_initlab.tables.headers import header_of

__all__ = ["initialize_to"]

_CHUNK = 64 * BLOCK
# What a machine may lose when it loses power is drawn again.
_SYNC_BYTES = 1 << 28


def initialize_to(
    path: Any,
    shape: Any,
    scheme: Any,
    *,
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "embeddings",
) -> Path:
    """Draw a weight into a file, whatever its size, a few megabytes at a time.

    The file holds what `scheme(shape, dtype)` would give, bit for bit. Until it is whole it is
    called `.NAME.DIGEST.part`, beside `path`; the same call goes on where it was stopped, by a kill
    or a full disk, and any other call leaves it alone. An older file at `path` is replaced when the
    new one is whole.

    Args:
        path: Ends with `.npy`, to be read with `np.load(path, mmap_mode="r")`, or with
            `.safetensors`, which holds bfloat16 too.
        shape: Integers, the shape of the weight.
        scheme: A scheme of independent values with an integer seed, `UnitLookup(seed=0)`, say.
        seed: Takes the place of the scheme's own seed.
        dtype: `"float32"`, `"float64"`, `"float16"` or `"bfloat16"`.
        name: Name of the array in a `.safetensors` file.

    Returns:
        The path of the whole file.

    Raises:
        TypeError: If the scheme computes its values together, as `Orthogonal` does, or is none of
            this package.
        ValueError: If there is no integer seed, or the shape, the dtype or the ending cannot be
            served.
        OSError: If the disk is too small; what is written stays and is used by the next call.

    Example:
        >>> import tempfile
        >>> from keras_initlab import UnitLookup
        >>> path = tempfile.mkdtemp() + "/users.npy"
        >>> _ = initialize_to(path, (100_000, 16), UnitLookup(seed=1))
        >>> table = np.load(path, mmap_mode="r")
        >>> whole = keras.ops.convert_to_numpy(UnitLookup(seed=1)((100_000, 16)))
        >>> bool((table[99_000:] == whole[99_000:]).all())
        True
    """
    path, shape, dtype = Path(path), checked_shape(shape), checked_float(dtype)
    scheme = _checked_scheme(scheme, seed)
    header = header_of(path, shape, dtype, name)
    drawing = scheme.drawing(shape, int(scheme.seed))
    part = path.with_name(f".{path.name}.{_digest(header, drawing)}.part")
    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    _check_room(part, len(header) + math.prod(shape) * kind.itemsize)
    part.touch()
    with open(part, "r+b", buffering=0) as file:
        _write(file, header, drawing, math.prod(shape), kind)
    os.replace(part, path)
    return path


def _checked_scheme(scheme: Any, seed: Any) -> RandomScheme:
    if not isinstance(scheme, RandomScheme):
        raise TypeError(
            "`initialize_to` draws a weight in pieces, so `scheme` is one of keras_initlab whose "
            f"values are independent of one another. Received: scheme={scheme!r}. "
            "Try `UnitLookup(seed=0)` or another of the tables' schemes."
        )
    if seed is not None:
        scheme = seeded(scheme, checked_seed(seed))
    if not isinstance(scheme.seed, (int, np.integer)):
        raise ValueError(
            "A file that may be finished by another run needs an integer `seed`. "
            f"Received: seed={seed!r}, scheme={scheme!r}. Try `seed=0`."
        )
    return scheme


def _digest(header: bytes, drawing: Drawing) -> str:
    """Tells the unfinished files of different requests apart."""
    stream = drawing.stream
    about = [stream.key, drawing.draw, drawing.center, drawing.spread, header.hex()]
    return hashlib.blake2b(json.dumps(about).encode(), digest_size=6).hexdigest()


def _check_room(part: Path, size_bytes: int) -> None:
    written = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(part.parent).free
    if size_bytes - written > free:
        raise OSError(
            errno.ENOSPC,
            f"{(size_bytes - written) / 1e9:.1f} GB are still to be written, and "
            f"{free / 1e9:.1f} GB are free",
            str(part.parent),
        )


def _write(file: Any, header: bytes, drawing: Drawing, count: int, kind: np.dtype) -> None:
    """Write what is missing, from the front."""
    chunk_bytes = _CHUNK * kind.itemsize
    written = file.seek(0, os.SEEK_END) - len(header) - _SYNC_BYTES - chunk_bytes
    start = max(0, written // chunk_bytes) * _CHUNK
    if not start:
        file.seek(0)
        file.write(header)
    buffer, unsynced = np.empty(min(_CHUNK, count), kind), 0
    for first in range(start, count, _CHUNK):
        piece = buffer[: count - first]
        fill(piece, drawing, start=first)
        file.seek(len(header) + first * kind.itemsize)
        _write_all(file, piece.view(np.uint8))
        unsynced += piece.nbytes
        if unsynced >= _SYNC_BYTES:
            os.fsync(file.fileno())
            unsynced = 0
    os.fsync(file.fileno())


def _write_all(file: Any, data: np.ndarray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
