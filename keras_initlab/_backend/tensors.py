"""Tensors, seeds and scopes of every backend."""

import contextlib
from typing import Any

import keras
import numpy as np
from keras import ops


def concrete(tensor: Any) -> np.ndarray | None:
    """The tensor's values, or `None` while a function is being traced."""
    if keras.backend.backend() == "tensorflow":
        return tensor.numpy() if hasattr(tensor, "numpy") else None
    if keras.backend.backend() == "jax":
        import jax

        return None if isinstance(tensor, jax.core.Tracer) else np.asarray(tensor)
    return keras.ops.convert_to_numpy(tensor)


def eager_scope() -> Any:
    """A context in which operations return values, even while a function is being traced."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.init_scope()
    if keras.backend.backend() == "jax":
        import jax

        return jax.ensure_compile_time_eval()
    return contextlib.nullcontext()


def in_symbolic_scope() -> bool:
    """Whether Keras is inferring shapes, so that values do not matter."""
    from keras.src.backend.common.symbolic_scope import in_symbolic_scope as asked

    return bool(asked())


class KeySeed(keras.random.SeedGenerator):
    """A backend key (of JAX, say) in the form of a seed generator for `keras.random`."""

    def __init__(self, key: Any):
        self.key = key

    def next(self, ordered: bool = True) -> Any:
        return self.key


def isolated(tensor: Any) -> Any:
    """The tensor behind a barrier, so that XLA fuses as if this reader did not exist.

    Only on JAX: TensorFlow's barrier was tried and changes the rounding.
    """
    if keras.backend.backend() != "jax":
        return tensor
    import jax

    return jax.lax.optimization_barrier(tensor)


def gathered(tensor: Any, places: Any, axis: int = 0) -> Any:
    """`keras.ops.take` of int32 indices in one operation; none of them is negative."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(tensor, places, axis=axis)
    return keras.ops.take(tensor, places, axis=axis)


def half_sum_of_squares(values: Any) -> Any:
    """Half the sum of squares of `(rows, units)`, or of every block in `(blocks, rows, units)`.

    TensorFlow has one operation for all elements, without a tensor of squares in between.
    """
    if keras.backend.backend() == "tensorflow" and len(values.shape) == 2:
        import tensorflow as tf

        return tf.nn.l2_loss(values)
    return 0.5 * ops.sum(ops.square(values), axis=(-2, -1))


def mask_of(tensor: Any) -> Any:
    """The mask of time steps that Keras has attached to a tensor, or `None`."""
    from keras.src.backend.common.masking import get_keras_mask

    return get_keras_mask(tensor)


def reachable(tensor: Any) -> Any:
    """The tensor without its gradient; `None` if it belongs to an inner function, a loop body say.

    TensorFlow refuses a tensor of another graph with a `TypeError`, or with an error of its own if
    that graph lies inside this one. JAX can accept a tracer of a finished trace and fail only when
    it compiles.
    """
    if is_sparse(tensor):
        return None if reachable(dense_values(tensor)) is None else tensor
    if keras.backend.backend() == "jax" and not _is_traced_here(tensor):
        return None
    try:
        return keras.ops.stop_gradient(tensor)
    except TypeError:
        return None
    except Exception as error:
        if type(error).__name__ not in ("InaccessibleTensorError", "UnexpectedTracerError"):
            raise
        return None


def _is_traced_here(tensor: Any) -> bool:
    """Whether the trace of a JAX tracer is still running."""
    from jax._src.core import Tracer, trace_ctx

    if not isinstance(tensor, Tracer):
        return True
    trace = trace_ctx.trace
    while trace is not None and trace is not tensor._trace:
        trace = getattr(trace, "parent_trace", None)
    return trace is not None


def reachable_gradient(gradient: Any) -> Any:
    """A gradient, dense or of TensorFlow's sparse kind, if it can be reached from here."""
    values = reachable(gradient.values if hasattr(gradient, "dense_shape") else gradient)
    return None if values is None else gradient


def flat_tensors(nested: Any) -> list[Any]:
    """The tensors in a nested structure; ragged ones as their values."""
    leaves = keras.tree.flatten(nested)
    flat = [leaf if is_sparse(leaf) else dense_values(leaf) for leaf in leaves]
    return [leaf for leaf in flat if hasattr(leaf, "shape") and hasattr(leaf, "dtype")]


def is_float(tensor: Any) -> bool:
    """Whether a tensor holds real numbers that have a gradient."""
    return _kind_of(tensor).startswith(("float", "bfloat"))


