"""A row of numbers for a layer's weight: itself, its gradient, and how far one update moved it."""

import math
from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_initlab import _backend
from keras_initlab.monitor.step.moments import MOMENTS, histogram_of, moments_of
from keras_initlab.monitor.step.samples import as_rows, weight_sample_of, weight_sample_shape

__all__ = ["PARAMETER_COLUMNS", "Weight", "heaviest", "nothing_like", "parameter_row", "part_of"]

PARAMETER_COLUMNS = (
    *(f"weight_{name}" for name in MOMENTS),
    *(f"gradient_{name}" for name in MOMENTS),
    *("moved", "length", "untouched"),
)


@dataclass
class Weight:
    """One watched weight during one training step.

    Args:
        layer: Whose weight it is.
        variable: The Keras variable.
        gradient: As the optimizer received it, loss scale and all.
        scale: What the gradient is multiplied by.
        ids: Rows that the batch looked up, and which of them are no repetition; `None` for a
            weight that is no table.
        before: Its part before the update.
        after: Its part after the update; `None` where the variable itself can be asked.
    """

    layer: Any
    variable: Any
    gradient: Any
    scale: Any
    ids: tuple[Any, Any] | None = None
    before: Any = None
    after: Any = None


def heaviest(layer: Any, variables: list[Any], *, whole: bool) -> Any:
    """The largest trainable weight of a layer among those that an optimizer updates, or `None`.

    Args:
        layer: A Keras layer.
        variables: What the optimizer updates.
        whole: Whether the layer's sublayers count too.
    """
    own = layer.trainable_weights if whole else _backend.own_trainable(layer)
    known = {id(variable) for variable in variables}
    own = [variable for variable in own if id(variable) in known]
    return max(own, key=lambda variable: math.prod(variable.shape), default=None)


def part_of(tensor: Any, ids: tuple[Any, Any] | None, max_elements: int | None) -> Any:
    """The part of a weight, or of its gradient, that is looked at."""
    if ids is not None:
        return _backend.rows_of(tensor, ids[0])
    return weight_sample_of(ops.convert_to_tensor(tensor), max_elements)


def nothing_like(variable: Any, max_elements: int | None) -> Any:
    """Zeros in the place of a weight's part, for the steps that are not looked at."""
    shape = weight_sample_shape(variable.shape, max_elements)
    return ops.zeros(shape, ops.convert_to_tensor(variable.value).dtype)


def parameter_row(
    weight: Weight, *, untouched: Any, max_elements: int | None, histogram: bool
) -> Any:
    """The row of a weight, columns `PARAMETER_COLUMNS`, and behind it the gradient's histogram."""
    valid = None if weight.ids is None else ops.expand_dims(weight.ids[1], 1)
    before = as_rows(weight.before)
    after = weight.after
    if after is None:
        after = part_of(ops.convert_to_tensor(weight.variable.value), weight.ids, max_elements)
    moved = ops.square(as_rows(after) - before)
    length = ops.square(before)
    gradient = as_rows(part_of(weight.gradient, weight.ids, max_elements))
    gradient = gradient / ops.cast(weight.scale, gradient.dtype)
    if valid is not None:
        held = ops.cast(valid, before.dtype)
        moved, length = moved * held, length * held
    row = ops.concatenate(
        [
            moments_of(before, valid),
            moments_of(gradient, valid),
            ops.stack([ops.sum(moved), ops.sum(length), ops.cast(untouched, before.dtype)]),
        ]
    )
    row = ops.cast(row, "float32")
    return ops.concatenate([row, histogram_of(gradient, valid)]) if histogram else row
