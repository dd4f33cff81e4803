"""Types of the arguments that schemes share."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from keras_initlab.theory import Kind

__all__ = [
    "ActivationLike",
    "Axes",
    "BellDistribution",
    "Distribution",
    "FanMode",
    "InitializerLike",
    "KindLike",
    "Numbers",
    "Seed",
    "TaskKind",
]

Seed: TypeAlias = int | np.integer | keras.random.SeedGenerator | None

# Axes of the kernel; `None` leaves them to the layer, or to the kernel's shape.
Axes: TypeAlias = Sequence[int] | None

# The last is a `Kind` as a configuration holds it.
KindLike: TypeAlias = Literal["dense", "depthwise", "transposed", "lookup"] | Kind | dict[str, Any]

# A layer of Keras is a callable; `None` is linear.
ActivationLike: TypeAlias = str | Callable[[Any], Any] | None

# What `keras.initializers.get` takes.
InitializerLike: TypeAlias = str | dict[str, Any] | Callable[..., Any]

# One number, or one for each unit.
Numbers: TypeAlias = float | Sequence[float]

FanMode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]

BellDistribution: TypeAlias = Literal["normal", "truncated_normal"]

# The last is Keras's word for the second.
Distribution: TypeAlias = Literal["uniform", "normal", "truncated_normal", "untruncated_normal"]

# What an output layer predicts.
TaskKind: TypeAlias = Literal["binary", "multiclass", "regression"]
