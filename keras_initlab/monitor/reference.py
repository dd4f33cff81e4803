"""A fixed batch, measured beside the live one."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab._wire import LayerInfo
from keras_initlab.anatomy.selection import Selection
from keras_initlab.signal.recording import Recording
from keras_initlab.signal.rows import Rows

__all__ = ["Reference"]


class Reference:
    """Runs a fixed batch through a model, leaves no trace in it, and measures each layer.

    The batch runs in inference mode, without dropout, through Keras's stateless call: no
    variable, seed or moving statistic changes.

    Args:
        model: The model.
        selection: Which layers are watched.
        settings: As the logger's.
        batch: Inputs of the model, arrays or tensors.
    """

    def __init__(self, model: Any, selection: Selection, settings: Any, batch: Any):
        self._model = model
        self._layers = selection.covered
        self._rows = Rows(selection, settings, bounded=False)
        self._batch = keras.tree.map_structure(ops.convert_to_tensor, batch)
        self._recorder = Recording()
        self._run = _backend.compiled(model, self._measure)

    def look(self) -> tuple[list[LayerInfo], np.ndarray]:
        """Rows and their numbers, with the weights as they are now."""
        trainable, others = _backend.model_values(self._model)
        numbers = ops.convert_to_numpy(self._run(trainable, others, self._batch))
        return self._rows.calls, numbers

    def _measure(self, trainable: Any, others: Any, batch: Any) -> Any:
        with self._recorder.recording(self._layers) as calls:
            self._model.stateless_call(trainable, others, batch, training=False)
        return self._rows.of_calls(self._rows.signals(calls))
