"""The batch that a model is measured on: the user's data, or random inputs of the right kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
from keras import ops

from keras_initlab import _backend
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

__all__ = ["Batch", "batch_of", "made_up", "run_in_memory"]

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Batch:
    """One batch.

    Args:
        x: Inputs of the model.
        y: Labels, `None` if there are none.
        sample_weight: As `fit` takes it, or `None`.
        notes: Notes for the user about this batch.
        others: Lengths of random inputs that are left to try; `None` for the user's own data.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None
    notes: tuple[str, ...] = ()
    others: tuple[int, ...] | None = None

    @property
    def tensors(self) -> tuple[Any, Any, Any]:
        """Inputs, labels and sample weights."""
        return self.x, self.y, self.sample_weight

    @property
    def size(self) -> int:
        """Number of examples."""
        return int(keras.tree.flatten(self.x)[0].shape[0])

    def half(self) -> "Batch":
        """The first half of the examples."""
        count = max(1, self.size // 2)
        note = f"out of memory with {self.size} examples: only the first {count} are measured"
        x, y, sample_weight = _first_examples(self.tensors, count)
        return Batch(x, y, sample_weight, (*self.notes, note), self.others)


def run_in_memory(function: Callable[[Batch], _Result], batch: Batch) -> tuple[Batch, _Result]:
    """Run a function on a batch, and on half of it again and again while memory is short.

    Returns:
        The part of the batch that fits into memory, and the result for it.
    """
    while True:
        try:
            return batch, function(batch)
        except Exception as error:
            if not _backend.is_out_of_memory(error) or batch.size == 1:
                raise
            batch = batch.half()


def batch_of(anatomy: Anatomy, data: Any, examples: int) -> Batch:
    """A batch for a model.

    Args:
        anatomy: Of a built Keras model.
        data: Inputs, `(inputs, labels)`, `(inputs, labels, weights)`, or a dataset, of which the
            first batch is taken; `None` for random inputs.
        examples: Examples at most.

    Raises:
        ValueError: If the inputs do not fit the model, or hold NaN.
    """
    checked_count(examples, "examples", "limits the examples measured")
    if data is None:
        return made_up(anatomy, examples, lengths_for(anatomy.model))
    first = _first_of(data)
    # Keras's own unpacking takes a list for a tuple; here a list holds several inputs.
    fields = (*first, None, None)[:3] if isinstance(first, tuple) else (first, None, None)
    check_inputs(anatomy.model, fields[0])
    count = length_of(fields[0])
    examples = _fixed_count(anatomy.model) or examples
    notes: tuple[str, ...] = ()
    check_lengths(fields, count)
    if count > examples:
        fields = _first_examples(fields, examples)
        notes = (f"only the first {examples} of {count} examples are measured",)
    check_ids(anatomy, fields[0])
    for name, arrays in zip(("inputs", "labels", "sample weights"), fields, strict=True):
        check_numbers(name, arrays)
    x, y, sample_weight = keras.tree.map_structure(_tensor_of, fields)
    return Batch(x, y, sample_weight, notes)


def made_up(anatomy: Anatomy, examples: int, lengths: Sequence[int]) -> Batch:
    """Random inputs. Where the model leaves a length open, it is the first of some lengths.

    Args:
        anatomy: Of a built Keras model.
        examples: Examples at most; fewer of long ones.
        lengths: Lengths to try in turn.

    Raises:
        ValueError: If the shapes of the inputs are not known.
    """
    length, *others = lengths
    fewer = _fixed_count(anatomy.model) or max(1, min(examples, examples * LENGTHS[0] // length))
    x, note = random_inputs(anatomy, fewer, length)
    tensors = keras.tree.map_structure(ops.convert_to_tensor, x)
    return Batch(tensors, notes=(note,), others=tuple(others))


def _fixed_count(model: Any) -> int | None:
    """How many examples a model takes whose inputs fix that, as stateful layers need it."""
    inputs = getattr(model, "inputs", None) or []
    counts = {tensor.shape[0] for tensor in inputs}
    return counts.pop() if len(counts) == 1 else None


def _first_examples(fields: Any, count: int) -> Any:
    return keras.tree.map_structure(lambda array: None if array is None else array[:count], fields)


def _tensor_of(array: Any) -> Any:
    return None if array is None else _backend.tensor_of(array)


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
