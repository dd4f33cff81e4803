"""State that the training step of every backend carries along."""

import contextlib
from typing import Any

import keras
import numpy as np

from keras_initlab._backend.training import is_functional_step


class StepState:
    """An array that the compiled training step writes and the host reads between steps.

    On JAX the array is part of the model's non-trainable state, like that of a seed generator,
    outside `weights` and every saved file. On TensorFlow and torch an untracked variable is enough.
    """

    def __init__(self, model: Any, value: np.ndarray):
        self._model = model
        with _scope_of(model):
            self.state = keras.Variable(
                value,
                trainable=False,
                dtype=str(value.dtype),
                autocast=False,
                aggregation="sum",
                synchronization="on_read",
                name="initlab_state",
            )

    def attach(self) -> None:
        """Let the training step carry the array."""
        if is_functional_step():
            self._model._seed_generators.append(self)

    def detach(self) -> None:
        """Take the array off the model again."""
        held = self._model._seed_generators
        held[:] = [generator for generator in held if generator is not self]

    def read(self) -> list[np.ndarray]:
        """One array per replica, copied to the host once."""
        return [np.asarray(value) for value in self._values()]

    def write(self, value: Any) -> None:
        """Set the array from the host, on every replica, between fits."""
        for held in self._replicas():
            held.assign(value)

    def place(self) -> int:
        """Where a functional step carries the array among the non-trainable variables."""
        return [value is self.state for value in self._model.non_trainable_variables].index(True)

    def _values(self) -> list[Any]:
        if keras.backend.backend() == "tensorflow":
            return [held.value().numpy() for held in self._replicas()]
        if not is_functional_step():
            return [keras.ops.convert_to_numpy(self.state.value)]
        held = getattr(self._model, "_jax_state", None)
        values = held and held.get("non_trainable_variables")
        if not values or self._model._jax_state_synced:
            return [self.state.value]
        return [values[self.place()]]

    def _replicas(self) -> list[Any]:
        if keras.backend.backend() != "tensorflow":
            return [self.state]
        return list(self._model.distribute_strategy.experimental_local_results(self.state.value))


def _scope_of(model: Any) -> Any:
    if keras.backend.backend() == "tensorflow":
        return model.distribute_strategy.scope()
    return contextlib.nullcontext()
