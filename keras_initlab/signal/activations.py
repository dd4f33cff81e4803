"""The rows of numbers made of activations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.signal.moments import (
    MOMENTS,
    at_least_one,
    elements_of,
    joined,
    moments_from,
    over_rows,
    rows_counted,
    stacked_rows,
    sums_of,
)
from keras_initlab.signal.samples import Block
from keras_initlab.theory import FlatRegions

__all__ = ["COLUMNS", "Activation", "activation_rows"]

# What a row of an activation holds.
COLUMNS = (*MOMENTS, "zeros", "dead", "rank", "similarity", "saturated")

# Rows from which rank and similarity are estimated.
_RANK_ROWS = 32

# Where they lie, as shares of the whole: one in each of so many equal parts, at a place in it that
# turns by the golden ratio.
_SPREAD = (np.arange(_RANK_ROWS) + np.arange(_RANK_ROWS) * 0.6180339887 % 1) / _RANK_ROWS

_RELU = ((-np.inf, 0.0),)


@dataclass(frozen=True)
class Activation:
    """One activation to measure.

    Args:
        block: Its values.
        flat: Where the layer's activation is flat; `None` where that is unknown.
        before: What entered the activation, where `flat` asks for it.
    """

    block: Block
    flat: FlatRegions | None = None
    before: Block | None = None


def activation_rows(activations: Sequence[Activation]) -> Any:
    """The rows of activations: `(activations, 11)` float32, columns `COLUMNS`."""
    blocks = [activation.block for activation in activations]
    table = stacked_rows(blocks, _measured)
    units = joined([float(block.values.shape[-1]) for block in blocks])
    rows = joined([rows_counted(block) for block in blocks])
    zeros = rows * units - table[:, 4]
    dead = ops.minimum(rows, 1.0) * ((units - table[:, 5]) / units)
    columns = [zeros, dead, *_spectrum(table[:, 6:]), _saturated(activations, zeros)]
    return ops.concatenate([moments_from(blocks, table), ops.stack(columns, axis=1)], axis=1)


def _measured(block: Block) -> Any:
    held = ops.sum(_not_zero(block.values), axis=-2)
    living = ops.sum(_not_zero(held), axis=-1)
    sums = sums_of(block, elements_of(block))
    return ops.stack([*sums, ops.sum(held, axis=-1), living, *_powers(block)], axis=-1)


def _not_zero(values: Any) -> Any:
    """1 or 0; through a boolean, for a comparison takes TensorFlow twice as long."""
    return ops.cast(ops.cast(values, "bool"), values.dtype)


def _powers(block: Block) -> list[Any]:
    """Of a few rows: how many count, and half the squares of their mean, deviations and products.

    These are the squares of the mean row, the trace `tr(C)` of the covariance of the rows, and
    `tr(C**2)`, each without its divisor.
    """
    sample = _spread_rows(block)
    rows, values = rows_counted(sample), sample.values
    mean = ops.sum(values, axis=-2, keepdims=True)
    mean = mean / (rows if isinstance(rows, float) else over_rows(at_least_one(rows)))
    centered = values - mean
    if sample.weights is not None:
        centered = centered * ops.expand_dims(sample.weights, -1)
    products = ops.matmul(centered, ops.swapaxes(centered, -2, -1))
    halves = [_backend.half_sum_of_squares(part) for part in (mean, centered, products)]
    return [rows + ops.zeros_like(halves[0]), *halves]


def _spectrum(powers: Any) -> list[Any]:
    """Effective rank about the mean, and mean likeness of two rows, from a few rows.

    The rank is the participation ratio of the singular values, `tr(C)**2 / tr(C**2)`: 1 if all
    units do the same. The likeness is the mean inner product of two different rows over their mean
    square: 1 if all examples look the same.
    """
    rows, mean, trace, products = (powers[:, place] for place in range(4))
    rank = ops.divide_no_nan(2.0 * ops.square(trace), products)
    shared = mean * rows
    share = ops.divide_no_nan(shared, shared + trace)
    return [rank, (rows * share - 1.0) / ops.maximum(rows - 1.0, 1.0)]


def _spread_rows(block: Block) -> Block:
    """Rows all over the block, at other positions of the examples each time.

    Neighbouring rows may be positions of one example, too alike to tell about the layer; rows at
    equal distances are the same position of every example, the corner of all images say.
    """
    rows = block.values.shape[-2]
    if rows is not None and rows <= _RANK_ROWS:
        return block
    if rows is not None:
        places = (_SPREAD * rows).astype("int32")
    else:
        rows = ops.shape(block.values)[-2]
        most = ops.minimum(rows, _RANK_ROWS)
        spread = ops.cast(ops.convert_to_tensor(_SPREAD)[:most], "float32")
        spread = spread * ops.cast(rows, "float32")
        # Few rows are all taken.
        every = ops.arange(most, dtype="int32")
        places = ops.where(rows <= _RANK_ROWS, every, ops.cast(spread, "int32"))
    weights = block.weights
    return Block(
        _backend.gathered(block.values, places, axis=len(block.values.shape) - 2),
        None if weights is None else _backend.gathered(weights, places, len(weights.shape) - 1),
    )


def _saturated(activations: Sequence[Activation], zeros: Any) -> Any:
    """How many elements of each lie where its activation is flat: `(activations,)`."""
    asked = [place for place, activation in enumerate(activations) if _must_compare(activation)]
    # ReLU is flat where its output is zero, for it is never below.
    shares = np.array([_known_share(activation) for activation in activations], "float32")
    known = ops.convert_to_tensor(shares)
    column = zeros * known
    if not asked:
        return column
    counts = stacked_rows([_compared(activations[place]) for place in asked], _count_of)
    places = ops.convert_to_tensor(np.array(asked)[:, None], "int32")
    return ops.scatter_update(column, places, counts[:, 0])


def _must_compare(activation: Activation) -> bool:
    flat = activation.flat
    if flat is None or not flat.regions or flat.regions == _RELU:
        return False
    return flat.of == "output" or activation.before is not None


def _known_share(activation: Activation) -> float:
    """What the count of zeros is to be multiplied by: 1 for ReLU, 0 if never flat, or NaN."""
    flat = activation.flat
    if flat is None or (flat.of == "input" and activation.before is None):
        return np.nan
    return 1.0 if flat.of == "output" and flat.regions == _RELU else 0.0


def _compared(activation: Activation) -> Block:
    """1 where the activation is flat, also in rows that do not count."""
    flat, block = activation.flat, activation.block
    if flat is None:
        raise ValueError(f"It is not known where an activation is flat. Received: {activation}.")
    if flat.of == "input" and activation.before is not None:
        block = activation.before
    inside = None
    for low, high in flat.regions:
        here = block.values >= low if np.isfinite(low) else block.values <= high
        if np.isfinite(low) and np.isfinite(high):
            here = ops.logical_and(here, block.values <= high)
        inside = here if inside is None else ops.logical_or(inside, here)
    return replace(block, values=ops.cast(inside, block.values.dtype))


def _count_of(block: Block) -> Any:
    values = block.values
    if block.weights is not None:
        values = values * ops.expand_dims(block.weights, -1)
    return ops.expand_dims(ops.sum(values, axis=(-2, -1)), -1)
