"""Formats and libraries that the test extra does not bring; each is skipped where it is missing.

Each runs in a process of its own, for they warn, patch and import much.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import keras
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="TensorFlow's formats and libraries"
    ),
    pytest.mark.skipif(not EXAMPLES.exists(), reason="tests run beside an installed wheel"),
]

ONNX = """
import sys
import numpy as np
import onnxruntime
held = np.load(sys.argv[1] + "/batch.npz")
served = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
answer = served.run(None, {name: held[name] for name in ("ids", "numbers")})[0]
np.testing.assert_allclose(answer, held["answer"], rtol=1e-5, atol=1e-6)
assert "keras_initlab" not in sys.modules
"""

LITERT = """
import sys
import numpy as np
import tensorflow as tf
held = np.load(sys.argv[1] + "/batch.npz")
served = tf.lite.Interpreter(sys.argv[1] + "/model.tflite")
names = {each["name"].split("_")[-1].split(":")[0]: each["index"]
         for each in served.get_input_details()}
for name, index in names.items():
    served.resize_tensor_input(index, held[name].shape)
served.allocate_tensors()
for name, index in names.items():
    served.set_tensor(index, held[name])
served.invoke()
answer = served.get_tensor(served.get_output_details()[0]["index"])
np.testing.assert_allclose(answer, held["answer"], rtol=1e-5, atol=1e-6)
assert "keras_initlab" not in sys.modules
"""

EXPORT = """
import importlib, sys
import numpy as np
import clicks, data
log = data.click_log(3_000, base_rate=0.05, fields=6)
model = clicks.started(importlib.import_module(sys.argv[2]), "ours", log, seed=0)
model.fit(log.test, log.test_y, verbose=0)
batch = {name: values[:16] for name, values in log.test.items()}
np.savez(sys.argv[1] + "/batch.npz", **batch, answer=model.predict(batch, verbose=0))
model.export(sys.argv[1] + "/model." + sys.argv[4], format=sys.argv[3], verbose=False)
"""


def ran(code, *words):
    """Run a script with the examples on its path."""
    paths = f"import sys; sys.path[:0] = [{str(EXAMPLES / 'recommenders')!r}, {str(EXAMPLES)!r}]\n"
    command = [sys.executable, "-W", "ignore", "-c", paths + code, *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def needs(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.mark.parametrize("model", ["deepfm", "dlrm"])
@pytest.mark.parametrize(
    ("form", "ending", "code"),
    [
        pytest.param("onnx", "onnx", ONNX, marks=needs("tf2onnx", "onnxruntime")),
        pytest.param("litert", "tflite", LITERT),
    ],
)
def test_trained_model_is_served_by_another_format(form, ending, code, model, tmp_path):
    ran(EXPORT, tmp_path, model, form, ending)

    ran(code, tmp_path)


DEEPCTR = """
import keras
import numpy as np
from deepctr.feature_column import SparseFeat
from deepctr.models import DeepFM
from keras_initlab import Scaled, TiedEmbedding, lint

for given in (lambda: {}, lambda: {"embeddings_initializer": Scaled(TiedEmbedding(), 0.05)}):
    fields = [SparseFeat(name, 500, 8, **given()) for name in ("user", "item")]
    model = DeepFM(fields, fields, dnn_hidden_units=(32, 32))
    print("found", *sorted({each.layer.split("_")[0] for each in lint(model)}))
    model.compile("adam", "binary_crossentropy")
    ids = {name: np.random.randint(0, 500, (512, 1)) for name in ("user", "item")}
    history = model.fit(ids, np.random.random((512, 1)) < 0.1, verbose=0)
    assert np.isfinite(history.history["loss"][0])
"""


@needs("deepctr")
def test_tables_of_deepctr_differ_with_a_scheme_for_each():
    told = [line.split()[1:] for line in ran(DEEPCTR).splitlines() if line.startswith("found")]

    # Its dense kernels have one seed, and no argument to change it.
    assert told == [["dnn", "sparse"], ["dnn"]]


CROSS = """
import importlib.util
from pathlib import Path
import keras
import numpy as np
from keras_initlab import LecunNormal, Scaled

# The package itself refuses Keras 3.
package = Path(importlib.util.find_spec("tensorflow_recommenders").origin).parent
path = package / "layers" / "feature_interaction" / "dcn.py"
spec = importlib.util.spec_from_file_location("dcn", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

inputs = x = keras.Input((64,))
for seed in range(4):
    x = module.Cross(kernel_initializer=Scaled(LecunNormal(seed=seed), 5**-0.5))(inputs, x)
model = keras.Model(inputs, [x, keras.layers.Dense(1)(x)])
rows = np.random.default_rng(0).normal(size=(4096, 64)).astype("float32")
print("variance", float(np.var(keras.ops.convert_to_numpy(model(rows)[0]))))
"""


@needs("tensorflow_recommenders")
def test_crosses_of_tfrs_do_not_double_with_our_schemes():
    told = ran(CROSS)

    # Each of four adds a fifth of what it takes, (6/5)**4 = 2.07; unscaled the four make 16.
    assert 1.5 < float(told.split("variance")[1]) < 3


def test_script_that_fails_is_told():
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        ran("1 / 0")
