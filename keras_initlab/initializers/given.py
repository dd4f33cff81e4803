"""A scheme from an array."""

from typing import Any

import numpy as np
import numpy.typing as npt

from keras_initlab.initializers.base import ArrayScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.sampling import Stream

__all__ = ["FromArray"]


@scheme
class FromArray(ArrayScheme):
    """Weights from an array: a small pretrained table, a custom filter, a known bias.

    The layer's configuration stores the numbers as text: keep them to a few thousand, and load
    larger weights with `layer.set_weights`.

    Args:
        values: The numbers, as nested lists or an array, real and finite.

    Shape:
        That of `values`, exactly.

    Raises:
        TypeError: If `values` are not real numbers.
        ValueError: If `values` are ragged, NaN or infinite; on call, if the shape differs.

    Source:
        Definition. An array as an argument of one of Keras's own initializers is saved but fails
        when the model is loaded.

    Example:
        >>> float(FromArray([[1.0, 2.0]])((1, 2))[0, 1])
        2.0
    """

    def __init__(self, values: npt.ArrayLike):
        self.values = _listed(values)

    def check(self, shape: tuple[int, ...]) -> None:
        own = np.shape(self.values)
        if shape != own:
            raise ValueError(
                f"`values` have the shape {own}, so the weight must too. Received: shape={shape}."
            )

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        values = np.asarray(self.values, np.float64).reshape(shape)
        if values.size and np.abs(values).max() > np.finfo(kind).max:
            raise ValueError(
                f"`values` must fit into {kind.name}, below {np.finfo(kind).max:.3g}. "
                f"Received: values up to {np.abs(values).max():.3g}."
            )
        return values.astype(kind)


def _listed(values: npt.ArrayLike) -> Any:
    try:
        array = np.asarray(values)
        if array.dtype.name == "bfloat16":
            array = array.astype(np.float32)
    except ValueError as error:
        raise ValueError(f"`values` must not be ragged: {error}. Received: values=...") from error
    if array.dtype.kind not in "fiu":
        raise TypeError(f"`values` must be real numbers. Received: values of dtype {array.dtype}.")
    if not np.isfinite(array).all():
        raise ValueError(
            "`values` must be finite. Received: values with "
            f"{int((~np.isfinite(array)).sum())} of {array.size} NaN or infinite."
        )
    return array.tolist()
