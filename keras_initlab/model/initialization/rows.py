"""What enters an activation on a batch, as rows of numbers on the host."""

from typing import Any

import numpy as np

from keras_initlab import _backend
from keras_initlab.model.initialization.plan import PlanEntry
from keras_initlab.signal.samples import block_of

__all__ = ["checked_rows", "error_of", "mask_of_first", "unmasked_rows"]


def mask_of_first(args: tuple) -> Any:
    """The mask of a layer's first argument, `None` if it has none."""
    return _backend.mask_of(args[0]) if args and hasattr(args[0], "shape") else None


def unmasked_rows(tensor: Any, mask: Any) -> np.ndarray | None:
    """The unmasked rows of a tensor, `(rows, units)` float64; `None` where there are no numbers."""
    if tensor is None:
        return None
    if mask is not None and tuple(mask.shape) != tuple(tensor.shape[: len(mask.shape)]):
        mask = None
    block = block_of(tensor, None, mask)
    values = _backend.concrete(block.values)
    counted = None if block.weights is None else _backend.concrete(block.weights)
    if values is not None and counted is not None:
        values = values[counted > 0]
    return None if values is None else values.astype(np.float64)


def checked_rows(rows: np.ndarray, entry: PlanEntry) -> np.ndarray:
    """The rows, or an error with the name of the layer where a number is not finite."""
    broken = int(rows.size - np.isfinite(rows).sum())
    if broken:
        raise ValueError(
            f"What enters the activation of the layer {entry.layer.name!r} is not finite, so its "
            f"weight cannot be corrected. Received: {broken} NaN or infinite numbers. "
            f"Try `data=` in a smaller range, or `skip={entry.layer.name!r}`."
        )
    return rows


def error_of(rows: np.ndarray) -> float:
    """Relative standard error of the variance over the rows, each as one draw."""
    if len(rows) < 2:
        return float("nan")
    by_row = np.square(rows - rows.mean()).mean(axis=1)
    return float(by_row.std(ddof=1) / np.sqrt(len(by_row)) / by_row.mean())