def is_numeric(tensor: Any) -> bool:
    """Whether a tensor holds real numbers or booleans: no strings, no resources."""
    return _kind_of(tensor).startswith(("float", "bfloat", "int", "uint", "bool"))


def tensor_of(array: Any) -> Any:
    """An array as a tensor of the backend; strings too, on TensorFlow, which alone has them."""
    if getattr(getattr(array, "dtype", None), "kind", "") not in ("U", "S", "O"):
        return ops.convert_to_tensor(array)
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"Only TensorFlow has strings. Received: an array of dtype {array.dtype}.")
    import tensorflow as tf

    return tf.convert_to_tensor(array)


def _kind_of(tensor: Any) -> str:
    """Keras's name of a tensor's dtype; empty where it has none."""
    try:
        return str(keras.backend.standardize_dtype(tensor.dtype))
    except (AttributeError, ValueError):
        return ""


def rank_of(tensor: Any) -> int | None:
    """How many axes a tensor has; `None` where TensorFlow does not know."""
    shape = getattr(tensor, "shape", None)
    return None if shape is None or getattr(shape, "rank", 0) is None else len(shape)


def units_of(tensor: Any) -> int | None:
    """The length of a tensor's last axis; `None` where it has none, or it is not known."""
    return tensor.shape[-1] if rank_of(tensor) else None


def is_sparse(tensor: Any) -> bool:
    """Whether a tensor is one of TensorFlow's or JAX's sparse kinds."""
    return type(tensor).__name__ in ("SparseTensor", "BCOO")


def dense_values(tensor: Any) -> Any:
    """The values of a ragged or sparse tensor or gradient; any other tensor as it is."""
    if hasattr(tensor, "flat_values"):
        return tensor.flat_values
    if is_sparse(tensor) or hasattr(tensor, "dense_shape"):
        return tensor.values if hasattr(tensor, "values") else tensor.data
    return tensor


def mean_square_of_sparse(tensor: Any) -> Any:
    """Mean square of a sparse tensor's elements, including the zeros that it does not store."""
    values = ops.cast(dense_values(tensor), "float32")
    sizes = [ops.cast(size, "float32") for size in ops.shape(tensor)]
    return ops.sum(ops.square(values)) / ops.maximum(ops.prod(ops.stack(sizes)), 1.0)


def distinct_rows(ids: Any, limit: int | None) -> tuple[Any, Any]:
    """The first `limit` ids of a batch, sorted, and a mask of their first occurrences.

    Args:
        ids: Integer tensor of any shape.
        limit: How many ids are used, `None` for all.
    """
    ids = ops.cast(ops.reshape(ids, (-1,)), "int32")
    ids = ops.sort(ids if limit is None else ids[:limit])
    first = ops.ones_like(ids[:1], dtype="bool")
    return ids, ops.concatenate([first, ops.not_equal(ids[1:], ids[:-1])])


def rows_of(tensor: Any, ids: Any) -> Any:
    """Rows of a table or of its gradient; a sparse gradient of TensorFlow is summed by row.

    Args:
        tensor: `(vocabulary, ...)` dense, or an `IndexedSlices` of TensorFlow.
        ids: `(n,)` int32, sorted.
    """
    if not hasattr(tensor, "dense_shape"):
        return ops.take(tensor, ids, axis=0)
    indices = ops.cast(tensor.indices, "int32")
    places = ops.minimum(ops.searchsorted(ids, indices), ops.shape(ids)[0] - 1)
    places = ops.cast(places, "int32")
    held = ops.cast(ops.equal(ops.take(ids, places), indices), tensor.values.dtype)
    values = tensor.values * ops.reshape(held, (-1,) + (1,) * (len(tensor.values.shape) - 1))
    import tensorflow as tf

    return tf.math.unsorted_segment_sum(values, places, ops.shape(ids)[0])


def updated_part(variable: Any, gradient: Any) -> Any:
    """What an update has changed of a variable: the rows of a sparse gradient, else all of it.

    Args:
        variable: Keras variable, after the update.
        gradient: Dense, or an `IndexedSlices` of TensorFlow.
    """
    value = ops.convert_to_tensor(variable.value)
    if not hasattr(gradient, "dense_shape"):
        return value
    return gathered(value, ops.cast(gradient.indices, "int32"))


def set_flags(state: Any, ids: Any) -> None:
    """Set a variable of flags to 1 at these indices, in place where the backend can.

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
