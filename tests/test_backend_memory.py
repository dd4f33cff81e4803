import gc
import weakref

import keras
import numpy as np
import pytest

from keras_initlab import _backend

JAX = keras.backend.backend() == "jax"
DTYPES = ["float16", "bfloat16", "float32"]


def address_of(tensor):
    if JAX:
        return tensor.unsafe_buffer_pointer()
    if keras.backend.backend() == "torch":
        return tensor.data_ptr()
    # A tensor of bfloat16 has no buffer that NumPy reads without a copy.
    return np.asarray(memoryview(tensor)).ctypes.data


@pytest.mark.parametrize("dtype", ["float16", "float32"] if not JAX else DTYPES)
@pytest.mark.parametrize("shape", [(3, 5), (1100, 1000)])
def test_backend_owns_the_memory_that_was_filled(dtype, shape):
    seen = []

    def fill(out):
        out[...] = 2
        seen.append(out.ctypes.data)

    tensor = _backend.filled_tensor(shape, dtype, fill)

    assert address_of(tensor) == seen[0]
    assert float(keras.ops.sum(keras.ops.cast(tensor, "float32"))) == 2 * np.prod(shape)


@pytest.mark.skipif(not JAX, reason="other backends own the memory themselves")
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_memory_of_a_deleted_array_is_free_before_the_next_is_filled(dtype):
    alive = []

    def fill(out):
        alive.append([each() is not None for each in owners])
        owners.append(weakref.ref(out.base.base if out.base.base is not None else out.base))

    owners = []
    gc.disable()
    try:
        for _ in range(3):
            _backend.filled_tensor((1 << 20, 4), dtype, fill).delete()
    finally:
        gc.enable()

    assert alive == [[], [False], [False, False]]


@pytest.mark.parametrize("dtype", ["float64", "int32", "bool"])
@pytest.mark.parametrize("shape", [(3, 5), (0, 5)])
def test_any_dtype_of_keras_can_be_filled(dtype, shape):
    def fill(out):
        out[...] = 1

    values = keras.ops.convert_to_numpy(_backend.filled_tensor(shape, dtype, fill))

    assert values.shape == shape
    assert (values == 1).all()


def sharding_of(*axes):
    import jax

    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("model",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))


def fill_with_places(parts):
    for out, index in parts:
        out[...] = np.arange(24).reshape(6, 4)[index]


@pytest.mark.skipif(not JAX, reason="layouts are JAX's")
@pytest.mark.parametrize("dtype", [*DTYPES, "int32"])
@pytest.mark.parametrize("axes", [("model",), (None, "model"), ()])
def test_sharded_tensor_has_the_layout_and_the_values(dtype, axes):
    sharding = sharding_of(*axes)

    tensor = _backend.sharded_tensor((6, 4), dtype, sharding, fill_with_places)

    assert tensor.sharding == sharding
    assert keras.backend.standardize_dtype(tensor.dtype) == dtype
    np.testing.assert_array_equal(np.asarray(tensor, "float32"), np.arange(24).reshape(6, 4))


@pytest.mark.skipif(not JAX, reason="layouts are JAX's")
def test_sharded_tensor_of_no_elements_is_made():
    tensor = _backend.sharded_tensor((0, 4), "float32", sharding_of("model"), lambda parts: None)

    assert tensor.shape == (0, 4)


@pytest.mark.skipif(not JAX, reason="layouts are JAX's")
def test_traced_function_spreads_a_tensor():
    import jax

    sharding = sharding_of("model")

    def spread(x):
        whole = _backend.sharded_tensor((6, 4), "float32", sharding, fill_with_places)
        return whole + _backend.distributed(x, sharding)

    np.testing.assert_array_equal(
        jax.jit(spread)(np.ones((6, 4), "float32")), np.arange(24).reshape(6, 4) + 1
    )
    assert _backend.distributed(np.ones((6, 4), "float32"), sharding).sharding == sharding


@pytest.mark.parametrize("dtype", [*DTYPES, "int32"])
def test_numbers_of_a_variable_are_seen_on_the_host(dtype):
    variable = keras.Variable(np.arange(6).reshape(2, 3), dtype=dtype, trainable=False)

    seen = _backend.host_view(variable)

    np.testing.assert_array_equal(np.asarray(seen, "float32"), np.arange(6).reshape(2, 3))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others never copy")
def test_view_of_a_variable_is_no_copy_and_stays_what_it_was():
    variable = keras.Variable(np.ones((3, 2), "float32"))

    first, second = _backend.host_view(variable), _backend.host_view(variable)
    variable.assign(np.zeros((3, 2)))

    assert first.ctypes.data == second.ctypes.data
    assert not first.flags.writeable
    assert first.sum() == 6
