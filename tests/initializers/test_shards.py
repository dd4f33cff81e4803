"""A weight drawn in parts, wherever they lie, is the weight drawn as a whole."""

import functools

import keras
import numpy as np
import pytest
from processes import MODEL, answers_of, ran

import keras_initlab

BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="layouts are JAX's")
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow")

SCHEMES = [
    keras_initlab.RandomNormal(seed=3),
    keras_initlab.TruncatedNormal(seed=3),
    keras_initlab.HeUniform(seed=3),
    keras_initlab.Orthogonal(seed=3),
    keras_initlab.Constant(0.25),
]


def values(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


@pytest.mark.parametrize("initializer", SCHEMES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_partition_has_the_values_of_the_whole(initializer, dtype):
    whole = values(initializer((700, 100), dtype))

    part = initializer((700, 100), dtype, partition_shape=(40, 100), partition_offset=(650, 0))

    assert keras.backend.standardize_dtype(part.dtype) == dtype
    np.testing.assert_array_equal(values(part), whole[650:690])


def test_partition_of_a_weight_that_the_backend_draws_is_cut_from_the_whole():
    seeds = [keras.random.SeedGenerator(5) for _ in range(2)]
    whole, part = (keras_initlab.RandomNormal(seed=seed) for seed in seeds)

    part = part((70, 10), partition_shape=(7, 10), partition_offset=(63, 0))

    np.testing.assert_array_equal(values(part), values(whole((70, 10)))[63:])


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition_shape": (4, 4)},
        {"partition_offset": (0, 0)},
        {"partition_shape": (4,), "partition_offset": (0,)},
        {"partition_shape": (4, 4), "partition_offset": (7, 0)},
        {"partition_shape": (4, 4), "partition_offset": (-1, 0)},
    ],
)
def test_partition_outside_the_weight_is_refused(wrong):
    with pytest.raises(ValueError, match="`partition_shape` and `partition_offset` are"):
        keras_initlab.RandomNormal(seed=1)((10, 4), **wrong)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has layouts")
def test_layout_is_refused_where_keras_has_none():
    with pytest.raises(ValueError, match=r"on JAX alone.*partition_shape"):
        keras_initlab.RandomNormal(seed=1)((10, 4), layout=object())


SHARDED = """
plain = [np.asarray(weight.value) for weight in model().weights]
devices = keras.distribution.list_devices()
drawn, whole = [], lab.RandomNormal._at
def at(self, place, dtype):
    drawn.append(place.layout is not None)
    return whole(self, place, dtype)
lab.RandomNormal._at = at
answers = {}
for sides, axes in [
    ((1, 2), ("model", None)), ((1, 4), ("model", None)), ((1, 8), ("model", None)),
    ((1, 8), (None, "model")), ((4, 2), ("batch", "model")), ((2, 4), (None, None)),
]:
    mesh = keras.distribution.DeviceMesh(sides, ["batch", "model"], devices[: sides[0] * sides[1]])
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*embeddings"] = keras.distribution.TensorLayout(axes, mesh)
    layout[".*kernel"] = keras.distribution.TensorLayout((None, "model"), mesh)
    spread = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
    with spread.scope():
        built = model()
        for weight, expected in zip(built.weights, plain, strict=True):
            assert weight.value.sharding == weight._layout.backend_layout, weight.path
            np.testing.assert_array_equal(np.asarray(weight.value), expected)
        built.compile("adam", "mse")
        loss = built.fit(np.zeros((64, 4), "int32"), np.zeros((64, 8)), verbose=0).history["loss"]
        assert np.isfinite(loss).all()
    shard = built.weights[0].value.addressable_shards[0].data.shape
    answers[f"{sides} {axes}"] = shard
assert drawn and all(drawn), drawn
print(json.dumps(answers))
"""


@on_jax
def test_sharded_model_has_the_values_of_the_whole():
    flags = "--xla_force_host_platform_device_count=8"

    (shards,) = answers_of(ran(MODEL + SHARDED, XLA_FLAGS=flags))

    assert [tuple(shape) for shape in shards.values()] == [
        (4012, 24),
        (2006, 24),
        (1003, 24),
        (8024, 3),
        (2006, 12),
        (8024, 24),
    ]


EMBEDDING = """
import keras_rs
table = keras_rs.layers.TableConfig(
    "ids", vocabulary_size=8000, embedding_dim=16, initializer=lab.UnitLookup(seed=1),
    placement="default_device", combiner="mean")
feature = keras_rs.layers.FeatureConfig("ids", table, (8, 5), (8, 16))
mesh = keras.distribution.DeviceMesh((1, 4), ["batch", "model"], keras.distribution.list_devices())
layout = keras.distribution.LayoutMap(mesh)
layout[".*embeddings"] = keras.distribution.TensorLayout(("model", None), mesh)
with keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch").scope():
    layer = keras_rs.layers.DistributedEmbedding({"ids": feature})
    layer.build({"ids": (8, 5)})
    weight, = layer.trainable_variables
whole = lab.UnitLookup(seed=1)((8000, 16))
np.testing.assert_array_equal(np.asarray(weight.value), np.asarray(whole))
print(json.dumps(weight.value.addressable_shards[0].data.shape))
"""


@on_jax
def test_distributed_embedding_has_the_values_of_the_whole():
    flags = "--xla_force_host_platform_device_count=4"

    assert answers_of(ran(MODEL + EMBEDDING, XLA_FLAGS=flags)) == [[2000, 16]]


@on_tensorflow
def test_traced_function_can_ask_for_a_part():
    import tensorflow as tf

    draw = functools.partial(
        keras_initlab.RandomNormal(seed=1),
        (50, 4),
        partition_shape=(5, 4),
        partition_offset=(45, 0),
    )

    np.testing.assert_array_equal(tf.function(draw)(), draw())


@on_jax
def test_traced_function_can_ask_for_a_layout():
    import jax

    mesh = jax.sharding.Mesh(jax.devices()[:1], ("model",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("model"))
    scheme = keras_initlab.RandomNormal(seed=1)

    traced = jax.jit(lambda: scheme((50, 4), layout=sharding))()

    np.testing.assert_array_equal(values(traced), values(scheme((50, 4))))
