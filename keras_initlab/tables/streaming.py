"""A table that is larger than memory, drawn into a file."""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from keras_initlab.initializers.arguments import Seed
from keras_initlab.initializers.base import RandomScheme
from keras_initlab.initializers.checks import checked_float, checked_seed, checked_shape
from keras_initlab.initializers.seeds import seeded
from keras_initlab.sampling import BLOCK, Drawing, fill
from keras_initlab.tables.alone import opened_alone
from keras_initlab.tables.headers import header_of

__all__ = ["initialize_to"]

_CHUNK = 64 * BLOCK
# After a power failure the last bytes may be missing, so that many are drawn again.
_SYNC_BYTES = 1 << 28


def initialize_to(
    path: str | os.PathLike[str],
    shape: int | Sequence[int],
    scheme: RandomScheme,
    *,
    seed: int | None = None,
    dtype: str = "float32",
    name: str = "embeddings",
) -> Path:
    """Draw a weight of any size into a file, a few megabytes at a time.

    The file equals `scheme(shape, dtype)` bit for bit. Until it is complete it is called
    `.NAME.DIGEST.part`, beside `path`. After a kill or a full disk the same call continues where it
    stopped; any other call leaves that file alone. The same call in another process waits until the
    first is done. An unfinished file with other content is rewritten. An older file at `path` is
    replaced when the new one is complete.

    Args:
        path: Ends with `.npy`, to be read with `np.load(path, mmap_mode="r")`, or with
            `.safetensors`, which holds bfloat16 too.
        shape: Integers, the shape of the weight.
        scheme: A scheme of independent values with an integer seed, such as `UnitLookup(seed=0)`.
        seed: Takes the place of the scheme's own seed.
        dtype: `"float32"`, `"float64"`, `"float16"` or `"bfloat16"`.
        name: Name of the array in a `.safetensors` file.

    Returns:
        The path of the finished file.

    Raises:
        TypeError: If the scheme computes its values together, as `Orthogonal` does, or is not from
            this package.
        ValueError: If there is no integer seed, or the shape, the dtype, the ending or the path
            is not supported.
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
    target, sizes, dtype = _checked_path(path), checked_shape(shape), checked_float(dtype)
    scheme, known_seed = _checked_scheme(scheme, seed)
    header = header_of(target, sizes, dtype, name)
    drawing = scheme.drawing(sizes, known_seed)
    part = target.with_name(f".{target.name}.{_digest(header, drawing)}.part")
    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    content = _Content(header, drawing, math.prod(sizes), kind)
    _check_room(part, content.size_bytes)
    with opened_alone(part, target) as file:
        if file is not None:
            content.write(file)
    return target


def _checked_path(path: str | os.PathLike[str]) -> Path:
    if "\0" in os.fspath(path) or os.path.isdir(path):
        raise ValueError(
            "`path` must be a valid path of a file, not of a directory. "
            f"Received: path={os.fspath(path)!r}."
        )
    return Path(path)


def _checked_scheme(scheme: RandomScheme, seed: Seed) -> tuple[RandomScheme, int]:
    """The scheme with the seed, if one is given, and its integer seed."""
    if not isinstance(scheme, RandomScheme):
        raise TypeError(
            "`initialize_to` draws a weight in pieces, so `scheme` must be one of keras_initlab "
            f"whose values are independent of one another. Received: scheme={scheme!r}. "
            "Try `UnitLookup(seed=0)` or another scheme for tables."
        )
    if seed is not None:
        scheme = seeded(scheme, checked_seed(seed))
    if not isinstance(scheme.seed, (int, np.integer)):
        raise ValueError(
            "A file that may be finished by another run needs an integer `seed`. "
            f"Received: seed={seed!r}, scheme={scheme!r}. Try `seed=0`."
        )
    return scheme, int(scheme.seed)


def _digest(header: bytes, drawing: Drawing) -> str:
    """A name that differs between the unfinished files of different requests."""
    stream = drawing.stream
    about = [stream.key, drawing.draw, drawing.center, drawing.spread, header.hex()]
    return hashlib.blake2b(json.dumps(about).encode(), digest_size=6).hexdigest()


def _check_room(part: Path, size_bytes: int) -> None:
    try:
        written = part.stat().st_size
    except FileNotFoundError:
        written = 0
    free = shutil.disk_usage(part.parent).free
    if size_bytes - written > free:
        raise OSError(
            errno.ENOSPC,
            f"{(size_bytes - written) / 1e9:.1f} GB are still to be written, and "
            f"{free / 1e9:.1f} GB are free",
            str(part.parent),
        )


@dataclass(frozen=True)
class _Content:
    """The content of the file.

    Args:
        header: Its first bytes.
        drawing: Where the numbers come from.
        count: How many there are.
        kind: Their dtype.
    """

    header: bytes
    drawing: Drawing
    count: int
    kind: np.dtype

    @property
    def size_bytes(self) -> int:
        """Length of the whole file."""
        return self._place_of(self.count)

    def write(self, file: Any) -> None:
        """Write what is missing, from the front."""
        start, unsynced = self._written(file), 0
        if not start:
            file.seek(0)
            file.truncate()
            _write_all(file, np.frombuffer(self.header, np.uint8))
        buffer = np.empty(min(_CHUNK, self.count), self.kind)
        for first in range(start, self.count, _CHUNK):
            piece = buffer[: self.count - first]
            fill(piece, self.drawing, start=first)
            file.seek(self._place_of(first))
            _write_all(file, piece.view(np.uint8))
            unsynced += piece.nbytes
            if unsynced >= _SYNC_BYTES:
                os.fsync(file.fileno())
                unsynced = 0
        os.fsync(file.fileno())

    def _place_of(self, element: int) -> int:
        return len(self.header) + element * self.kind.itemsize

    def _written(self, file: Any) -> int:
        """How many numbers can be kept: 0 where the file is not the beginning of this one."""
        size_bytes = file.seek(0, os.SEEK_END)
        chunk_bytes = _CHUNK * self.kind.itemsize
        safe_bytes = size_bytes - len(self.header) - _SYNC_BYTES - chunk_bytes
        start = max(0, safe_bytes // chunk_bytes) * _CHUNK
        if not start or size_bytes > self.size_bytes:
            return 0
        last = np.empty(min(BLOCK, _CHUNK), self.kind)
        fill(last, self.drawing, start=start - last.size)
        file.seek(0)
        held = file.read(len(self.header))
        file.seek(self._place_of(start - last.size))
        same = held == self.header and file.read(last.nbytes) == last.tobytes()
        return start if same else 0


def _write_all(file: Any, data: np.ndarray) -> None:
    view = data.data
    while view:
        view = view[file.write(view) :]
