"""JAX devices: the moments are those of the whole batch, however it is spread."""

import subprocess
import sys

import keras
import pytest

CODE = """
import os, sys
how, devices = sys.argv[1], int(sys.argv[2])
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
sys.path[:0] = [sys.argv[3]]
import keras
import monitoring
from monitoring import BATCH, X, Y

names = keras.distribution.list_devices()
assert len(names) == devices, names
if how == "data":
    spread = keras.distribution.DataParallel(devices=names)
else:
    mesh = keras.distribution.DeviceMesh((1, devices), ["batch", "model"], names)
    layout = keras.distribution.LayoutMap(mesh)
    layout["a/kernel"] = (None, "model")
    layout["a/bias"] = ("model",)
    layout["b/kernel"] = ("model", None)
    spread = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
keras.distribution.set_distribution(spread)
model = monitoring.compiled()
weights, logger = model.get_weights(), monitoring.logger_of()
# Full batches: JAX spreads no others over devices.
monitoring.fitted(model, logger, x=X[: 5 * BATCH], y=Y[: 5 * BATCH])
assert [look.step for look in logger.looks] == list(range(5))
for step, look in enumerate(logger.looks):
    batch = slice(step * BATCH, (step + 1) * BATCH)
    weights = monitoring.check_look(look, weights, X[batch], Y[batch])
assert monitoring.is_clean(model)
"""


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a distribution of JAX")
@pytest.mark.parametrize("devices", [2, 4])
@pytest.mark.parametrize("how", ["data", "model"])
def test_moments_are_those_of_the_whole_batch(how, devices):
    folder = __file__.rsplit("/monitor/", 1)[0]
    ran = subprocess.run(
        [sys.executable, "-c", CODE, how, str(devices), folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert ran.returncode == 0, ran.stderr
