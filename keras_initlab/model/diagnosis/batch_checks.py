"""Checks that data fit a model: the errors name the input and say what fits."""

from typing import Any

import keras
import numpy as np

from keras_initlab import _backend
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.inputs import input_pairs

__all__ = [
    "check_ids",
    "check_inputs",
    "check_lengths",
    "check_numbers",
    "length_of",
]


def check_inputs(model: Any, x: Any) -> None:
    """Compare the inputs with those of a functional model, one by one.

    Args:
        model: A built Keras model.
        x: Inputs.

    Raises:
        ValueError: If one is missing, has another shape, or holds strings where numbers go.
    """
    for tensor, array in input_pairs(model, x):
        _check_shape(tensor, array)
        if keras.backend.standardize_dtype(tensor.dtype) != "string":
            _check_kind(f"for the input {tensor.name!r}", array)


def check_ids(anatomy: Anatomy, x: Any) -> None:
    """Refuse ids without a row in the tables that look them up.

    Args:
        anatomy: Of a built Keras model.
        x: Inputs that `check_inputs` has passed.

    Raises:
        ValueError: If an id has none. JAX silently reads another row, or NaN.
    """
    for tensor, array in input_pairs(anatomy.model, x):
        tables = anatomy.graph.tables_of(tensor)
        if tables and not _backend.is_sparse(array):
            _check_ids_in(tensor.name, array, min(tables, key=lambda table: table.input_dim))


def _check_ids_in(name: str, array: Any, table: Any) -> None:
    ids = np.asarray(_backend.dense_values(array))
    broken = ids[~((ids >= 0) & (ids < table.input_dim))]
    if broken.size:
        raise ValueError(
            f"`data` for the input {name!r} must hold ids from 0 to {table.input_dim - 1}, the "
            f"rows of the layer {table.name!r}. Received: {broken.size} other ids, the first "
            f"{broken[0]}. Try a larger `input_dim`."
        )


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


def check_lengths(fields: Any, count: int) -> None:
    """Refuse labels and weights that are not one per example.

    Args:
        fields: Inputs, labels and sample weights.
        count: Examples.

    Raises:
        ValueError: If there are more or fewer of them.
    """
    for name, arrays in zip(("labels", "sample weights"), fields[1:], strict=True):
        for array in keras.tree.flatten(arrays):
            shape = tuple(getattr(array, "shape", ()))
            if array is not None and (not shape or int(shape[0]) != count):
                raise ValueError(
                    f"`data` must hold {name} for each of its {count} examples, as an array. "
                    f"Received: {name} of shape {shape or type(array).__name__}. Try `np.array`."
                )


def length_of(x: Any) -> int:
    """Number of examples in the inputs.

    Args:
        x: Any structure of arrays.

    Raises:
        ValueError: If there are none, or the inputs hold different numbers of them.
    """
    flat = keras.tree.flatten_with_path(x)
    lengths = {int(array.shape[0]) for _, array in flat}
    if len(lengths) != 1 or not min(lengths):
        shapes = ", ".join(f"{tuple(array.shape)}{_at(path)}" for path, array in flat)
        raise ValueError(
            "All inputs must hold the same number of examples, at least one. "
            f"Received: `data` with inputs of shapes {shapes}."
        )
    return lengths.pop()


def _at(path: tuple) -> str:
    """The place of an array in a structure, for messages; empty for an array alone."""
    return f" at {'/'.join(map(repr, path))}" if path else ""


def _check_kind(whose: str, array: Any) -> None:
    """Refuse strings and objects."""
    dtype = str(array.dtype if hasattr(array, "dtype") else np.asarray(array).dtype)
    if dtype.startswith(("<U", "|S", "object")) or "str" in dtype.lower():
        raise ValueError(
            f"`data` {whose} must hold numbers. Received: an array of dtype {dtype}. "
            "Try `keras.layers.StringLookup`, or `array.astype(...)`."
        )


def check_numbers(name: str, arrays: Any) -> None:
    """Refuse NaN and infinite numbers; in labels and weights strings too.

    Args:
        name: Name of the arrays for messages, as "labels".
        arrays: Any structure of arrays.

    Raises:
        ValueError: If there are any, with the place of the array in the structure.
    """
    for path, array in keras.tree.flatten_with_path(arrays):
        if name != "inputs" and array is not None:
            _check_kind(f"of {name}{_at(path)}", array)
        if not hasattr(array, "dtype") or "float" not in str(array.dtype):
            continue
        values = np.asarray(_backend.dense_values(array))
        broken = int(values.size - np.isfinite(values.astype("float32")).sum())
        if broken:
            raise ValueError(
                f"`data` must be finite. Received: {broken} NaN or infinite numbers among "
                f"{values.size} of the {name}{_at(path)}. Try `np.nan_to_num`, or drop them."
            )
