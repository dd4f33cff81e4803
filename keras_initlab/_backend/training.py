"""The training step of whichever backend runs, and state that rides through it."""

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab._backend.tensors import concrete

__all__ = [
    "StepState",
    "add_session_hook",
    "call_count",
    "compiled",
    "distinct_rows",
    "fit_frame",
    "is_end_of_data",
    "is_functional_step",
    "is_replicated",
    "loss_scale_of",
    "model_values",
    "optimizers_of",
    "own_sublayers",
    "own_trainable",
    "owns_weights",
    "refusal_of",
    "remat_mode",
    "remove_session_hook",
    "rows_of",
    "set_flags",
    "step_is_compiled_by_torch",
    "step_is_eager",
    "sync_state",
    "uncompiled_step",
    "updates_done",
    "when",
]


# --- what a model is made of ---------------------------------------------------------------------


def own_sublayers(layer: Any) -> list[Any]:
    """Layers directly inside a layer."""
    return list(layer._layers)


def owns_weights(layer: Any) -> bool:
    """Whether a layer has trainable weights of its own, apart from its sublayers."""
    return bool(layer._trainable_variables)


def own_trainable(layer: Any) -> list[Any]:
    """A layer's own weights that are trained now, apart from its sublayers'."""
    return [variable for variable in layer._trainable_variables if variable.trainable]


def call_count(layer: Any) -> int:
    """How often a layer stands in the graph of a functional model, at least once."""
    return max(1, len(layer._inbound_nodes))


def remat_mode(layer: Any) -> Any:
    """The rematerialization a layer was made under, or `None`."""
    return layer._remat_mode


def optimizers_of(model: Any) -> list[Any]:
    """The compiled optimizer, and those that a model with a training step of its own holds."""
    held = [model.optimizer, *vars(model).values()]
    found = {id(each): each for each in held if isinstance(each, keras.optimizers.Optimizer)}
    return list(found.values())


def loss_scale_of(optimizer: Any, variables: Any = None) -> Any:
    """What the gradients that an optimizer receives are multiplied by.

    Args:
        optimizer: A Keras optimizer.
        variables: Values of its variables where the step carries them apart, on JAX.
    """
    scale = getattr(optimizer, "dynamic_scale", None)
    if scale is None:
        return optimizer.loss_scale_factor or 1.0
    if variables is None:
        return scale
    places = [variable is scale for variable in optimizer.variables]
    return variables[places.index(True)]


def updates_done(model: Any) -> int:
    """Updates that the model's optimizer has made so far."""
    return 0 if model.optimizer is None else int(concrete(model.optimizer.iterations.value))


def model_values(model: Any) -> tuple[list[Any], list[Any]]:
    """Newest values of the trainable and the other variables, also in the middle of JAX's `fit`."""
    state = getattr(model, "_jax_state", None)
    if state and not model._jax_state_synced:
        return list(state["trainable_variables"]), list(state["non_trainable_variables"])
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )


def refusal_of(model: Any) -> str | None:
    """Why Keras's own `fit` fails under the model's strategy, or `None` where it works."""
    if keras.backend.backend() != "tensorflow":
        return None
    strategy = model.distribute_strategy
    kind = type(strategy).__name__
    if kind.startswith("ParameterServerStrategy"):
        return f"Keras 3 cannot iterate over data under {kind} (keras issue 20585)"
    if not strategy.extended._in_multi_worker_mode():
        return None
    if strategy.num_replicas_in_sync == 1:
        return None
    return f"Keras 3 cannot train under {kind} with more than one worker (keras issue 20585)"


# --- the step ------------------------------------------------------------------------------------


def step_is_eager(model: Any) -> bool:
    """Whether a training step runs as plain Python, so that a step may be skipped in Python."""
    if keras.backend.backend() == "torch":
        return True
    if keras.backend.backend() != "tensorflow" or not model.run_eagerly:
        return False
    # Replicas run in threads of their own: there the step must count for itself.
    return model.distribute_strategy.num_replicas_in_sync == 1


def step_is_compiled_by_torch(model: Any) -> bool:
    """Whether `torch.compile` makes the training step."""
    return keras.backend.backend() == "torch" and bool(model.jit_compile)


def is_functional_step() -> bool:
    """Whether `train_step` takes and returns the model's state, as it does on JAX.

    There tensors of the forward pass belong to a trace of their own, inside `value_and_grad`, and
    must be used before it ends.
    """
    return keras.backend.backend() == "jax"


def is_end_of_data(error: BaseException) -> bool:
    """Whether a training function says by this exception that an epoch's data have ended."""
    return isinstance(error, StopIteration) or type(error).__name__ == "OutOfRangeError"


def uncompiled_step(model: Any, data: Any) -> Any:
    """One training step on torch as plain Python, from what its function takes."""
    return model.train_step(data[0])


