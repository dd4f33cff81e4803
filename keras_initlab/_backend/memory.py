"""Memory of every backend, filled by NumPy without a copy where possible."""

import contextlib
import ctypes
import gc
import math
import mmap
from collections.abc import Callable, Sequence
from typing import Any

import keras
import ml_dtypes
import numpy as np

_LARGE_PAGE_BYTES = 1 << 21

# Smaller tensors are not checked.
_MUCH_BYTES = 1 << 30


def check_room(shape: tuple[int, ...], dtype: str) -> None:
    """Refuse a tensor that the system has no memory for.

    Args:
        shape: Shape of the tensor.
        dtype: Keras's name of a dtype.

    Raises:
        MemoryError: If there is not enough. TensorFlow ends the process without a message.
    """
    size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if size_bytes < _MUCH_BYTES:
        return
    try:
        # Reserved and released again: nothing is written to it.
        np.empty(size_bytes, np.uint8)
    except MemoryError as error:
        raise MemoryError(
            f"A weight must fit into memory, and this one takes {size_bytes / 1e9:,.0f} GB. "
            f"Received: shape={shape}, dtype={dtype}."
        ) from error


def filled_tensor(shape: tuple[int, ...], dtype: str, fill: Callable[[np.ndarray], None]) -> Any:
    """A backend tensor whose memory `fill` has written, without a second copy where possible.

    TensorFlow and torch lend their own memory on the CPU, and JAX adopts a NumPy buffer there. A
    tensor that lives on an accelerator is copied to it once. Inside a traced function the values
    enter as a constant.

    Args:
        shape: Shape of the tensor.
        dtype: Keras's name of a dtype.
        fill: Called once with a writable NumPy array of that shape and dtype.

    Raises:
        MemoryError: If the system has too little.
    """
    check_room(shape, dtype)
    maker = {"tensorflow": _tensorflow_tensor, "jax": _jax_tensor, "torch": _torch_tensor}
    return maker.get(keras.backend.backend(), _copied_tensor)(shape, dtype, fill)


def host_view(variable: Any) -> np.ndarray:
    """A variable's numbers on the host, for reading: where TensorFlow keeps them there, no copy."""
    value = variable.value
    if keras.backend.backend() == "tensorflow":
        # bfloat16 has no format letter for a buffer.
        with contextlib.suppress(BufferError, TypeError, ValueError):
            return np.asarray(memoryview(value.value()))
    return np.asarray(keras.ops.convert_to_numpy(value))


def sharded_tensor(
    shape: tuple[int, ...],
    dtype: str,
    layout: Any,
    fill: Callable[[list[tuple[np.ndarray, tuple[slice, ...]]]], None],
) -> Any:
    """A tensor spread over devices; this process makes only its own shards.

    Args:
        shape: Shape of the whole tensor.
        dtype: Keras's name of a dtype.
        layout: `keras.distribution.TensorLayout` or a sharding of JAX.
        fill: Called once with all shards of this process, each a writable NumPy array and its
            place in the whole; a shard that several devices hold comes once.

    Raises:
        ValueError: On a backend other than JAX, for only JAX has layouts.
    """
    if keras.backend.backend() != "jax":
        raise ValueError(
            "`layout` spreads a weight over devices, which Keras does on JAX alone. "
            f"Received: layout={layout!r} on {keras.backend.backend()}. "
            'Try `KERAS_BACKEND="jax"`, or `partition_shape` and `partition_offset`.'
        )
    import jax

    sharding = _concrete_sharding(layout)
    if _is_traced():
        whole = tuple(slice(0, size) for size in shape)
        tensor = filled_tensor(shape, dtype, lambda out: fill([(out, whole)]))
        return distributed(tensor, sharding)
    shards: dict[tuple, np.ndarray] = {}
    places = {}
    for device, index in sharding.addressable_devices_indices_map(shape).items():
        bounds = tuple(part.indices(size)[:2] for part, size in zip(index, shape, strict=True))
        size = tuple(high - low for low, high in bounds)
        places[device] = bounds
        if bounds not in shards:
            shards[bounds] = _aligned(size, _numpy_dtype(dtype))
    fill([(out, tuple(slice(*ends) for ends in bounds)) for bounds, out in shards.items()])
    pieces = [_adopted(shards[bounds], device) for device, bounds in places.items()]
    return jax.make_array_from_single_device_arrays(shape, sharding, pieces)


