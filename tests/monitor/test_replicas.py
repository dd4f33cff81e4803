"""TensorFlow's strategies: exact global moments and one writer, or a clear reason."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a strategy of TensorFlow"
)

START = """
import json, os, sys, warnings
sys.path[:0] = [sys.argv[1]]
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import monitoring
from monitoring import X, Y
from keras_initlab import SignalWarning
"""

MIRRORED = """
options = {"eager": {"run_eagerly": True}, "graph": {}}[sys.argv[2]]
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = monitoring.compiled(**options)
weights = model.get_weights()
logger = monitoring.logger_of(log_dir=sys.argv[3])
# Full batches: of an odd one Keras weighs the examples of the smaller replica more.
x, y = X[:90], Y[:90]
monitoring.fitted(model, logger, x=x, y=y, batch_size=30)
assert [look.step for look in logger.looks] == [0, 1, 2]
for step, look in enumerate(logger.looks):
    batch = slice(step * 30, (step + 1) * 30)
    weights = monitoring.check_look(look, weights, X[batch], Y[batch])
assert monitoring.is_clean(model)
files = [name for _, _, names in os.walk(sys.argv[3]) for name in names]
assert len(files) == 1, files
"""

TABLE = """
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([
        keras.Input((1,), dtype="int32"), keras.layers.Embedding(10, 3, name="table"),
        keras.layers.Flatten(), keras.layers.Dense(1, name="score"),
    ])
    monitoring.compiled(model)
logger = monitoring.logger_of()
ids = np.array([[1], [2], [3], [4]] * 3)
monitoring.fitted(model, logger, x=ids, y=np.ones((12, 1)), batch_size=4)
# Each replica has looked up two of the four rows.
shares = [look.by_layer("untouched_fraction")["table"] for look in logger.looks]
assert shares == [0.6, 0.6, 0.6], shares
"""

MULTI_WORKER = """
os.environ["TF_CONFIG"] = json.dumps({
    "cluster": {"worker": [f"localhost:{sys.argv[3]}"]}, "task": {"type": "worker", "index": 0}
})
with tf.distribute.MultiWorkerMirroredStrategy().scope():
    model = monitoring.compiled()
weights = model.get_weights()
logger = monitoring.logger_of()
monitoring.fitted(model, logger)
for step, look in enumerate(logger.looks):
    batch = slice(step * monitoring.BATCH, (step + 1) * monitoring.BATCH)
    weights = monitoring.check_look(look, weights, X[batch], Y[batch])
assert len(logger.looks) == 6
"""

REFUSED = """
from keras_initlab import _backend

class ParameterServerStrategyV2:
    pass

class MultiWorker:
    num_replicas_in_sync = 2
    class extended:
        _in_multi_worker_mode = staticmethod(lambda: True)

for strategy in (ParameterServerStrategyV2(), MultiWorker()):
    class Apart(keras.Model):
        distribute_strategy = property(lambda self: strategy)
    model = Apart()
    logger = monitoring.logger_of()
    logger.set_model(model)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        logger.on_train_begin()
        logger.on_epoch_begin(0)
        logger.on_train_batch_begin(0)
        logger.on_train_batch_end(0)
        logger.on_epoch_end(0)
        logger.on_train_end()
    said = [warning for warning in said if warning.category is SignalWarning]
    assert len(said) == 1 and "keras issue 20585" in str(said[0].message), said
    assert type(strategy).__name__ in str(said[0].message)
"""


def run(code, *arguments):
    folder = str(Path(__file__).parent.parent)
    ran = subprocess.run(
        [sys.executable, "-c", START + code, folder, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("mode", ["graph", "eager"])
def test_replicas_are_merged_exactly_and_written_once(mode, tmp_path):
    run(MIRRORED, mode, tmp_path / "run")


def test_rows_touched_by_any_replica_are_touched():
    run(TABLE)


def test_one_worker_of_many_is_watched():
    run(MULTI_WORKER, "", 0)


def test_strategies_that_keras_cannot_train_under_are_refused_with_a_reason():
    run(REFUSED)


def test_a_wrong_look_fails():
    with pytest.raises(AssertionError):
        run("assert False")
