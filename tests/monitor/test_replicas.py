import subprocess
import sys

import keras
import pytest

CODE = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_initlab import ActivationVarianceLogger, HeNormal

x = np.random.default_rng(0).normal(size=(64, 20)).astype("float32")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    hidden = keras.layers.Dense(32, "relu", kernel_initializer=HeNormal(seed=1), name="hidden")
    model = keras.Sequential([keras.Input((20,)), hidden, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
kernel = model.get_weights()[0].astype("float64")
logger = ActivationVarianceLogger(update_freq=1, max_elements=None)
model.fit(x, x[:, :1], batch_size=64, shuffle=False, epochs=2, verbose=0, callbacks=[logger])
look = logger.looks[0]
assert [look.step for look in logger.looks] == [0, 1]
assert look.by_layer("count")["hidden"] == 64 * 32
expected = np.maximum(x @ kernel, 0).var()
assert abs(look.by_layer("variance")["hidden"] / expected - 1) < 1e-5, expected
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a strategy of TensorFlow")
def test_replicas_are_merged_exactly_under_a_mirrored_strategy():
    ran = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=300
    )

    assert ran.returncode == 0, ran.stderr
