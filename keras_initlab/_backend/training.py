"""The training step of every backend."""

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import keras
from keras import ops

from keras_initlab._backend.lifting import lifted
from keras_initlab._backend.model import optimizers_of


def step_is_eager(model: Any) -> bool:
    """Whether a training step runs as plain Python, so that Python can skip one."""
    if keras.backend.backend() == "torch":
        return True
    if keras.backend.backend() != "tensorflow" or not model.run_eagerly:
        return False
    # Replicas run in threads of their own, so the step must count by itself.
    return model.distribute_strategy.num_replicas_in_sync == 1


def step_is_compiled_by_torch(model: Any) -> bool:
    """Whether `torch.compile` compiles the training step."""
    return keras.backend.backend() == "torch" and bool(model.jit_compile)


def is_functional_step() -> bool:
    """Whether `train_step` takes and returns the model's state, as it does on JAX.

    There tensors of the forward pass belong to a trace of their own, inside `value_and_grad`, and
    must be used before it ends.
    """
    return keras.backend.backend() == "jax"


def is_tracing_step() -> bool:
    """Whether TensorFlow is tracing, so that it can still trace the training step again."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.executing_eagerly()


def is_end_of_data(error: BaseException) -> bool:
    """Whether this exception means that the data of an epoch have ended."""
    return isinstance(error, StopIteration) or type(error).__name__ == "OutOfRangeError"


def uncompiled_step(model: Any, data: Any) -> Any:
    """One training step on torch as plain Python, with the arguments of its function."""
    return model.train_step(data[0])


def variables_in_trace(model: Any) -> int:
    """How many variables a model trains with, while TensorFlow traces a step; else 0.

    A trace that creates variables does not run: TensorFlow traces the function again.
    """
    if keras.backend.backend() != "tensorflow":
        return 0
    import tensorflow as tf

    if tf.executing_eagerly():
        return 0
    optimizers = [len(optimizer.variables) for optimizer in optimizers_of(model)]
    return len(model.variables) + len(model.metrics_variables) + sum(optimizers)


def when(due: Any, function: Callable[[], Any], otherwise: Any) -> Any:
    """`function()` at the steps that are due, also in a compiled step, and no cost at the others.

    TensorFlow turns a condition into switches and visits every operation of the branch not taken. A
    function that is not inlined is visited once. JAX compiles a condition anew at every step that
    it does not compile as a whole.

    Args:
        due: Boolean tensor.
        function: Makes tensors like `otherwise`.
        otherwise: Tensors for the steps that are not due.
    """
    if keras.backend.backend() == "tensorflow":
        function = _apart(function)
    known = _known(due)
    if known is not None:
        return function() if known else otherwise
    return ops.cond(due, function, lambda: otherwise)


def _known(due: Any) -> bool | None:
    """What a condition is on JAX outside of a compiled step; else `None`."""
    if keras.backend.backend() != "jax":
        return None
    import jax

    try:
        return bool(due)
    except jax.errors.TracerBoolConversionError:
        return None


def beside(function: Callable[[], Any]) -> Any:
    """`function()` in every step, read beside the step's own operations without changing them.

    Args:
        function: Makes tensors of the step's tensors and variables.
    """
    if keras.backend.backend() != "tensorflow":
        return function()
    import tensorflow as tf

    if tf.executing_eagerly():
        return function()
    return _apart(function)()


def _apart(function: Callable[[], Any]) -> Callable[[], Any]:
    """The function as one operation of TensorFlow that leaves the step around it as it is."""
    import tensorflow as tf

    options = {"autograph": False, "experimental_attributes": {"_noinline": True}}
    return tf.function(lifted(function), **options)


def reused(function: Callable) -> Callable:
    """A pure function of tensors that TensorFlow traces only once per shape and process.

    Python needs about half a millisecond to build an operation. Layers of one shape, later steps
    and other models share the trace.

    Args:
        function: A module-level function that takes only tensors.
    """
    if keras.backend.backend() != "tensorflow":
        return function

    def call(*tensors: Any) -> Any:
        import tensorflow as tf

        if tf.executing_eagerly():
            return function(*tensors)
        shapes = tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors)
        return _traced(function, shapes)(*tensors)

    return call


# Bounded, because a search over widths makes new shapes all the time.
@functools.lru_cache(maxsize=128)
def _traced(function: Callable, shapes: tuple) -> Callable:
    import tensorflow as tf

    return tf.function(function, autograph=False)


def prefers_small_operations() -> bool:
    """Whether many small operations cost less than few large ones."""
    return keras.backend.backend() == "tensorflow"


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


def staged(model: Any, function: Callable) -> Callable:
    """A function that runs once; compiled on JAX, which otherwise compiles every operation."""
    if keras.backend.backend() != "jax" or model.run_eagerly:
        return function
    import jax

    return jax.jit(function)


def is_replicated(model: Any) -> bool:
    """Whether several replicas share the work, each with a gradient of its own."""
    if keras.backend.backend() != "tensorflow":
        return False
    return model.distribute_strategy.num_replicas_in_sync > 1


def running_fit(model: Any) -> Any:
    """The list of callbacks of this model's innermost running `fit`, or `None` if none runs."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "fit" and frame.f_locals.get("self") is model:
            held = frame.f_locals.get("callbacks")
            return held if isinstance(held, keras.callbacks.CallbackList) else None
        frame = frame.f_back
    return None


def batch_size_of_fit(model: Any) -> int | None:
    """Examples in a batch of this model's running `fit`; `None` where Keras does not know it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "fit" and frame.f_locals.get("self") is model:
            iterator = frame.f_locals.get("epoch_iterator")
            size = getattr(getattr(iterator, "data_adapter", None), "batch_size", None)
            return size if isinstance(size, int) else None
        frame = frame.f_back
    return None


def sync_state(model: Any) -> None:
    """Write the state of JAX's training step back to the variables, while they still match."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def add_session_hook(target: Any, name: str, replacement: Callable) -> None:
    """Cover a method of this one instance by a function, hidden from Keras's tracking."""
    object.__setattr__(target, name, replacement)


def remove_session_hook(target: Any, name: str) -> None:
    """Uncover the method of the class again."""
    target.__dict__.pop(name, None)


def scale_updates(optimizer: Any, factors: dict[str, float]) -> None:
    """Multiply the learning rate of each variable in every step of an optimizer.

    Args:
        optimizer: A Keras optimizer.
        factors: By path of the variable; 1 for those that are missing.
    """
    kind = type(optimizer)

    def factor_of(variable: Any) -> float:
        # On TensorFlow it is the tensor of the variable, which has no path.
        known = optimizer._trainable_variables[optimizer._get_variable_index(variable)]
        return factors.get(known.path, 1.0)

    if hasattr(kind, "_parallel_update_step"):
        # On torch an optimizer updates all variables in one call, and some, like Nadam, count it.
        def parallel(grads: Any, variables: Any, learning_rate: Any) -> None:
            scaled = [(variable, factor_of(variable)) for variable in variables]
            held = [
                (variable, ops.copy(variable.value), factor)
                for variable, factor in scaled
                if factor != 1.0
            ]
            kind._parallel_update_step(optimizer, grads, variables, learning_rate)
            for variable, before, factor in held:
                variable.assign(before + factor * (variable.value - before))

        optimizer._parallel_update_step = parallel
        return

    def update(gradient: Any, variable: Any, learning_rate: Any) -> Any:
        return kind.update_step(optimizer, gradient, variable, learning_rate * factor_of(variable))

    optimizer.update_step = update
