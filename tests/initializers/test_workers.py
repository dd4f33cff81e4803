"""Several processes draw equal weights, or their own parts of one, from one seed."""

import json

import keras
import pytest
from processes import MODEL, answers_of, free_port, ran

BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="layouts are JAX's")
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow")

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