def distributed(tensor: Any, layout: Any) -> Any:
    """A whole tensor of this process, spread over devices by a layout of JAX."""
    import jax

    sharding = _concrete_sharding(layout)
    if _is_traced():
        return jax.lax.with_sharding_constraint(tensor, sharding)
    return jax.device_put(tensor, sharding)


def _is_traced() -> bool:
    import jax

    return isinstance(jax.numpy.zeros(()), jax.core.Tracer)


def _concrete_sharding(layout: Any) -> Any:
    """The layout on real devices; the mesh of the one that Keras passes has only names."""
    import jax

    sharding = getattr(layout, "backend_layout", layout)
    mesh = getattr(sharding, "mesh", None)
    if not isinstance(mesh, jax.sharding.AbstractMesh):
        return sharding
    return jax.sharding.NamedSharding(jax.sharding.get_mesh(), sharding.spec)


def _copied_tensor(shape: tuple[int, ...], dtype: str, fill: Callable) -> Any:
    array = np.empty(shape, _numpy_dtype(dtype))
    fill(array)
    return keras.ops.convert_to_tensor(array, dtype=dtype)


def _tensorflow_tensor(shape: tuple[int, ...], dtype: str, fill: Callable) -> Any:
    import tensorflow as tf

    if not tf.executing_eagerly() or 0 in shape:
        return _copied_tensor(shape, dtype, fill)
    # Without the outer device, which may be that of a parameter server.
    with tf.device(None), tf.device("CPU:0"):
        # A buffer of bfloat16 has no format letter; its bits travel as float16.
        held = "float16" if dtype == "bfloat16" else dtype
        tensor = tf.raw_ops.Empty(shape=shape, dtype=held, init=False)
        address = np.asarray(memoryview(tensor)).ctypes.data
        size_bytes = math.prod(shape) * _numpy_dtype(dtype).itemsize
        _ask_for_large_pages(address, size_bytes)
        memory = memoryview((ctypes.c_char * size_bytes).from_address(address))
        fill(np.frombuffer(memory, _numpy_dtype(dtype)).reshape(shape))
        return tensor if held == dtype else tf.bitcast(tensor, dtype)


def _jax_tensor(shape: tuple[int, ...], dtype: str, fill: Callable) -> Any:
    array = _aligned(shape, _numpy_dtype(dtype))
    fill(array)
    return _adopted(array, None)


def _aligned(shape: Sequence[int], kind: np.dtype) -> np.ndarray:
    """An array aligned so that JAX can adopt it; NumPy requests large pages itself."""
    size_bytes = math.prod(shape) * kind.itemsize
    if size_bytes >= _LARGE_PAGE_BYTES:
        # JAX gives memory that it has adopted back when Python collects garbage, which no number of
        # bytes brings about: a deleted table would stay in memory beside the next one.
        gc.collect(0)
    raw = np.empty(size_bytes + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    return raw[begin : raw.size - 64 + begin].view(kind).reshape(shape)


def _adopted(array: np.ndarray, device: Any) -> Any:
    """An array of JAX on a device; on the CPU in NumPy's own memory, if that is aligned."""
    import jax

    # NumPy converts to the 32 bits that JAX holds, so that JAX does not warn.
    return jax.device_put(
        array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False), device
    )


def _torch_tensor(shape: tuple[int, ...], dtype: str, fill: Callable) -> Any:
    import torch
    from keras.src.backend.torch.core import get_device, to_torch_dtype

    tensor = torch.empty(shape, dtype=to_torch_dtype(dtype), device="cpu")
    held = tensor.view(torch.int16) if dtype == "bfloat16" else tensor
    _ask_for_large_pages(tensor.data_ptr(), tensor.numel() * tensor.element_size())
    fill(held.numpy().view(_numpy_dtype(dtype)))
    return tensor.to(get_device())


def _ask_for_large_pages(address: int, size_bytes: int) -> None:
    """Where the system has large pages, the first touch of fresh memory is four times faster."""
    begin = -(-address // _LARGE_PAGE_BYTES) * _LARGE_PAGE_BYTES
    end = (address + size_bytes) // _LARGE_PAGE_BYTES * _LARGE_PAGE_BYTES
    if end > begin and hasattr(mmap, "MADV_HUGEPAGE"):
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        # It is advice: where the system refuses it, nothing is lost.
        madvise(begin, end - begin, mmap.MADV_HUGEPAGE)


def _numpy_dtype(dtype: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
