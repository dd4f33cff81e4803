"""The batch that a model is looked at with: the user's, or random numbers of the right kind."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_initlab.initializers.checks import checked_count
from keras_initlab.model.diagnosis.batch_checks import (
    check_ids,
    check_inputs,
    check_lengths,
    check_numbers,
    length_of,
)
from keras_initlab.model.diagnosis.random_inputs import random_inputs

__all__ = ["Batch", "batch_of"]


@dataclass(frozen=True)
class Batch:
    """One batch.

    Args:
        x: What the model takes.
        y: Its labels, `None` if there are none.
        sample_weight: As `fit` takes it, or `None`.
        notes: What the user should know of it.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None
    notes: tuple[str, ...] = ()

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
        parts = _first_examples(self.tensors, count)
        return Batch(*parts, (*self.notes, note))


def batch_of(model: Any, data: Any, examples: int) -> Batch:
    """A batch for a model.

    Args:
        model: A built Keras model.
        data: Inputs, `(inputs, labels)`, `(inputs, labels, weights)`, or a dataset, of which the
            first batch is taken; `None` for random inputs.
        examples: Examples at most.

    Raises:
        ValueError: If the inputs are not those of the model, or hold NaN.
    """
    checked_count(examples, "examples", "bounds the examples looked at")
    if data is None:
        x, note = random_inputs(model, examples)
        return Batch(keras.tree.map_structure(ops.convert_to_tensor, x), notes=(note,))
    first = _first_of(data)
    # Keras's own unpacking takes a list for a tuple; here it is one of several inputs.
    parts = (*first, None, None)[:3] if isinstance(first, tuple) else (first, None, None)
    check_inputs(model, parts[0])
    count, notes = length_of(parts[0]), ()
    check_lengths(parts, count)
    if count > examples:
        parts = _first_examples(parts, examples)
        notes = (f"the first {examples} of {count} examples are looked at",)
    check_ids(model, parts[0])
    for name, part in zip(("inputs", "labels", "sample weights"), parts, strict=True):
        check_numbers(name, part)
    return Batch(*keras.tree.map_structure(_tensor_of, parts), notes)


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
