"""What a training step changes: kept before the step, and put back after it."""

import contextlib
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from keras_initlab._backend.model import optimizers_of


def trained_variables(model: Any) -> list[Any]:
    """All that a model and its optimizers hold: weights, statistics, seeds, slots, counters."""
    optimizers = [variable for held in optimizers_of(model) for variable in held.variables]
    return _distinct([*model.variables, *optimizers])


def passing_variables(model: Any) -> list[Any]:
    """What a step changes beside the model: sums of metrics, and Keras's own seed."""
    from keras.src.backend.common import global_state

    seed = global_state.get_global_attribute("global_seed_generator")
    return _distinct([*model.metrics_variables, *([] if seed is None else [seed.state])])


def _distinct(variables: Iterable[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def build_for_step(model: Any, data: Any) -> None:
    """Create what the first eager step on TensorFlow creates; other ways have it before.

    A model that does not run on symbolic tensors stays unbuilt, and its first step final.

    Args:
        model: The model.
        data: A batch of the step.
    """
    if keras.backend.backend() == "tensorflow":
        with contextlib.suppress(RuntimeError, TypeError, ValueError):
            model._symbolic_build(data_batch=data)


def kept_value(variable: Any) -> Any:
    """The value of a variable, which stays what it is when the variable changes."""
    if keras.backend.backend() == "torch":
        return variable.value.detach().clone()
    if keras.backend.backend() != "tensorflow":
        return ops.convert_to_tensor(variable.value)
    import tensorflow as tf

    # Keras takes a variable of TensorFlow for a tensor, and passes it on unread.
    return tf.convert_to_tensor(variable.value)


def kept_beside(model: Any) -> list[tuple[Any, Any]]:
    """What a step on torch changes outside of Keras's variables, with a copy of each.

    Unseeded dropout draws from the generator of torch. Modules of torch have buffers.
    """
    if keras.backend.backend() != "torch":
        return []
    import torch

    held = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    states: list[tuple[Any, Any]] = [(torch.set_rng_state, torch.get_rng_state())]
    if torch.cuda.is_initialized():
        states.append((torch.cuda.set_rng_state, torch.cuda.get_rng_state()))
    return held + states


def put_back_beside(kept: list[tuple[Any, Any]]) -> None:
    """Put back what `kept_beside` has kept."""
    for target, value in kept:
        if callable(target) and not hasattr(target, "copy_"):
            target(value)
        else:
            target.copy_(value)


def metric_logs(model: Any, logs: Any, values: list[Any] | None = None) -> Any:
    """What the model's metrics amount to, where that is what a step has returned; else `logs`.

    Args:
        model: The model.
        logs: What its step has returned.
        values: Of its metrics' variables, where the step of JAX carries them.
    """
    if values is None:
        results = model.get_metrics_result()
    else:
        mapping = list(zip(model.metrics_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            results = model.get_metrics_result()
    if not isinstance(logs, dict) or set(logs) != set(results):
        return logs
    return {name: _like(results[name], value) for name, value in logs.items()}


def _like(result: Any, value: Any) -> Any:
    if not hasattr(value, "dtype"):
        return result
    return ops.cast(result, keras.backend.standardize_dtype(value.dtype))
