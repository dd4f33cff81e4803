import copy
import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from grids import over
from holder import Holder
from paper import ROWS

from keras_initlab.initializers.catalogue import CATALOGUE

NAMES = list(CATALOGUE)


def make(name):
    seeded = "seed" in inspect.signature(CATALOGUE[name]).parameters
    return CATALOGUE[name](**ROWS[name].arguments, **({"seed": 7} if seeded else {}))


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def assert_same(one, other):
    assert type(one) is type(other)
    assert one.get_config() == other.get_config()
    shape = ROWS[type(one).__name__].shape
    np.testing.assert_array_equal(numpy_of(one(shape)), numpy_of(other(shape)))


def model_of(*names):
    layers = [Holder(ROWS[name].shape, make(name), name=name.lower()) for name in names]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", keras.losses.MeanSquaredError())
    return model


def assert_same_model(one, other):
    for mine, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(numpy_of(mine), numpy_of(theirs))
    for mine, theirs in zip(one.layers, other.layers, strict=True):
        assert_same(mine.initializer, theirs.initializer)


def run(code, *arguments):
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_assertion_on_sameness_refuses_another_seed():
    with pytest.raises(AssertionError):
        assert_same(make("HeNormal"), CATALOGUE["HeNormal"](seed=8))


@over(name=NAMES)
def test_config_revives_the_scheme(name):
    assert_same(make(name), CATALOGUE[name].from_config(make(name).get_config()))


@over(name=NAMES)
def test_keras_serializes_and_finds_the_scheme(name):
    initializer = make(name)
    config = keras.initializers.serialize(initializer)

    assert_same(initializer, keras.initializers.deserialize(config))
    assert_same(initializer, keras.initializers.get(config))
    assert keras.initializers.get(initializer) is initializer


@over(name=[name for name in NAMES if not ROWS[name].arguments])
def test_keras_finds_the_scheme_by_name(name):
    assert type(keras.initializers.get(f"keras_initlab>{name}")) is CATALOGUE[name]


@over(name=NAMES, twin=[copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copy_and_pickle_keep_the_scheme(name, twin):
    assert_same(make(name), twin(make(name)))


def test_arguments_survive():
    scheme = CATALOGUE["HeNormal"](
        negative_slope=np.float32(0.5), mode="fan_out", distribution="truncated_normal", seed=3
    )

    assert_same(scheme, CATALOGUE["HeNormal"].from_config(scheme.get_config()))
    constant = CATALOGUE["Constant"](2.5)
    assert_same(constant, keras.initializers.get(keras.initializers.serialize(constant)))


def test_seed_generator_survives():
    scheme = CATALOGUE["HeNormal"](seed=keras.random.SeedGenerator(5))

    revived = keras.initializers.get(keras.initializers.serialize(scheme))

    assert revived.get_config()["seed"] == scheme.get_config()["seed"]
    np.testing.assert_array_equal(numpy_of(scheme((4, 4))), numpy_of(revived((4, 4))))


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_saved_model_comes_back(tmp_path, ending):
    model, path = model_of(*NAMES), tmp_path / f"model.{ending}"
    model.save(path)

    assert_same_model(model, keras.models.load_model(path, safe_mode=True))


def test_weights_json_and_clones_come_back(tmp_path):
    model = model_of(*NAMES)
    model.save_weights(tmp_path / "model.weights.h5")
    from_json = keras.models.model_from_json(model.to_json())
    from_json.load_weights(tmp_path / "model.weights.h5")

    assert_same_model(model, from_json)
    # Every scheme has an integer seed, so a clone draws the same weights.
    assert_same_model(model, keras.models.clone_model(model))


@pytest.mark.once
@pytest.mark.parametrize("imports", ["keras_initlab, keras", "keras, keras_initlab"])
def test_fresh_process_that_imports_the_package_loads_the_model(tmp_path, imports):
    model, path = model_of(*NAMES), tmp_path / "model.keras"
    model.save(path)
    expected = [numpy_of(layer.initializer(layer.shape)) for layer in model.layers]
    np.savez(tmp_path / "expected.npz", *map(numpy_of, model.weights), *expected)

    run(
        f"import sys, {imports}, holder\n"
        "import numpy as np\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "held = [keras.ops.convert_to_numpy(w) for w in model.weights]\n"
        "drawn = [keras.ops.convert_to_numpy(l.initializer(l.shape)) for l in model.layers]\n"
        "expected = np.load(sys.argv[2])\n"
        "assert len(expected.files) == len(held + drawn)\n"
        "for name, value in zip(expected.files, held + drawn):\n"
        "    np.testing.assert_array_equal(expected[name], value)\n",
        path,
        tmp_path / "expected.npz",
    )


@pytest.mark.once
def test_fresh_process_without_the_package_gets_an_error_that_names_it(tmp_path):
    for name in NAMES:
        model_of(name).save(tmp_path / f"{name}.keras")

    answers = run(
        "import sys, pathlib, keras, holder\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.keras')):\n"
        "    try:\n"
        "        keras.models.load_model(path)\n"
        "        print(path.stem, 'revived as the namesake')\n"
        "    except (TypeError, ValueError) as error:\n"
        "        print(path.stem, 'keras_initlab' in str(error))\n",
        tmp_path,
    )

    assert answers.split("\n")[:-1] == [f"{name} True" for name in sorted(NAMES)]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_exported_model_serves_without_the_package(tmp_path):
    layers = [keras.layers.Dense(4, kernel_initializer=make("HeNormal")) for _ in range(2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    model.export(tmp_path / "served", verbose=False)
    np.save(tmp_path / "x.npy", x)

    run(
        "import sys, numpy as np, tensorflow as tf\n"
        "served = tf.saved_model.load(sys.argv[1] + '/served')\n"
        "assert 'keras_initlab' not in sys.modules\n"
        "np.save(sys.argv[1] + '/y.npy', served.serve(np.load(sys.argv[1] + '/x.npy')))\n",
        tmp_path,
    )

    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a key of JAX")
def test_backend_key_as_seed_draws_inside_jit():
    import jax

    scheme = make("HeNormal")

    def draw(key):
        twin = copy.copy(scheme)
        twin.seed = key
        return twin((64, 32))

    one, other = (jax.jit(draw)(jax.random.key(seed)) for seed in (0, 1))

    assert (one != other).any()
    # Relative standard error of the variance of 2,048 normal values: sqrt(2 / 2048) = 1/32.
    assert abs(numpy_of(one).var() / (2 / 64) - 1) < 5 / 32


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a graph of TensorFlow")
def test_weights_drawn_while_a_graph_is_traced_are_the_eager_ones():
    import tensorflow as tf

    traced = tf.function(lambda: make("HeNormal")((8, 4)))()

    np.testing.assert_array_equal(traced, make("HeNormal")((8, 4)))
