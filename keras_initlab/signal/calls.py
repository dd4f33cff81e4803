"""One call of a layer in a training step, as a cover saw it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from keras_initlab import _backend

__all__ = ["Call", "activation_recorded", "first_float"]


@dataclass
class Call:
    """A layer's call: what went in and what came out.

    Args:
        layer: The layer.
        inputs: Tensors of its first argument.
        output: Its first float output, dense; `None` if there is none.
        before: What entered its activation, where that was asked for.
        mask: Which time steps of the output count; `None` for all.
    """

    layer: Any
    inputs: list[Any]
    output: Any
    before: Any = None
    mask: Any = None

    @property
    def ids(self) -> Any:
        """What a table is read with; `None` if it is multiplied with, as a tied output is."""
        given = self.inputs[0] if self.inputs else None
        if given is None or self.output is None:
            return given
        values = _backend.dense_values(given)
        reverse = _backend.rank_of(values) == _backend.rank_of(self.output)
        return None if reverse and _backend.is_float(values) else given


def first_float(outputs: Any) -> Any:
    """The first float tensor among a layer's outputs; of ragged and sparse ones their values."""
    for tensor in keras.tree.flatten(outputs):
        tensor = _backend.dense_values(tensor)
        if _backend.is_float(tensor):
            return None if _backend.rank_of(tensor) == 0 else tensor
    return None


@contextmanager
def activation_recorded(layer: Any, wanted: bool) -> Iterator[list[Any]]:
    """Note what enters a layer's activation function while the layer is called.

    The attribute is replaced on the instance for this one call, and put back whatever happens, so
    that configuration and saved files never see it.
    """
    seen: list[Any] = []
    original = layer.__dict__.get("activation") if wanted else None
    if not callable(original) or isinstance(original, keras.layers.Layer):
        yield seen
        return

    def recorder(x: Any) -> Any:
        seen.append(x)
        return original(x)

    _backend.add_session_hook(layer, "activation", recorder)
    try:
        yield seen
    finally:
        _backend.add_session_hook(layer, "activation", original)
