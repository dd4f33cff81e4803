"""The batch that a model is looked at with: the user's, or random numbers of the right kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.initializers.checks import checked_count
from keras_initlab.model.diagnosis.batch_checks import (
    check_ids,
    check_inputs,
    check_lengths,
    check_numbers,
    length_of,
)
from keras_initlab.model.diagnosis.random_inputs import LENGTHS, lengths_for, random_inputs

__all__ = ["Batch", "batch_of", "made_up"]


@dataclass(frozen=True)
class Batch:
    """One batch.

    Args:
        x: What the model takes.
        y: Its labels, `None` if there are none.
        sample_weight: As `fit` takes it, or `None`.
        notes: What the user should know of it.
        others: Lengths of random inputs that are left to try; `None` for data of the user.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None
    notes: tuple[str, ...] = ()
    others: tuple[int, ...] | None = None

    @property
    def tensors(self) -> tuple[Any, Any, Any]:
        """The three of them."""
        return self.x, self.y, self.sample_weight

    @property
    def size(self) -> int:
        """Examples."""
        return int(keras.tree.flatten(self.x)[0].shape[0])

    def half(self) -> "Batch":
        """The first half of the examples."""
        count = max(1, self.size // 2)
        note = f"out of memory with {self.size} examples: the first {count} are looked at"
        x, y, sample_weight = _first_examples(self.tensors, count)
        return Batch(x, y, sample_weight, (*self.notes, note), self.others)


def batch_of(anatomy: Anatomy, data: Any, examples: int) -> Batch:
    """A batch for a model.

    Args:
        anatomy: Of a built Keras model.
        data: Inputs, `(inputs, labels)`, `(inputs, labels, weights)`, or a dataset, of which the
            first batch is taken; `None` for random inputs.
        examples: Examples at most.

    Raises:
        ValueError: If the inputs are not those of the model, or hold NaN.
    """
    checked_count(examples, "examples", "bounds the examples looked at")
    if data is None:
        return made_up(anatomy, examples, lengths_for(anatomy.model))
    first = _first_of(data)
    # Keras's own unpacking takes a list for a tuple; here it is one of several inputs.
    parts = (*first, None, None)[:3] if isinstance(first, tuple) else (first, None, None)
    check_inputs(anatomy.model, parts[0])
    count = length_of(parts[0])
    notes: tuple[str, ...] = ()
    check_lengths(parts, count)
    if count > examples:
        parts = _first_examples(parts, examples)
        notes = (f"the first {examples} of {count} examples are looked at",)
    check_ids(anatomy, parts[0])
    for name, part in zip(("inputs", "labels", "sample weights"), parts, strict=True):
        check_numbers(name, part)
    x, y, sample_weight = keras.tree.map_structure(_tensor_of, parts)
    return Batch(x, y, sample_weight, notes)


def made_up(anatomy: Anatomy, examples: int, lengths: Sequence[int]) -> Batch:
    """Random inputs, of the first of some lengths where the model leaves the length open.

    Args:
        anatomy: Of a built Keras model.
        examples: Examples at most; fewer of long ones.
        lengths: What is to be tried in turn.

    Raises:
        ValueError: If the model does not say what it takes.
    """
    length, *others = lengths
    fewer = max(1, min(examples, examples * LENGTHS[0] // length))
    x, note = random_inputs(anatomy, fewer, length)
    tensors = keras.tree.map_structure(ops.convert_to_tensor, x)
    return Batch(tensors, notes=(note,), others=tuple(others))


def _first_examples(parts: Any, count: int) -> Any:
    return keras.tree.map_structure(lambda each: None if each is None else each[:count], parts)


def _tensor_of(array: Any) -> Any:
    return None if array is None else ops.convert_to_tensor(array)


def _first_of(data: Any) -> Any:
    """The first batch of a dataset; arrays as they are."""
    if isinstance(data, keras.utils.PyDataset):
        return data[0]
    loads = hasattr(data, "__iter__") and not hasattr(data, "shape")
    if not loads or isinstance(data, (tuple, list, dict)) or hasattr(data, "iloc"):
        return data
    first = next(iter(data), None)
    if first is None:
        raise ValueError(f"`data` must hold at least one batch. Received: data={data!r}, empty.")
    return first
