"""What `initialize` leaves alone, and refuses."""

import keras
import numpy as np
import pytest
from chains import RNG, X, chain, check_variance, reasons_of, schemes_of, values_of
from keras import layers as kl
from keras import ops

from keras_initlab import HeNormal, Orthogonal, RandomNormal, XavierUniform, diagnose, initialize
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.model.initialization.fresh import is_fresh

pytestmark = pytest.mark.once


def test_frozen_layers_are_left_alone():
    model = chain("relu")
    model.get_layer("h1").trainable = False
    before = np.array(model.get_layer("h1").kernel)

    report = initialize(model)

    assert np.array_equal(before, np.array(model.get_layer("h1").kernel))
    assert reasons_of(report)["h1/kernel"] == "not trained"


def test_loaded_weights_are_left_alone(tmp_path):
    model = chain("relu", kernel_initializer="he_normal")
    loaded = chain("relu", kernel_initializer="he_normal")
    loaded.get_layer("h1").kernel.assign(RNG.normal(size=(256, 256)))
    loaded.save_weights(tmp_path / "w.weights.h5")
    model.load_weights(tmp_path / "w.weights.h5")
    before = np.array(model.get_layer("h1").kernel)

    report = initialize(model, "glorot_uniform")

    assert np.array_equal(before, np.array(model.get_layer("h1").kernel))
    assert "loaded, trained" in reasons_of(report)["h1/kernel"]
    assert schemes_of(report)["h0/kernel"] == "GlorotUniform"


def test_trained_model_is_left_alone_unless_asked():
    model = chain("relu")
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    before = values_of(model)

    report = initialize(model)

    assert set(reasons_of(report).values()) == {"the model has been trained"}
    assert all(np.array_equal(a, b) for a, b in zip(before, values_of(model), strict=True))
    initialize(model, overwrite=True, seed=1)
    check_variance(model.get_layer("h1").kernel, 2 / 256)


@pytest.mark.parametrize(
    "build",
    [
        lambda: [kl.LSTM(16), kl.Dense(1)],
        lambda: [kl.Flatten(), kl.Dense(16, "relu", kernel_initializer="orthogonal"), kl.Dense(1)],
        lambda: [kl.GRU(8), kl.Dense(8, "relu"), kl.Dense(1)],
        lambda: [kl.Reshape((6, 8, 1)), kl.ConvLSTM1D(4, 3), kl.Flatten(), kl.Dense(1)],
    ],
    ids=["lstm", "orthogonal", "gru", "convlstm"],
)
def test_weights_of_a_model_trained_elsewhere_are_left_alone(build):
    trained, loaded = (keras.Sequential([keras.Input((6, 8)), *build()]) for _ in range(2))
    trained.compile(keras.optimizers.Adam(1e-2), "mse")
    x = RNG.normal(size=(64, 6, 8)).astype("float32")
    trained.fit(x, x[:, 0, :1], epochs=2, verbose=0)
    loaded.set_weights(trained.get_weights())
    before = values_of(loaded)

    report = initialize(loaded)

    assert all(not change.scheme for change in report.changes)
    assert all(np.array_equal(a, b) for a, b in zip(before, values_of(loaded), strict=True))


@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (64, 8)])
def test_fresh_weights_are_hardly_ever_taken_for_loaded(shape):
    stale = 0
    for seed in range(300):
        dense = kl.Dense(shape[1], kernel_initializer=HeNormal(seed=seed))
        dense.build((None, shape[0]))
        sites = [site for site in Anatomy(keras.Sequential([dense])).sites if site.layer is dense]
        stale += not is_fresh(dense, sites)

    # Six standard errors: one in 10**9.
    assert stale == 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_fresh_weights_of_half_precision_are_drawn_anew(dtype):
    for _ in range(10):
        hidden = [keras.layers.Dense(64, "relu", dtype=dtype) for _ in range(4)]
        model = keras.Sequential([keras.Input((64,)), *hidden])

        assert all(change.scheme for change in initialize(model).changes if "kernel" in change.path)


def test_model_may_be_initialized_again():
    model = chain("relu")

    initialize(model, "zeros")
    report = initialize(model, seed=1)

    assert not reasons_of(report)
    check_variance(model.get_layer("h1").kernel, 2 / 256)


@pytest.mark.parametrize(
    "initializer",
    [
        "glorot_uniform",
        "he_normal",
        "lecun_uniform",
        "random_normal",
        "random_uniform",
        "orthogonal",
        "zeros",
        "truncated_normal",
        pytest.param(HeNormal(), id="ours"),
        pytest.param(keras.initializers.Constant(0.1), id="constant"),
    ],
)
def test_fresh_weights_of_any_initializer_are_drawn_anew(initializer):
    model = chain("relu", kernel_initializer=initializer)

    report = initialize(model)

    assert not reasons_of(report)


@pytest.mark.parametrize("scheme", [XavierUniform, HeNormal, Orthogonal])
def test_fresh_weights_of_attention_are_drawn_anew(scheme):
    inputs = keras.Input((12, 32))
    x = kl.MultiHeadAttention(4, 8, kernel_initializer=scheme())(inputs, inputs)
    x = kl.EinsumDense("abc,cde->abde", (None, 4, 8), kernel_initializer=scheme())(x)

    report = initialize(keras.Model(inputs, x))

    assert not reasons_of(report)


