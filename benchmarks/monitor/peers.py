"""Other ways to see the variance of each layer's output during training."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from benchmarks.monitor.systems import System
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.selection import Selection


class PeerLook(keras.callbacks.Callback):
    """Runs the batch through a submodel every so many steps, for the layers that ours watches.

    Args:
        system: The model and its batch.
        every: Steps between looks.
        compiled: Whether one compiled function does it instead of `predict` and `.var()`.
    """

    def __init__(self, system: System, every: int, compiled: bool):
        super().__init__()
        outputs = [layer.output for layer in Selection(Anatomy(system.model)).watched]
        submodel = keras.Model(system.model.inputs, outputs)
        self._every = every
        self._step = 0
        self._look = (compiled_look if compiled else predict_look)(submodel, system)
        self.looks: list[np.ndarray] = []

    def on_train_batch_end(self, batch, logs=None):
        if self._step % self._every == 0:
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()
            self.looks.append(np.asarray(self._look()))
        self._step += 1


def predict_look(submodel: keras.Model, system: System) -> Callable[[], list[float]]:
    def look() -> list[float]:
        outputs = submodel.predict(system.x, batch_size=len(system.y), verbose=0)
        return [output.var() for output in outputs]

    return look


def compiled_look(submodel: keras.Model, system: System) -> Callable[[], Any]:
    x = keras.tree.map_structure(ops.convert_to_tensor, system.x)
    return COMPILED[keras.backend.backend()](submodel, x)


def of_tensorflow(submodel: keras.Model, x: Any) -> Callable[[], Any]:
    import tensorflow as tf

    look = tf.function(lambda x: variances(submodel(x, training=False)))
    return lambda: look(x)


def of_jax(submodel: keras.Model, x: Any) -> Callable[[], Any]:
    import jax

    look = jax.jit(lambda *given: variances(submodel.stateless_call(*given, training=False)[0]))

    def look_at_weights() -> Any:
        trainable = [weight.value for weight in submodel.trainable_variables]
        return look(trainable, [weight.value for weight in submodel.non_trainable_variables], x)

    return look_at_weights


def of_torch(submodel: keras.Model, x: Any) -> Callable[[], Any]:
    import torch

    def look() -> np.ndarray:
        with torch.no_grad():
            return ops.convert_to_numpy(variances(submodel(x, training=False)))

    return look


COMPILED = {"tensorflow": of_tensorflow, "jax": of_jax, "torch": of_torch}


def variances(outputs: list[Any]) -> Any:
    return ops.stack([ops.var(output) for output in outputs])
