"""Counts the non-finite numbers of tensors, as rows of one table."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_initlab import _backend
from keras_initlab.signal.calls import first_float

__all__ = [
    "COLUMNS",
    "RADIX",
    "any_wrong",
    "as_float",
    "countable",
    "filled",
    "head_row",
    "length_of",
    "padded",
    "parts_of",
    "row_of",
    "wrong_in",
]

# Columns of a tensor's row: wrong elements that entered, wrong elements, wrong examples, the first
# four of these, the number of examples, and the largest finite size. Columns of the header: whether
# there was such a step, its number in two parts, whether the loss was wrong, how many rows follow
# of the data, of the calls and of the weights, and the number of examples in the batch.
_PLACES = 4
COLUMNS = 5 + _PLACES
RADIX = 1 << 16

# In the place of a row of the batch: there is none.
_NOWHERE = float(1 << 24)


def length_of(data: Any) -> Any:
    """The number of examples of a batch; 0 where it is not known."""
    for tensor in keras.tree.flatten(data):
        if tensor is not None and _backend.rank_of(_backend.dense_values(tensor)):
            return 0 if _backend.is_sparse(tensor) else ops.shape(tensor)[0]
    return 0


def countable(tensor: Any) -> Any:
    """The tensor if it holds floats, has a first axis, and can be reached from here."""
    tensor = None if tensor is None else first_float(tensor)
    return None if tensor is None or not _backend.rank_of(tensor) else _backend.reachable(tensor)


def any_wrong(tensors: Sequence[Any]) -> Any:
    """1 if a number of any of these tensors is not finite, else 0."""
    return as_float(sum(wrong_in(tensor) for tensor in tensors) > 0) if tensors else 0


def wrong_in(tensor: Any) -> Any:
    """How many numbers are not finite; none where there is no tensor."""
    if tensor is None:
        return as_float(0)
    values = _backend.dense_values(tensor)
    return ops.sum(as_float(ops.logical_not(ops.isfinite(values))))


def row_of(tensor: Any, inputs: list[Any]) -> Any:
    """The row of a tensor, with how many wrong numbers entered by these inputs.

    Where the output hides them, as TensorFlow's fused ReLU does, the examples are those of an input
    that has them.
    """
    counts = _backend.reused(_counts_of)
    entered, own = as_float(0), counts(tensor)
    examples = own[1:-1]
    for given in [counts(tensor) for tensor in inputs]:
        entered += given[0]
        examples = ops.where(examples[0] > 0, examples, given[1:-1])
    return ops.concatenate([ops.reshape(entered, (1,)), own[:1], examples, own[-1:]])


def _counts_of(tensor: Any) -> Any:
    """Wrong elements, wrong examples, the first four of them, their number, and the largest."""
    finite = ops.isfinite(tensor)
    wrong = as_float(ops.logical_not(finite))
    size = ops.where(finite, ops.abs(as_float(tensor)), 0.0)
    by_example = ops.sum(wrong, axis=tuple(range(1, len(tensor.shape))))
    length = ops.shape(by_example)[0]
    places = ops.where(by_example > 0, as_float(ops.arange(length)), _NOWHERE)
    places = ops.concatenate([places, ops.full((_PLACES,), _NOWHERE, "float32")])
    counts = ops.stack([ops.sum(by_example), ops.sum(as_float(by_example > 0))])
    ends = ops.stack([as_float(length), ops.max(size, initial=0.0)])
    return ops.concatenate([counts, -ops.top_k(-places, _PLACES)[0], ends])


def head_row(clock: Any, loss: Any, counts: Sequence[Any], found: Any = 1) -> Any:
    """The first row of the table, with what it says of the step."""
    return ops.expand_dims(padded([found, *parts_of(clock), loss, *counts]), 0)


def parts_of(clock: Any) -> tuple[Any, Any]:
    """The number of a step in two parts, for a float32 holds 24 bits."""
    return clock[0] // RADIX, clock[0] % RADIX


def as_float(number: Any) -> Any:
    """A number or tensor in float32."""
    return ops.cast(number, "float32")


def padded(numbers: Sequence[Any]) -> Any:
    """These numbers first, zeros behind."""
    filled = [*numbers, *[0] * (COLUMNS - len(numbers))]
    return ops.stack([as_float(number) for number in filled])


def filled(rows: list[Any], count: int) -> Any:
    """These rows first, rows of zeros behind."""
    rest = ops.zeros((count - len(rows), COLUMNS), "float32")
    return ops.concatenate([ops.stack(rows), rest]) if rows else rest
