"""Arrays of a log that are no larger than the bytes behind them.

A tensor of one value may claim any shape, and TensorBoard repeats the value as often as the shape
says: a hundred bytes become gigabytes. No writer of ours or of Keras makes such tensors.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from tensorboard.util import tensor_util

__all__ = ["as_held", "holds_what_it_claims"]

# Fields of a tensor for its values, and how many numbers of a field make one element.
_FIELDS = {
    **dict.fromkeys(("half_val", "float_val", "double_val", "int_val", "string_val"), 1),
    **dict.fromkeys(("int64_val", "bool_val", "uint32_val", "uint64_val"), 1),
    **dict.fromkeys(("scomplex_val", "dcomplex_val"), 2),
}

_this_thread = threading.local()
_lock = threading.Lock()


@contextmanager
def as_held() -> Iterator[None]:
    """A context in which TensorBoard's data providers give a single NaN for an odd tensor.

    They look up `make_ndarray` in its module, so it is replaced there for good;
    outside of this context, and for other plugins, it works as before.
    """
    with _lock:
        if not isinstance(tensor_util.make_ndarray, _Checked):
            tensor_util.make_ndarray = _Checked(tensor_util.make_ndarray)
    _this_thread.checks = True
    try:
        yield
    finally:
        _this_thread.checks = False


def holds_what_it_claims(tensor: Any) -> bool:
    """Whether a `TensorProto` holds a value for each element that its shape claims.

    Example:
        >>> from tensorboard.compat.proto.tensor_pb2 import TensorProto
        >>> holds_what_it_claims(tensor_util.make_tensor_proto([1.0, 2.0]))
        True
        >>> tensor = TensorProto(dtype=1, float_val=[1.0])
        >>> tensor.tensor_shape.dim.add(size=10**9).size
        1000000000
        >>> holds_what_it_claims(tensor)
        False
    """
    if tensor.tensor_content:
        return True
    held = max(len(getattr(tensor, name)) // width for name, width in _FIELDS.items())
    return math.prod(dim.size for dim in tensor.tensor_shape.dim) <= held


class _Checked:
    """A `make_ndarray` that checks instead of expanding, where `as_held` asks for it."""

    def __init__(self, make: Callable[[Any], np.ndarray]):
        self._make = make

    def __call__(self, tensor: Any) -> np.ndarray:
        if not getattr(_this_thread, "checks", False):
            return self._make(tensor)
        try:
            if holds_what_it_claims(tensor):
                return self._make(tensor)
        except Exception:  # The log may be foreign: an unknown type, or a shape that does not fit.
            pass
        return np.array(np.nan)
