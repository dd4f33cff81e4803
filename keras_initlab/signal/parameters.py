"""A row of numbers for a layer's weight: itself, its gradient, and how far one update moved it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.signal.moments import MOMENTS, moment_rows, stacked_rows
from keras_initlab.signal.samples import (
    Block,
    rows_block,
    weight_sample_of,
    weight_sample_shape,
)

__all__ = [
    "PARAMETER_COLUMNS",
    "Weight",
    "gradient_block",
    "heaviest",
    "keep_before",
    "parameter_rows",
    "part_of",
]

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


def keep_before(weights: list[Weight], due: Any, most: int | None) -> None:
    """Keep samples of weights from before the optimizer's step.

    Args:
        weights: The weights, which get them.
        due: Whether this step takes a look, as a tensor; `None` in an eager step that does.
        most: So many elements at most.
    """
    if due is None:
        for weight in weights:
            # A copy: the variable is about to change in place.
            weight.before = ops.copy(_part_now(weight, most))
        return
    plain = [weight for weight in weights if weight.ids is None]
    for weight in weights:
        if weight.ids is not None:
            weight.before = _part_now(weight, most)
    if plain:
        held = _backend.when(
            due,
            lambda: tuple(_part_now(weight, most) for weight in plain),
            tuple(_nothing_like(weight.variable, most) for weight in plain),
        )
        for weight, before in zip(plain, held, strict=True):
            weight.before = before


def _part_now(weight: Weight, most: int | None) -> Any:
    return part_of(weight, ops.convert_to_tensor(weight.variable.value), most)


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


def part_of(weight: Weight, tensor: Any, max_elements: int | None) -> Any:
    """The part of a weight's value, or of its gradient, that is looked at: `(rows, last axis)`.

    Args:
        weight: Whose shape it is: a gradient on TensorFlow may not know its own.
        tensor: The value or the gradient.
        max_elements: Elements looked at, `None` for all.
    """
    if weight.ids is None:
        shape = tuple(weight.variable.shape)
        return weight_sample_of(ops.convert_to_tensor(tensor), max_elements, shape)
    return _backend.rows_of(tensor, weight.ids[0])


def _nothing_like(variable: Any, max_elements: int | None) -> Any:
    """Zeros in the place of a weight's part, for the steps that are not looked at."""
    shape = weight_sample_shape(variable.shape, max_elements)
    return ops.zeros(shape, ops.convert_to_tensor(variable.value).dtype)


def parameter_rows(
    weights: Sequence[Weight], shares: Any, max_elements: int | None, watch: Sequence[str]
) -> Any:
    """The rows of weights: `(weights, 15)` float32, columns `PARAMETER_COLUMNS`.

    Args:
        weights: The weights.
        shares: `(weights,)` untouched share of each, NaN for what is no table.
        max_elements: Elements looked at of each, `None` for all.
        watch: Whether `"gradients"` and `"updates"` are asked for; else their columns are NaN and
            the step is left as it is, for XLA rounds anew what it fuses anew.
    """
    before = [_block(weight, weight.before, max_elements) for weight in weights]
    unknown = ops.full((len(weights), len(MOMENTS)), np.nan, "float32")
    gradients, moved = unknown, unknown[:, :1]
    if "gradients" in watch:
        blocks = [gradient_block(weight, max_elements) for weight in weights]
        gradients = moment_rows(blocks)
    if "updates" in watch:
        after = [_block(weight, _after(weight, max_elements), max_elements) for weight in weights]
        steps = [
            replace(new, values=new.values - old.values)
            for new, old in zip(after, before, strict=True)
        ]
        moved = stacked_rows(steps, _squares)
    moments = moment_rows(before)
    count, mean, squares = (moments[:, place] for place in range(3))
    length = squares + count * ops.square(mean)
    columns = [moments, gradients, moved, ops.stack([length, shares], axis=1)]
    return ops.concatenate(columns, axis=1)


def gradient_block(weight: Weight, max_elements: int | None) -> Block:
    """The gradient's part, without the loss scale."""
    part = part_of(weight, _backend.isolated(weight.gradient), max_elements)
    block = _block(weight, part, max_elements)
    if isinstance(weight.scale, float) and weight.scale == 1.0:
        return block
    return replace(block, values=block.values / ops.cast(weight.scale, block.values.dtype))


def _after(weight: Weight, max_elements: int | None) -> Any:
    if weight.after is not None:
        return weight.after
    return part_of(weight, ops.convert_to_tensor(weight.variable.value), max_elements)


def _block(weight: Weight, part: Any, max_elements: int | None) -> Block:
    rows = ops.cast(part, "float64" if part.dtype == "float64" else "float32")
    if weight.ids is None:
        return rows_block(rows, None)
    # Asked of the variable: replicas lose the width of a sparse gradient when they add it up.
    units = weight.variable.shape[-1]
    most = None if max_elements is None else max(1, max_elements // units)
    return rows_block(ops.reshape(rows, (-1, units)), most, weight.ids[1])


def _squares(block: Block) -> Any:
    """Rows that do not count are zero."""
    return ops.expand_dims(2.0 * _backend.half_sum_of_squares(block.values), -1)