def when(due: Any, function: Callable[[], Any], otherwise: Any) -> Any:
    """`function()` at the steps that are due, in a compiled step too, at no cost at the others.

    TensorFlow lowers a condition to switches, and every operation of the branch that is not taken
    costs a visit; a function that is not inlined makes that one visit.

    Args:
        due: Boolean tensor.
        function: Makes tensors like `otherwise`.
        otherwise: Tensors for the steps that are not due.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        function = tf.function(
            function, autograph=False, experimental_attributes={"_noinline": True}
        )
    return ops.cond(due, function, lambda: otherwise)


def compiled(model: Any, function: Callable) -> Callable:
    """A function of tensors, compiled as the model's own steps are."""
    if keras.backend.backend() == "tensorflow" and not model.run_eagerly:
        import tensorflow as tf

        return tf.function(function, autograph=False, reduce_retracing=True)
    if keras.backend.backend() == "jax" and not model.run_eagerly:
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "torch":
        import torch

        return torch.no_grad()(function)
    return function


def is_replicated(model: Any) -> bool:
    """Whether several replicas share the work, each with a gradient of its own."""
    if keras.backend.backend() != "tensorflow":
        return False
    return model.distribute_strategy.num_replicas_in_sync > 1


def fit_frame(model: Any, depth: int = 1) -> Any:
    """The innermost running `fit` of this model among the callers, or `None`."""
    frame = sys._getframe(depth)
    while frame is not None:
        if frame.f_code.co_name == "fit" and frame.f_locals.get("self") is model:
            return frame
        frame = frame.f_back
    return None


def sync_state(model: Any) -> None:
    """Write what JAX's training step carries back to the variables, while they still match."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def add_session_hook(target: Any, name: str, replacement: Callable) -> None:
    """Put a function in front of a method, on this instance alone, unseen by Keras's tracking."""
    object.__setattr__(target, name, replacement)


def remove_session_hook(target: Any, name: str) -> None:
    """Uncover the method of the class again."""
    target.__dict__.pop(name, None)


# --- rows of tables ------------------------------------------------------------------------------


def distinct_rows(ids: Any, limit: int | None) -> tuple[Any, Any]:
    """Sorted ids among the first `limit` of a batch, and which of them are no repetition.

    Args:
        ids: Integer tensor of any shape.
        limit: Bound on the ids looked at, `None` for all.
    """
    ids = ops.cast(ops.reshape(ids, (-1,)), "int32")
    ids = ops.sort(ids if limit is None else ids[:limit])
    first = ops.ones_like(ids[:1], dtype="bool")
    return ids, ops.concatenate([first, ops.not_equal(ids[1:], ids[:-1])])


def rows_of(tensor: Any, ids: Any) -> Any:
    """Rows of a table or of its gradient; of TensorFlow's sparse gradient, repetitions summed.

    Args:
        tensor: `(vocabulary, ...)` dense, or an `IndexedSlices` of TensorFlow.
        ids: `(n,)` int32, sorted.
    """
    if not hasattr(tensor, "indices"):
        return ops.take(tensor, ids, axis=0)
    indices = ops.cast(tensor.indices, "int32")
    places = ops.minimum(ops.searchsorted(ids, indices), ops.shape(ids)[0] - 1)
    places = ops.cast(places, "int32")
    held = ops.cast(ops.equal(ops.take(ids, places), indices), tensor.values.dtype)
    values = tensor.values * ops.reshape(held, (-1,) + (1,) * (len(tensor.values.shape) - 1))
    import tensorflow as tf

    return tf.math.unsorted_segment_sum(values, places, ops.shape(ids)[0])


def set_flags(state: Any, ids: Any) -> None:
    """Set a variable of flags to 1 at the places named, in place where the backend can.

    Args:
        state: Keras variable `(rows,)`, int32.
        ids: Integer tensor of any shape.
    """
    ids = ops.cast(ops.reshape(ids, (-1,)), "int32")
    ones = ops.ones_like(ids)
    value = state.value
    if hasattr(value, "scatter_update") and not hasattr(value, "values"):
        import tensorflow as tf

        value.scatter_update(tf.IndexedSlices(ones, ids))
    elif keras.backend.backend() == "torch":
        value.index_fill_(0, ids.long(), 1)
    else:
        state.assign(ops.scatter_update(value, ops.expand_dims(ids, 1), ones))


# --- state ---------------------------------------------------------------------------------------


class StepState:
    """An array that the compiled training step writes and the host reads between steps.

    On JAX the array rides in the model's non-trainable state as a seed generator's state does,
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
        return [each is self.state for each in self._model.non_trainable_variables].index(True)

    def _values(self) -> list[Any]:
        if not is_functional_step():
            return [keras.ops.convert_to_numpy(held) for held in self._replicas()]
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
