"""Gradients of a function on every backend, and the loss of a model without side effects."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import keras


def dry_run(function: Callable, *arguments: Any) -> None:
    """Run a function for its side effects only; on JAX with shapes instead of values."""
    if keras.backend.backend() == "jax":
        import jax

        jax.eval_shape(function, *arguments)
    else:
        with without_gradients():
            function(*arguments)


def value_and_gradients(
    function: Callable[[list[Any]], tuple[Any, Any]], tensors: Sequence[Any]
) -> tuple[Any, Any, list[Any]]:
    """The scalar and the structure that a function returns, and the gradients of the scalar.

    Args:
        function: Takes tensors and returns a scalar and any structure of tensors.
        tensors: Float tensors.

    Returns:
        Scalar, structure, and the gradient for each tensor: zeros if the scalar does not depend on
        it. For tables TensorFlow returns an `IndexedSlices`.
    """
    tensors = list(tensors)
    kind = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}
    value, others, gradients = kind[keras.backend.backend()](function, tensors)
    gradients = [
        keras.ops.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, gradients, strict=True)
    ]
    return value, others, gradients


def _by_tensorflow(function: Callable, tensors: list[Any]) -> tuple[Any, Any, list[Any]]:
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(tensors)
        value, others = function(tensors)
    return value, others, tape.gradient(value, tensors)


def _by_jax(function: Callable, tensors: list[Any]) -> tuple[Any, Any, list[Any]]:
    import jax

    (value, others), gradients = jax.value_and_grad(function, has_aux=True)(tensors)
    return value, others, gradients


def _by_torch(function: Callable, tensors: list[Any]) -> tuple[Any, Any, list[Any]]:
    import torch

    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    with torch.enable_grad():
        value, others = function(tensors)
        gradients = [None] * len(tensors)
        if value.requires_grad:
            gradients = list(torch.autograd.grad(value, tensors, allow_unused=True))
    others = keras.tree.map_structure(
        lambda leaf: leaf.detach() if torch.is_tensor(leaf) else leaf, others
    )
    return value.detach(), others, gradients


def notes_gradients() -> bool:
    """Whether operations are recorded for gradients here; not in `tf.recompute_grad`, for one."""
    if keras.backend.backend() != "tensorflow":
        return True
    from tensorflow.python.eager import record

    return bool(record.could_possibly_record())


def in_backward() -> bool:
    """Whether torch runs its backward pass, in which a checkpoint calls layers again."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    return bool(torch._C._current_graph_task_id() != -1)


def without_gradients() -> Any:
    """A context in which torch records nothing for gradients; others record only on request."""
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch

    return torch.no_grad()


def has_loss(model: Any) -> bool:
    """Whether `compile` was given a loss."""
    return bool(model.compiled) and model._compile_loss is not None


@contextmanager
def losses_kept(layers: Sequence[Any]) -> Iterator[None]:
    """A context that restores the losses that the layers have added."""
    kept = [(layer, list(layer._losses), set(layer._loss_ids)) for layer in layers]
    try:
        yield
    finally:
        for layer, losses, ids in kept:
            layer._losses[:] = losses
            layer._loss_ids.clear()
            layer._loss_ids.update(ids)


def fresh_loss(model: Any, loss: Any = None) -> Any:
    """The compiled loss of a model, or another one, as an object with a state of its own.

    Args:
        model: A Keras model.
        loss: What `compile` takes as `loss`; `None` for the compiled one.
    """
    from keras.src.trainers.compile_utils import CompileLoss

    held = model._compile_loss if loss is None else None
    weights = None if held is None else held._user_loss_weights
    names = getattr(model, "output_names", None)
    return CompileLoss(loss if held is None else held._user_loss, weights, output_names=names)


def losses_by_output(model: Any, loss: Any = None) -> list[Any]:
    """The loss of each output, as an object or a function; `None` for an output without one.

    Args:
        model: A Keras model.
        loss: What `compile` takes as `loss`; `None` for the compiled one.
    """
    if loss is None:
        loss = model._compile_loss._user_loss if has_loss(model) else None
    names = list(getattr(model, "output_names", None) or [])
    if isinstance(loss, dict):
        loss = [loss.get(name) for name in names]
    held = list(loss) if isinstance(loss, (list, tuple)) else [loss for _ in names or [None]]
    return [None if one is None else keras.losses.get(one) for one in held]


def finds_logits() -> bool:
    """Whether Keras finds the logits behind a last activation by itself, as on TensorFlow."""
    return keras.backend.backend() == "tensorflow"


@contextmanager
def with_loss(model: Any, loss: Any) -> Iterator[None]:
    """A context in which the model uses this loss."""
    kept = model.__dict__.get("_compile_loss")
    object.__setattr__(model, "_compile_loss", loss)
    try:
        yield
    finally:
        object.__setattr__(model, "_compile_loss", kept)


def lacks_gradient(error: BaseException) -> bool:
    """Whether a backend has refused an operation because it has no gradient."""
    known = isinstance(error, (LookupError, NotImplementedError))
    return known and not isinstance(error, (KeyError, IndexError))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an operation ran out of memory, on the host or a device."""
    if isinstance(error, MemoryError) or type(error).__name__ in (
        "ResourceExhaustedError",
        "OutOfMemoryError",
    ):
        return True
    words = str(error)
    return "RESOURCE_EXHAUSTED" in words or "can't allocate memory" in words