def test_overwriting_resets_all_that_training_has_moved():
    hidden = [kl.Dense(16, "relu", name="h"), kl.BatchNormalization(name="norm")]
    model = keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(1, name="out")])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    for variable in model.variables:
        variable.assign(ops.full(variable.shape, float("nan")))

    initialize(model, overwrite=True)

    layers = {layer.name: [np.array(weight) for weight in layer.weights] for layer in model.layers}
    assert not layers["h"][1].any()
    assert [weight[0] for weight in layers["norm"]] == [1, 0, 0, 1]
    assert all(np.isfinite(weight).all() for weight in layers["out"])


def test_overwriting_by_patterns_leaves_all_other_layers_alone():
    hidden = [kl.Dense(16, "relu", name="h"), kl.BatchNormalization(name="norm")]
    model = keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(1, name="out")])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    before = [values_of(layer) for layer in model.layers[:2]]

    initialize(model, {"out": "he_normal"}, overwrite=True)

    after = [values_of(layer) for layer in model.layers[:2]]
    assert all(
        np.array_equal(a, b)
        for pair in zip(before, after, strict=True)
        for a, b in zip(*pair, strict=True)
    )
    assert not np.array(model.get_layer("out").bias).any()


def test_only_and_skip_choose_layers():
    model = chain("relu")
    before = values_of(model)

    report = initialize(model, "zeros", only="h*", skip=["h1"])

    after = values_of(model)
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert changed == [True, False, False, False, True, False, False, False]
    assert sorted(reasons_of(report).values()) == ["not chosen", "skipped"]


def test_compile_state_and_optimizer_stay():
    model = chain("relu")
    model.compile("adam", "mse")
    model.fit(X, X[:, :1], verbose=0)
    optimizer, loss = model.optimizer, model._compile_loss
    slots = [np.array(ops.convert_to_numpy(variable)) for variable in optimizer.variables]

    initialize(model, overwrite=True, data=X)

    assert model.optimizer is optimizer
    assert model._compile_loss is loss
    for before, variable in zip(slots, optimizer.variables, strict=True):
        assert np.array_equal(before, np.array(ops.convert_to_numpy(variable)))


def test_layer_whose_weights_are_not_known_is_left_alone():
    class Mixing(kl.Layer):
        def build(self, shape):
            self.mix = self.add_weight(shape=(16, 16), initializer="random_normal", name="mix")

        def call(self, x):
            return ops.matmul(x, self.mix)

    model = keras.Sequential([keras.Input((16,)), Mixing(name="mixing"), kl.Dense(1)])

    report = initialize(model)

    assert reasons_of(report) == {"mixing/mix": "what the layer does with it is not known"}


def test_failure_after_the_draw_leaves_everything_as_it_was(monkeypatch):
    def fails(*args, **options):
        raise RuntimeError("on purpose")

    model = chain("relu")
    before = values_of(model)
    monkeypatch.setattr("keras_initlab.model.initialization.initialize.diagnosed", fails)

    with pytest.raises(RuntimeError, match="on purpose"):
        initialize(model, data=X)

    assert all(np.array_equal(a, b) for a, b in zip(before, values_of(model), strict=True))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"scheme": "nope"}, ValueError, "`scheme` must be 'auto'"),
        ({"only": "zz"}, ValueError, "`only` matches no layer"),
        ({"skip": "zz"}, ValueError, "`skip` matches no layer"),
        ({"data": X, "examples": 0}, ValueError, "`examples`"),
        ({"data": (X, np.zeros(3))}, ValueError, "labels for each of its 256 examples"),
        ({"model": "a model"}, TypeError, "`model` must be a Keras model"),
    ],
    ids=["scheme", "only", "skip", "examples", "labels", "model"],
)
def test_bad_input_is_refused(change, error, words):
    with pytest.raises(error, match=words):
        initialize(**{"model": chain("relu"), **change})


def test_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match=r"model\.build"):
        initialize(keras.Sequential([kl.Dense(1)]))


def test_report_says_what_was_done():
    model = chain("relu", depth=5)
    model.get_layer("h1").trainable = False

    text = str(initialize(model))

    assert "drawn anew: 5 variables" in text
    assert f"from LecunNormal: {model.name}/h0/kernel" in text
    assert f"from HeNormal: {model.name}/h2/kernel, {model.name}/h3/kernel" in text
    assert "left alone, not trained:" in text
    assert "h1/kernel" in text
    assert "no data: the signal was not measured" in text


def test_problem_names_what_the_weights_were_drawn_from():
    model = chain("tanh", depth=5)

    initialize(model, RandomNormal(stddev=1e-3), seed=1)

    (problem, *_) = diagnose(model, X, ignore=["gain"]).problems
    assert "RandomNormal" in problem.text
    assert "GlorotUniform" not in problem.text


@pytest.mark.parametrize("chosen", ["attention", keras.layers.MultiHeadAttention])
def test_layer_that_holds_others_stands_for_them(chosen):
    inputs = keras.Input((5, 8))
    h = keras.layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(h))
    path = "attention/query/kernel"

    skipped = {change.path: change.reason for change in initialize(model, skip=chosen).changes}
    only = {change.path: change.reason for change in initialize(model, only=chosen).changes}

    assert skipped[path] == "skipped"
    assert skipped["head/kernel"] == only[path] == ""
    assert only["head/kernel"] == "not chosen"
