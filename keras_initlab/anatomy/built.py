"""A model must have weights before anything can be said of it."""

from typing import Any

import keras

__all__ = ["check_built"]


def check_built(model: Any) -> None:
    """Refuse a model that has no weights yet.

    Raises:
        TypeError: If it is no model.
        ValueError: If the model is not built.
    """
    if not isinstance(model, keras.Layer):
        raise TypeError(
            f"`model` must be a Keras model. Received: model of type {type(model).__name__}."
        )
    if not model.built:
        raise ValueError(
            "A model is looked at after its weights are made. "
            f"Received: model={model.name!r}, built={model.built}. "
            "Try `model.build(input_shape)`, or call the model on a batch first."
        )
