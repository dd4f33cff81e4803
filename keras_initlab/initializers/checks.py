"""Checks of arguments: the value unchanged, or an error that says what is allowed."""

import math
import numbers
import sys
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import keras
import numpy as np

from keras_initlab.initializers.arguments import (
    ActivationLike,
    Axes,
    BellDistribution,
    KindLike,
    Seed,
)
from keras_initlab.theory import Kind, activation_of, keras_name_of

__all__ = [
    "checked_activation",
    "checked_axes",
    "checked_choice",
    "checked_count",
    "checked_float",
    "checked_kind",
    "checked_normal",
    "checked_number",
    "checked_seed",
    "checked_shape",
    "kind_of",
    "known_count",
]

_Value = TypeVar("_Value")

# Eight bytes per element.
_MOST_ELEMENTS = sys.maxsize // 8
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def checked_number(value: _Value, name: str, meaning: str, *, positive: bool = False) -> _Value:
    """The value unchanged, if it is one finite real number (and positive, where asked)."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"`{name}` {meaning}, so it must be a number. Received: {name}={value!r}.")
    if not _is_finite(value) or (positive and value <= 0):
        allowed = "positive and finite" if positive else "finite"
        raise ValueError(
            f"`{name}` {meaning}, so it must be {allowed}. Received: {name}={value!r}."
        )
    return value


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        # An integer, or a fraction, beyond the largest float.
        return False


def checked_normal(distribution: BellDistribution) -> BellDistribution:
    """The distribution unchanged, if it is one of the two normals."""
    if distribution not in ("normal", "truncated_normal"):
        raise ValueError(
            "`distribution` must be 'normal' or 'truncated_normal'. "
            f"Received: distribution={distribution!r}."
        )
    return distribution


def checked_seed(seed: Seed) -> Seed:
    """The seed unchanged, if it is `None`, an integer or a `keras.random.SeedGenerator`."""
    integer = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if seed is None or integer or isinstance(seed, keras.random.SeedGenerator):
        return seed
    raise TypeError(
        "`seed` must be an integer (repeatable weights), `None` (fresh weights at every call) or a "
        f"`keras.random.SeedGenerator`. Received: seed={seed!r}."
    )


def checked_activation(activation: ActivationLike) -> ActivationLike:
    """The activation unchanged, if it is known to us and can be saved with a model."""
    activation_of(activation)
    if isinstance(activation, (str, type(None), keras.layers.Layer)):
        return activation
    name = getattr(activation, "__name__", type(activation).__name__)
    registered = keras.saving.get_registered_object(keras.saving.get_registered_name(activation))
    if keras_name_of(activation) is None and registered is not activation:
        raise ValueError(
            "`activation` must be found again when a model is loaded. Received: "
            f"activation={name}, which is not registered. Try "
            "`@keras.saving.register_keras_serializable()` above its definition, or "
            "`VarianceScaling(scale=gain_of(activation) ** 2)`."
        )
    return activation


def checked_kind(kind: KindLike) -> KindLike:
    """The kind unchanged, if it is a name, a `Kind` or the dictionary of one."""
    kind_of(kind)
    return kind


def kind_of(kind: KindLike) -> Kind:
    """The `Kind` behind a name or the dictionary that a configuration holds."""
    if isinstance(kind, Kind):
        return kind
    if isinstance(kind, str):
        return Kind(kind)
    if isinstance(kind, dict):
        return Kind(**kind)
    raise TypeError(f"`kind` is a name or a `Kind`. Received: kind={kind!r}.")


def checked_axes(axes: Axes, name: str) -> Axes:
    """The axes unchanged, if they are `None` or integers."""
    if axes is None or (
        isinstance(axes, (list, tuple)) and all(isinstance(axis, numbers.Integral) for axis in axes)
    ):
        return axes
    raise TypeError(f"`{name}` lists axes of the kernel as integers. Received: {name}={axes!r}.")


def checked_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple of plain integers."""
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if not all(isinstance(size, (int, np.integer)) and size >= 0 for size in sizes):
        raise ValueError(
            "Every axis of a weight needs a size known before training, an integer of at least 0. "
            f"Received: shape={sizes}. Try to build the layer on a fully known feature shape."
        )
    whole = tuple(int(size) for size in sizes)
    # The sizes of an empty array are multiplied too where memory is laid out.
    if math.prod(max(size, 1) for size in whole) > _MOST_ELEMENTS:
        raise ValueError(
            f"A weight holds at most {_MOST_ELEMENTS:.3g} numbers, all that a process can address. "
            f"Received: shape={whole}."
        )
    return whole


def checked_float(dtype: Any) -> str:
    """The dtype's name, if random weights exist in it."""
    name = keras.backend.standardize_dtype(dtype)
    if name not in _FLOATS:
        raise ValueError(
            f"Random weights need a float dtype, one of {', '.join(_FLOATS)}. "
            f"Received: dtype={name}."
        )
    return name


def checked_count(value: _Value, name: str, meaning: str, *, least: int = 1) -> _Value:
    """The value unchanged, if it is a whole number of at least `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(
            f"`{name}` {meaning}, so it must be an integer. Received: {name}={value!r}."
        )
    count = int(value)
    if count < least:
        raise ValueError(
            f"`{name}` {meaning}, so it must be at least {least}. Received: {name}={value!r}."
        )
    if count > sys.maxsize:
        raise ValueError(
            f"`{name}` {meaning}, so it must be at most {sys.maxsize}. "
            f"Received: {name} of {count.bit_length()} bits."
        )
    return value


def checked_choice(value: _Value, name: str, choices: Collection[str]) -> _Value:
    """The value unchanged, if it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. Received: {name}={value!r}."
        )
    return value


def known_count(value: _Value | None, name: str, meaning: str) -> _Value:
    """The count unchanged, if the user gave it: it cannot be read from a shape."""
    if value is None:
        raise ValueError(
            f"`{name}` {meaning}, which the shape does not show, so it must be given. "
            f"Received: {name}=None. Try `{name}=...`."
        )
    return value
