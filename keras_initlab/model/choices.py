"""What the functions for whole models let the user choose, as types."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras

from keras_initlab.monitor.arguments import LayerChoice

__all__ = ["LayerChoice", "LossChoice", "SchemeChoice"]

# What `compile` takes as `loss`.
LossChoice: TypeAlias = (
    str
    | keras.losses.Loss
    | Callable[..., Any]
    | Sequence["LossChoice | None"]
    | Mapping[str, "LossChoice | None"]
)

# What `initialize` takes as `scheme`.
_OneScheme: TypeAlias = str | keras.initializers.Initializer | Callable[..., Any]
SchemeChoice: TypeAlias = _OneScheme | Mapping[str, _OneScheme]
