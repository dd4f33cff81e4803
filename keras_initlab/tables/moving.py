"""Rows that move to where their tokens are now."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_initlab.initializers.arguments import InitializerLike
from keras_initlab.initializers.catalogue import scheme_of
from keras_initlab.initializers.seeds import seeded
from keras_initlab.tables.filling import drawn_rows, same_law
from keras_initlab.tables.tokens import NEW, checked_tokens, sources_of

__all__ = ["move_rows", "taken"]


def move_rows(
    values: Any,
    old_tokens: Sequence[Any],
    new_tokens: Sequence[Any],
    *,
    scheme: InitializerLike,
    seed: int | None = None,
) -> np.ndarray:
    """A table for a new vocabulary: rows move by token, and the others are drawn.

    Args:
        values: Array `(old rows, dimensions)`.
        old_tokens: The token of each old row, from the first on. A token that stands in several
            rows must stand in as many new ones. Rows beyond the last token, and those of the token
            `None`, stand for nothing and are matched in order.
        new_tokens: The token of each new row. `range(n)` for ids that mean the same as before.
        scheme: Draws the new rows as in a table of the new size, for example `UnitLookup()`.
        seed: Takes the place of the scheme's seed.

    Returns:
        Array `(new rows, dimensions)` of the dtype of `values`.

    Raises:
        TypeError: If the tokens are not sequences, or of different types.
        ValueError: If the table does not have two axes or has more tokens than rows, or if a token
            stands in several rows, but in a different number of new ones.

    Example:
        >>> old = np.array([[0.0], [1.0], [2.0]])
        >>> move_rows(old, ["?", "ann", "bob"], ["?", "bob", "cat"], scheme="ones").tolist()
        [[0.0], [2.0], [1.0]]
    """
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"A table has two axes. Received: an array of shape {values.shape}.")
    old = checked_tokens(old_tokens, "old_tokens", len(values))
    new = checked_tokens(new_tokens, "new_tokens")
    sources = sources_of(old, new, "values")
    drawing = same_law(scheme_of(scheme))
    drawing = drawing if seed is None else seeded(drawing, seed)
    rows = np.flatnonzero(sources == NEW)
    return taken(values, sources, drawn_rows(drawing, (len(new), *values.shape[1:]), rows))


def taken(values: np.ndarray, sources: np.ndarray, fresh: Any, out: Any = None) -> np.ndarray:
    """Rows of an array by their sources, with fresh ones where there is none.

    Args:
        values: Array `(old rows, ...)`.
        sources: Integers `(new rows,)`, `NEW` where there is no old row.
        fresh: The new rows in order, or one for all.
        out: Written where given.
    """
    if out is None:
        out = np.empty((len(sources), *values.shape[1:]), values.dtype)
    new = sources == NEW
    if len(values):
        # `NEW` takes any row, which is written over.
        np.take(values, sources, axis=0, out=out, mode="clip")
    if new.any():
        out[new] = fresh
    return out
