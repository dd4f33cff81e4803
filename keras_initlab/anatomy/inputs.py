"""Which array goes into which input of a model."""

from typing import Any

import keras

from keras_initlab import _backend

__all__ = ["input_pairs"]


def input_pairs(model: Any, x: Any) -> list[tuple[Any, Any]]:
    """The inputs of a functional model, and the arrays for them."""
    if not getattr(model, "inputs", None):
        return []
    expected = _backend.input_structure(model)
    if isinstance(x, dict):
        by_name = {tensor.name: tensor for tensor in model.inputs}
        named = expected if isinstance(expected, dict) else by_name
        missing = [name for name in named if name not in x]
        if missing:
            raise ValueError(
                f"`data` must hold the inputs {list(named)} of the model {model.name!r}. "
                f"Received: inputs {list(x)}, without {missing}."
            )
        x, expected = [x[name] for name in named], list(named.values())
    arrays, tensors = keras.tree.flatten(x), keras.tree.flatten(expected)
    if len(arrays) != len(tensors):
        raise ValueError(
            f"`data` must hold {len(tensors)} inputs, {[tensor.name for tensor in tensors]}. "
            f"Received: {len(arrays)}. "
            "Try a list of arrays, or a dict; a tuple is `(inputs, labels)`."
        )
    return list(zip(tensors, arrays, strict=True))
