"""Tensors of zeros added to the outputs of layers: their gradients are those of the outputs."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.signal.calls import first_float

__all__ = ["Outlets", "Tap"]


class Outlets:
    """Shapes of the outputs of a model and of its layers, noted while it runs.

    Attributes:
        taps: One `KerasTensor` for each float output of a layer, in the order of calls.
        model: The outputs of the model, `KerasTensor`s in its structure.
    """

    def __init__(self) -> None:
        self.taps: list[Any] = []
        self.model: Any = None

    def note(self, layer: Any, outputs: Any) -> Any:
        """Note the outputs of one call of a layer, and return them."""
        tensor = _tappable(outputs)
        if tensor is not None:
            self.taps.append(_shape_of(tensor))
        return outputs

    def end(self, outputs: Any) -> None:
        """Note the outputs of the model."""
        self.model = keras.tree.map_structure(_shape_of, outputs)

    def zeros(self) -> Any:
        """Outputs of the model that are all zero."""
        return keras.tree.map_structure(
            lambda output: ops.zeros(output.shape, output.dtype), self.model
        )

    def cotangents(self) -> list[Any]:
        """Gradients of unit variance to start from, one for each float output of the model."""
        random = np.random.default_rng(0)
        flat = [output for output in keras.tree.flatten(self.model) if _backend.is_float(output)]
        return [
            ops.convert_to_tensor(random.normal(size=output.shape), "float32") for output in flat
        ]


class Tap:
    """Adds to each float output of a layer the next tensor of zeros.

    Args:
        zeros: As many as there are outputs, in the order of calls.

    Attributes:
        hidden: Layers that were called where gradients are not noted.
    """

    def __init__(self, zeros: Sequence[Any]):
        self._zeros = list(zeros)
        self._made: list[Any] = []
        self.hidden: list[Any] = []

    def __call__(self, layer: Any, outputs: Any) -> Any:
        """The outputs of a layer, the first float one with its zeros added."""
        tensor = _tappable(outputs)
        if tensor is None or len(self._made) == len(self._zeros):
            return outputs
        if not _backend.notes_gradients():
            self.hidden.append(layer)
            self._made.append(None)
            return outputs
        made = tensor + self._zeros[len(self._made)]
        self._made.append(made)
        return keras.tree.map_structure(
            lambda output: made if output is tensor else output, outputs
        )

    def place_of(self, output: Any) -> int | None:
        """Which tensor of zeros this output holds, `None` if it holds none."""
        held = (k for k, made in enumerate(self._made) if made is output and made is not None)
        return next(held, None)


def _tappable(outputs: Any) -> Any:
    """The first float output, if it is dense."""
    tensor = first_float(outputs)
    held = any(output is tensor for output in keras.tree.flatten(outputs))
    return tensor if tensor is not None and held and not _backend.is_sparse(tensor) else None


def _shape_of(tensor: Any) -> Any:
    return keras.KerasTensor(tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype))
