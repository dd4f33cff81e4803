"""Numbers of rows that a table did not have before."""

from typing import Any, Literal, get_args

import keras
import numpy as np

from keras_initlab.initializers import plain
from keras_initlab.initializers.arguments import InitializerLike
from keras_initlab.initializers.base import Scheme
from keras_initlab.initializers.catalogue import scheme_of
from keras_initlab.initializers.seeds import reseeded, seeded

__all__ = ["Filling", "Rule", "drawn_rows", "same_law"]

Rule = Literal["initializer", "oov", "mean", "zero"]
FILLINGS: tuple[str, ...] = get_args(Rule)
# As many rows are drawn at once.
_CHUNK = 65_536


class Filling:
    """The first values of new rows in tables.

    Args:
        rule: `"initializer"`, `"oov"`, `"mean"`, `"zero"`, or a scheme.
        seed: Takes the place of the schemes' seeds; tables differ all the same.
    """

    def __init__(self, rule: Any, seed: int | None):
        self.seed = seed
        self._scheme = None
        if isinstance(rule, str) and rule in FILLINGS:
            self.rule = rule
        else:
            self.rule, self._scheme = "initializer", _scheme_named(rule)

    def scheme_for(self, own: Any, path: str) -> Any:
        """What draws the new rows of a table, or `None` where none are drawn.

        Args:
            own: The table's own initializer.
            path: Where the table is, which makes its stream its own.
        """
        if self.rule != "initializer":
            return None
        scheme = own if self._scheme is None else self._scheme
        if scheme is None or self.seed is None:
            return scheme
        return reseeded(seeded(same_law(scheme), self.seed), path)

    def row_of(self, values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """The row `(dimensions,)` that all new rows get, where none are drawn.

        Args:
            values: The old table.
            chosen: The old rows whose mean it is, unless it is 0.
        """
        if self.rule == "zero" or not len(chosen):
            return np.zeros(values.shape[1:], "float64")
        return np.asarray(values[chosen].mean(0, dtype="float64"))


def drawn_rows(scheme: InitializerLike, shape: tuple[int, ...], rows: np.ndarray) -> np.ndarray:
    """Some rows of a table as a scheme draws the whole.

    Args:
        scheme: Our schemes draw only these rows. Keras's initializers whose law does not depend on
            the shape are replaced by ours, and the others draw the whole table.
        shape: Shape of the whole table.
        rows: Integers, rising.
    """
    drawing = same_law(scheme_of(scheme))
    found = np.empty((len(rows), *shape[1:]), "float32")
    if not len(rows):
        return found
    if not isinstance(drawing, Scheme):
        return np.asarray(keras.ops.convert_to_numpy(drawing(shape)))[rows]
    for start in range(0, shape[0], _CHUNK):
        first, last = np.searchsorted(rows, [start, start + _CHUNK])
        if first < last:
            low, high = int(rows[first]), int(rows[last - 1]) + 1
            part = drawing(
                shape,
                partition_shape=(high - low, *shape[1:]),
                partition_offset=(low, *[0] * (len(shape) - 1)),
            )
            found[first:last] = keras.ops.convert_to_numpy(part)[rows[first:last] - low]
    return found


def _scheme_named(rule: Any) -> Any:
    try:
        return scheme_of(rule)
    except ValueError as error:
        raise ValueError(
            f"`new_rows` must be {', '.join(map(repr, FILLINGS))}, or a scheme. "
            f"Received: new_rows={rule!r}."
        ) from error


def same_law(scheme: Any) -> Any:
    """Our scheme for one of Keras's whose law ignores the shape: Keras cannot draw a part."""
    for cls in (plain.RandomNormal, plain.RandomUniform, plain.TruncatedNormal):
        if type(scheme) is getattr(keras.initializers, cls.__name__):
            config = scheme.get_config()
            seed = config.pop("seed")
            # A serialized generator stands for fresh numbers, as `None` does.
            return cls(**config, seed=None if isinstance(seed, dict) else seed)
    return scheme
