"""What stands before the numbers in a file of one array."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["header_of"]

_SAFETENSORS = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def header_of(path: Path, shape: Sequence[int], dtype: str, name: str) -> bytes:
    """The bytes that come first in a `.npy` or `.safetensors` file; the numbers follow, in C order.

    Args:
        path: Its ending sets the format.
        shape: Shape of the array.
        dtype: Keras's name of a float dtype.
        name: Name of the array in a `.safetensors` file.

    Raises:
        ValueError: If the format is not one of these, or cannot hold the dtype.
    """
    if path.suffix == ".safetensors":
        return _safetensors(shape, dtype, name)
    if path.suffix != ".npy":
        raise ValueError(
            "`path` must end with .npy or .safetensors, which sets the format. "
            f"Received: path={str(path)!r}."
        )
    if dtype == "bfloat16":
        raise ValueError(
            "A .npy file cannot mark its numbers as bfloat16. "
            f"Received: path={str(path)!r}, dtype={dtype!r}. "
            f"Try {str(path.with_suffix('.safetensors'))!r}."
        )
    kind = np.dtype(dtype).newbyteorder("<")
    about = {"descr": kind.str, "fortran_order": False, "shape": tuple(shape)}
    held = io.BytesIO()
    np.lib.format.write_array_header_1_0(held, about)
    return held.getvalue()


def _safetensors(shape: Sequence[int], dtype: str, name: str) -> bytes:
    # https://github.com/huggingface/safetensors#format: the header's length, then JSON, padded so
    # that the numbers are aligned.
    size_bytes = math.prod(shape) * {"float64": 8, "float32": 4}.get(dtype, 2)
    entry = {
        "dtype": _SAFETENSORS[dtype],
        "shape": list(shape),
        "data_offsets": [0, size_bytes],
    }
    text = json.dumps({name: entry}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
