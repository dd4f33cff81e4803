"""A weight drawn in parts, wherever they lie, is the weight drawn as a whole."""

import functools
import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

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


def ran(code, *words, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def answers_of(*processes):
    """The last line of each process as JSON; none is left running."""
    try:
        told = [process.communicate(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, told, strict=True):
        assert process.returncode == 0, errors
    return [json.loads(out.splitlines()[-1]) for out, _ in told]


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


MODEL = """
import json, os, sys
import keras
import numpy as np
import keras_initlab as lab

def model():
    return keras.Sequential([
        keras.Input((4,), dtype="int32"),
        keras.layers.Embedding(8024, 24, embeddings_initializer=lab.RandomNormal(seed=3)),
        keras.layers.Flatten(),
        keras.layers.Dense(16, "relu", kernel_initializer=lab.HeNormal(seed=1),
                           bias_initializer=lab.Constant(0.5)),
        keras.layers.Dense(8, kernel_initializer=lab.Orthogonal(seed=1), dtype="bfloat16"),
    ])
"""

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


TWO_PROCESSES = """
import resource
rank, port = int(sys.argv[1]), sys.argv[2]
keras.distribution.initialize(f"localhost:{port}", 2, rank)
import jax
devices = keras.distribution.list_devices()
mesh = keras.distribution.DeviceMesh((1, len(devices)), ["batch", "model"], devices)
layout = keras.distribution.LayoutMap(mesh)
layout[".*embeddings"] = keras.distribution.TensorLayout(("model", None), mesh)
rows, columns = 1_000_000, 64
scheme = lab.RandomNormal(seed=9)
with keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch").scope():
    seeded = model()
    fresh = keras.layers.Dense(8, kernel_initializer=lab.HeNormal())
    fresh.build((None, 16))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
table = scheme((rows, columns), layout=layout[".*embeddings"])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
own, = table.addressable_shards
start = own.index[0].start or 0
part = scheme((rows, columns), partition_shape=(9, columns), partition_offset=(start, 0))
np.testing.assert_array_equal(np.asarray(own.data[:9]), np.asarray(part))
own_of = lambda weight: np.asarray(weight.value.addressable_shards[0].data).astype("float64")
print(json.dumps({
    "devices": len(devices), "start": start, "rows": own.data.shape[0],
    "growth": (after - before) / (rows * columns * 4),
    "kernel": own_of(seeded.weights[1]).tolist(), "fresh": own_of(fresh.kernel).tolist(),
}))
"""


@on_jax
def test_two_processes_draw_their_own_shards_of_one_model():
    port = free_port()
    one_device = {"XLA_FLAGS": "--xla_force_host_platform_device_count=1"}

    processes = [ran(MODEL + TWO_PROCESSES, rank, port, **one_device) for rank in range(2)]
    first, second = answers_of(*processes)

    assert first["devices"] == 2
    assert [first["start"], second["start"]] == [0, 500_000]
    assert first["rows"] == second["rows"] == 500_000
    # Replicated kernels are equal: by their seed, and without one by Keras's shared generator.
    assert first["kernel"] == second["kernel"]
    assert first["fresh"] == second["fresh"]
    # Half the table, and what drawing needs beside it.
    assert max(first["growth"], second["growth"]) < 0.6


WORKER = """
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
assert strategy.num_replicas_in_sync == 2
sums = lambda built: [float(np.asarray(weight, "float64").sum()) for weight in built.weights]
own = sums(model())
with strategy.scope():
    print(json.dumps([own, sums(model())]))
"""


@on_tensorflow
def test_two_workers_draw_equal_weights():
    addresses = [f"localhost:{free_port()}" for _ in range(2)]
    # TensorFlow 2.21 cannot send bfloat16 from worker to worker.
    code = MODEL.replace(', dtype="bfloat16"', "") + WORKER

    def worker(rank):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
        return ran(code, TF_CONFIG=json.dumps(cluster))

    first, second = answers_of(*(worker(rank) for rank in range(2)))

    assert first[0] == second[0] == first[1] == second[1]


@on_tensorflow
def test_parameter_servers_draw_their_own_slices():
    code = (
        MODEL
        + """
import functools
import tensorflow as tf
ports = [int(word) for word in sys.argv[1:]]
spec = tf.train.ClusterSpec({"worker": [f"localhost:{ports[0]}"],
                             "ps": [f"localhost:{port}" for port in ports[1:]]})
servers = [tf.distribute.Server(spec, job_name=job, task_index=task, protocol="grpc")
           for job, count in (("worker", 1), ("ps", 2)) for task in range(count)]
resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, rpc_layer="grpc")
cut = tf.distribute.experimental.partitioners.FixedShardsPartitioner(3)
strategy = tf.distribute.experimental.ParameterServerStrategy(resolver, variable_partitioner=cut)
drawn, whole = [], lab.RandomNormal._at
def at(self, place, dtype):
    drawn.append(place.size)
    return whole(self, place, dtype)
lab.RandomNormal._at = at
init = lab.RandomNormal(seed=1)
with strategy.scope():
    table = tf.Variable(functools.partial(init, (1000, 16), "float32"), shape=(1000, 16),
                        dtype="float32")
    own = list(drawn)
    layer = keras.layers.Embedding(1000, 16, embeddings_initializer=init)
    layer.build(())
expected = np.asarray(init((1000, 16)))
for variable in (table, layer.embeddings.value):
    found = np.concatenate([part.numpy() for part in variable.variables])
    np.testing.assert_array_equal(found, expected)
print(json.dumps(own), flush=True)
# The servers' threads have no end.
os._exit(0)
"""
    )

    (sizes,) = answers_of(ran(code, *(free_port() for _ in range(3))))

    assert sizes == [[334, 16], [333, 16], [333, 16]]


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
