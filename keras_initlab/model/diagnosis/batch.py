"""The batch that a model is looked at with: the user's, or random numbers of the right kind."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.initializers.checks import checked_count
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
    _check_inputs(model, parts[0])
    count, notes = _length_of(parts[0]), ()
    _check_lengths(parts, count)
    if count > examples:
        parts = _first_examples(parts, examples)
        notes = (f"the first {examples} of {count} examples are looked at",)
    for name, part in zip(("inputs", "labels", "sample weights"), parts, strict=True):
        _check_finite(name, part)
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


def _length_of(x: Any) -> int:
    flat = keras.tree.flatten_with_path(x)
    lengths = {int(each.shape[0]) for _, each in flat}
    if len(lengths) != 1 or not min(lengths):
        shapes = ", ".join(f"{tuple(each.shape)}{_at(path)}" for path, each in flat)
        raise ValueError(
            "All inputs hold the same number of examples, at least one. "
            f"Received: `data` with inputs of shapes {shapes}."
        )
    return lengths.pop()


def _at(path: tuple) -> str:
    """Where an array stands in a structure; nothing for an array alone."""
    return f" at {'/'.join(map(repr, path))}" if path else ""


def _check_lengths(parts: Any, count: int) -> None:
    """Labels and weights go with the examples."""
    for name, part in zip(("labels", "sample weights"), parts[1:], strict=True):
        for array in keras.tree.flatten(part):
            shape = tuple(getattr(array, "shape", ()))
            if array is not None and (not shape or int(shape[0]) != count):
                raise ValueError(
                    f"`data` must hold {name} for each of its {count} examples, as an array. "
                    f"Received: {name} of shape {shape or type(array).__name__}. Try `np.array`."
                )


def _check_inputs(model: Any, x: Any) -> None:
    """Compare the inputs with those of a functional model, one by one."""
    if not getattr(model, "inputs", None):
        return
    expected = _backend.input_structure(model)
    if isinstance(x, dict):
        by_name = {each.name: each for each in model.inputs}
        named = expected if isinstance(expected, dict) else by_name
        missing = [name for name in named if name not in x]
        if missing:
            raise ValueError(
                f"`data` must hold the inputs {list(named)} of the model {model.name!r}. "
                f"Received: inputs {list(x)}, without {missing}."
            )
        x, expected = [x[name] for name in named], list(named.values())
    arrays, tensors = keras.tree.flatten(x), keras.tree.flatten(expected)
    if len(arrays) != len(tensors):
        raise ValueError(
            f"`data` must hold {len(tensors)} inputs, {[each.name for each in tensors]}. "
            f"Received: {len(arrays)}. "
            "Try a list of arrays, or a dict; a tuple is `(inputs, labels)`."
        )
    for tensor, array in zip(tensors, arrays, strict=True):
        _check_shape(tensor, array)


def _check_shape(tensor: Any, array: Any) -> None:
    shape = tuple(np.shape(array) if not hasattr(array, "shape") else array.shape)
    fits = len(shape) == len(tensor.shape) and all(
        want is None or have is None or want == have
        for want, have in zip(tensor.shape[1:], shape[1:], strict=True)
    )
    # Keras adds the last axis of length 1 itself.
    if not fits and (*shape, 1)[1:] != tuple(tensor.shape[1:]):
        raise ValueError(
            f"`data` for the input {tensor.name!r} must have the shape {tuple(tensor.shape)}. "
            f"Received: an array of shape {shape}."
        )


def _check_finite(name: str, part: Any) -> None:
    for path, array in keras.tree.flatten_with_path(part):
        if not hasattr(array, "dtype") or "float" not in str(array.dtype):
            continue
        values = np.asarray(array)
        broken = int(values.size - np.isfinite(values.astype("float32")).sum())
        if broken:
            raise ValueError(
                f"`data` must be finite. Received: {broken} NaN or infinite numbers among "
                f"{values.size} of the {name}{_at(path)}. Try `np.nan_to_num`, or drop them."
            )
