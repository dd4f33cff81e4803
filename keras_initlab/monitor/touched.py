"""Notes which rows of embedding tables the batches have looked up since training began."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.anatomy.selection import Selection
from keras_initlab.signal.calls import Call

__all__ = ["TouchedRows"]


class TouchedRows:
    """One flag per row of every watched table, set in every training step.

    Args:
        model: The model that trains.
        selection: Which layers are watched; `None` for no flags at all.
    """

    def __init__(self, model: Any, selection: Selection | None):
        layers = [] if selection is None else selection.watched
        self._flags = {
            id(layer): _backend.StepState(model, np.zeros(layer.input_dim, np.int32))
            for layer in layers
            if isinstance(layer, keras.layers.Embedding)
        }
        self.states = list(self._flags.values())

    def mark(self, calls: Sequence[Call]) -> None:
        """Set the flags of the rows that a training step has looked up."""
        for call in calls:
            flags = self._flags.get(id(call.layer))
            if flags is None or call.ids is None:
                continue
            ids = _backend.reachable(call.ids)
            if ids is not None:
                _backend.set_flags(flags.state, _backend.dense_values(ids))

    def untouched_shares_of(self, layers: list[Any], carried: list[Any] | None = None) -> Any:
        """Share of each layer's rows that no batch has looked up; NaN for layers without a table.

        Args:
            layers: The layers.
            carried: On JAX the values of the non-trainable variables, which the step carries.
        """
        shares = [self._share(layer, carried) for layer in layers]
        if all(share is None for share in shares):
            return ops.convert_to_tensor(np.full(len(layers), np.nan, "float32"))
        nothing = ops.convert_to_tensor(np.float32(np.nan))
        return ops.stack([nothing if share is None else share for share in shares])

    def _share(self, layer: Any, carried: list[Any] | None = None) -> Any:
        flags = self._flags.get(id(layer))
        if flags is None:
            return None
        value = flags.state.value if carried is None else carried[flags.place()]
        seen = ops.cast(ops.convert_to_tensor(value) > 0, "float32")
        return 1.0 - ops.mean(seen)

    def untouched_shares(self) -> dict[int, float]:
        """The same from the flags themselves, by `id` of the layer: exact over all replicas."""
        shares = {}
        for layer, flags in self._flags.items():
            union = np.any([np.asarray(replica) > 0 for replica in flags.read()], axis=0)
            shares[layer] = 1.0 - float(union.mean())
        return shares
