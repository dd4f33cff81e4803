"""A model must have weights before it can be analysed."""

from typing import Any

import keras

__all__ = ["check_built"]


def check_built(model: Any) -> None:
    """Refuse a model that has no weights yet.

    Raises:
        TypeError: If it is not a model.
        ValueError: If the model is not built.
    """
    if not isinstance(model, keras.Layer):
        raise TypeError(
            f"`model` must be a Keras model. Received: model of type {type(model).__name__}."
        )
    if not model.built:
        raise ValueError(
            "The model must have weights before it can be analysed. "
            f"Received: model={model.name!r}, built={model.built}. "
            "Try `model.build(input_shape)`, or call the model on a batch first."
        )
