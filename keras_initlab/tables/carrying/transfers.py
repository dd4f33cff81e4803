"""Numbers on their way from a variable of one model to one of another."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_initlab import _backend
from keras_initlab.tables.moving import taken

__all__ = ["Transfer", "numbers_of"]


@dataclass(frozen=True)
class Transfer:
    """One variable that will be written.

    Args:
        target: The variable.
        origin: Where its numbers come from.
        sources: For each row the old one, negative where there is none; `None` for all as they are.
        fresh: The rows without an old one, or one row for all of them.
    """

    target: Any
    origin: Any
    sources: np.ndarray | None = None
    fresh: Any = None

    def write(self) -> None:
        """Write the variable."""
        if self.sources is None and self.target is self.origin:
            return
        values = numbers_of(self.origin)
        if self.sources is None:
            # JAX gives the memory of a trained model away, so models must not share it.
            self.target.assign(values.copy())
            return
        sources, fresh = self.sources, self.fresh

        def fill(out: np.ndarray) -> None:
            if values.dtype == out.dtype:
                taken(values, sources, fresh, out)
            else:
                out[...] = taken(values, sources, fresh)

        shape, dtype = tuple(self.target.shape), keras.backend.standardize_dtype(self.target.dtype)
        self.target.assign(_backend.filled_tensor(shape, dtype, fill))


def numbers_of(variable: Any) -> np.ndarray:
    """A variable's numbers on the host."""
    return _backend.host_view(variable)
