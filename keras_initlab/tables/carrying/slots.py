"""What an optimizer keeps for rows of a table that are new."""

from typing import Any

import numpy as np

from keras_initlab._backend import Slot

__all__ = ["kept_for_new_rows"]

_CHUNK = 16_384


def kept_for_new_rows(
    slot: Slot, old: np.ndarray, sources: np.ndarray, values: Any, more: dict[str, Any]
) -> Any:
    """What a slot holds for rows that are new: one row for all, or one for each.

    A second moment of 0 would make the first steps of these rows as long as the learning rate
    allows, for the old count of iterations switches the correction of Adam's bias off. They begin
    with the mean of the rows that are kept and that training has touched.

    Args:
        slot: The slot of the old weight.
        old: Its numbers `(old rows, ...)`.
        sources: The old row of each new row, negative where there is none.
        values: Numbers of the new rows in the table.
        more: What the slots before this one hold for these rows, by name.
    """
    if slot.kind == "value":
        return values
    if slot.kind == "linear":
        return _linear(slot.optimizer, values, more["accumulator"])
    if slot.kind == "first":
        return np.zeros(old.shape[1:], old.dtype)
    kept = np.zeros(len(old), bool)
    kept[sources[sources >= 0]] = True
    # The old rows serve where no kept one was touched.
    for rows in (kept, np.ones_like(kept)):
        mean = _mean_of_touched(slot, old, rows)
        if mean is not None:
            return mean.astype(old.dtype)
    return np.full(old.shape[1:], slot.start, old.dtype)


def _mean_of_touched(slot: Slot, old: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """The mean row of those that have had a gradient; `None` where none has."""
    total, count = np.zeros(old.shape[1:], "float64"), 0
    for start in range(0, len(old), _CHUNK):
        part = old[start : start + _CHUNK].astype("float32", copy=False)
        moved = part > slot.start + slot.floor
        touched = rows[start : start + _CHUNK] & (moved.any(-1) if old.ndim > 1 else moved)
        total += touched.astype("float32") @ part
        count += int(touched.sum())
    return total / count if count else None


def _linear(optimizer: Any, values: Any, accumulator: Any) -> Any:
    """The sum from which Ftrl computes just these values; from 0 it would compute 0."""
    rate = float(np.asarray(optimizer.learning_rate))
    power = -float(optimizer.learning_rate_power)
    squared = float(optimizer.l2_regularization_strength) + float(optimizer.beta) / (2 * rate)
    quadratic = np.asarray(accumulator, "float64") ** power / rate + 2 * squared
    absolute = float(optimizer.l1_regularization_strength)
    return -(quadratic * values + absolute * np.sign(values))
