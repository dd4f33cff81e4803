"""Tables whose vocabulary grows, and rows that training has never touched."""

from typing import Any, Literal, get_args

import keras
import numpy as np
import numpy.typing as npt

from keras_initlab.initializers.arguments import InitializerLike
from keras_initlab.initializers.base import Scheme
from keras_initlab.initializers.catalogue import scheme_of
from keras_initlab.initializers.checks import checked_choice
from keras_initlab.initializers.seeds import seeded

__all__ = ["extend_table", "fill_cold_rows"]

_Filling = Literal["mean", "zero"]


def extend_table(
    table: Any, rows: int, *, scheme: InitializerLike | None = None, seed: int | None = None
) -> np.ndarray:
    """A table with more rows: the old ones unchanged, the new ones as in a larger table.

    The new rows are those of a table of the new size, so they have the law that the scheme gives to
    that size, and only they are drawn.

    Args:
        table: A built `keras.layers.Embedding`, or an array `(old rows, dimensions)`.
        rows: Rows of the new table, at least those of the old one.
        scheme: Draws the new rows; `None` takes the layer's `embeddings_initializer`.
        seed: Takes the place of the scheme's seed.

    Returns:
        Array `(rows, dimensions)` for `set_weights` of the larger layer.

    Raises:
        TypeError: If an array comes without a scheme.
        ValueError: If the table does not have two axes, or has more rows than requested.

    Example:
        >>> old = np.ones((3, 2), "float32")
        >>> extend_table(old, 5, scheme="zeros").tolist()
        [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    """
    old, drawing = _values_of(table), _scheme_of(table, scheme)
    count, dimensions = old.shape
    if rows < count:
        raise ValueError(
            "`rows` is the size of the larger table, so it must be at least that of the old one. "
            f"Received: rows={rows}, a table of {count} rows."
        )
    if seed is not None:
        drawing = seeded(drawing, seed)
    new = _drawn(drawing, (rows, dimensions), count)
    return np.concatenate([old, new.astype(old.dtype)])


def fill_cold_rows(layer: Any, seen: npt.ArrayLike, *, how: _Filling = "mean") -> int:
    """Replace the rows that training never touched by the mean row, or by zeros.

    A row whose id was not in the training data still holds the random numbers that it started with,
    and a lookup of that id returns them. Call it after training.

    Args:
        layer: A built `keras.layers.Embedding`, changed in place.
        seen: Integers of any shape, the ids in the training data.
        how: `"mean"`, the mean of the rows that were seen, or `"zero"`.

    Returns:
        How many rows were filled.

    Raises:
        ValueError: If no row was seen, or an id is not in the table.

    Example:
        >>> layer = keras.layers.Embedding(4, 2, embeddings_initializer="ones")
        >>> layer.build(())
        >>> fill_cold_rows(layer, [0, 2], how="zero")
        2
        >>> keras.ops.convert_to_numpy(layer.embeddings)[:, 0].tolist()
        [1.0, 0.0, 1.0, 0.0]
    """
    checked_choice(how, "how", get_args(_Filling))
    values = _values_of(layer)
    ids = np.unique(np.asarray(seen))
    if not len(ids) or ids[0] < 0 or ids[-1] >= len(values):
        shown = f"from {ids[0]} to {ids[-1]}" if len(ids) else "none"
        raise ValueError(
            f"`seen` lists ids of the layer {layer.name!r}, from 0 to {len(values) - 1}. "
            f"Received: {shown}."
        )
    cold = np.ones(len(values), bool)
    cold[ids] = False
    filled = values.copy()
    filled[cold] = 0 if how == "zero" else values[ids].mean(0, dtype="float64")
    layer.embeddings.assign(filled)
    return int(cold.sum())


def _values_of(table: Any) -> np.ndarray:
    if isinstance(table, keras.layers.Layer):
        if not isinstance(table, keras.layers.Embedding) or not table.built:
            raise TypeError(
                "`table` must be a built `keras.layers.Embedding` or array `(rows, dimensions)`. "
                f"Received: the layer {table.name!r} of class {type(table).__name__}"
                f"{'' if table.built else ', which is not built'}."
            )
        table = keras.ops.convert_to_numpy(table.embeddings)
    values = np.asarray(table)
    if values.ndim != 2:
        raise ValueError(f"A table has two axes. Received: an array of shape {values.shape}.")
    return values


def _scheme_of(table: Any, scheme: InitializerLike | None) -> Any:
    scheme = getattr(table, "embeddings_initializer", None) if scheme is None else scheme
    if scheme is None:
        raise TypeError(
            "An array has no initializer of its own, so `scheme` must be given. "
            "Try `scheme=UnitLookup()`."
        )
    return scheme_of(scheme)


def _drawn(scheme: Any, shape: tuple[int, int], start: int) -> np.ndarray:
    """The rows from `start` on. Keras's own schemes draw no part, so they draw the whole table."""
    if not isinstance(scheme, Scheme):
        return np.asarray(keras.ops.convert_to_numpy(scheme(shape)))[start:]
    size, offset = (shape[0] - start, shape[1]), (start, 0)
    return np.asarray(
        keras.ops.convert_to_numpy(scheme(shape, partition_shape=size, partition_offset=offset))
    )
