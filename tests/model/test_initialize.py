import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from keras_initlab import HeNormal, LecunNormal, RandomNormal, Zeros, diagnose, initialize
from keras_initlab.model.initialization.fresh import is_fresh
from keras_initlab.model.sites import sites_of
from keras_initlab.theory import critical_point

RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 16)).astype("float32")


def values_of(model):
    return [np.array(ops.convert_to_numpy(each)) for each in model.variables]


def chain(activation, depth=3, units=256, last=None, **options):
    hidden = [kl.Dense(units, activation, name=f"h{k}", **options) for k in range(depth)]
    return keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(1, last, name="out")])


def schemes_of(report):
    return {_end_of(change.path): change.scheme for change in report.changes}


def reasons_of(report):
    return {_end_of(each.path): each.reason for each in report.changes if not each.scheme}


def _end_of(path):
    """Layer and variable, without the model."""
    return "/".join(path.split("/")[-2:])


def check_variance(values, expected):
    """Assert a variance to five standard errors of normal numbers."""
    values = np.asarray(values, np.float64)
    assert abs(np.square(values).mean() / expected - 1) < 5 * np.sqrt(2 / values.size)


# --- auto: the scheme that is right ------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "scale"),
    [("relu", 2.0), ("tanh", 1.0), (None, 1.0), ("selu", 1.0), ("sigmoid", 1.0), ("gelu", 1.98306)],
)
def test_auto_draws_for_the_activation(activation, scale):
    model = chain(activation)

    initialize(model, seed=1)

    check_variance(model.get_layer("h1").kernel, scale / 256)
    check_variance(model.get_layer("out").kernel, 1 / 256)


def test_auto_draws_the_biases_that_gelu_counts_on():
    model = chain("gelu", units=4096, depth=1)

    initialize(model, seed=1)

    check_variance(model.get_layer("h0").bias, critical_point("gelu").bias_variance)
    assert not np.array(model.get_layer("out").bias).any()


def test_auto_sees_the_activation_behind_the_layer():
    inputs = keras.Input((16,))
    x = kl.Dense(256, name="d")(inputs)
    x = kl.Activation("relu")(x)
    model = keras.Model(inputs, kl.Dense(1)(x))

    initialize(model, seed=1)

    check_variance(model.get_layer("d").kernel, 2 / 16)


@pytest.mark.parametrize(
    "activate",
    [
        lambda x: kl.Activation("relu")(kl.Dropout(0.1)(x)),
        lambda x: kl.ReLU()(kl.Reshape((256,))(x)),
        ops.relu,
    ],
    ids=["dropout", "reshape", "ops"],
)
def test_auto_sees_the_activation_through_what_only_shapes(activate):
    inputs = keras.Input((16,))
    model = keras.Model(inputs, kl.Dense(1)(activate(kl.Dense(256, name="d")(inputs))))

    initialize(model, seed=1)

    check_variance(model.get_layer("d").kernel, 2 / 16)


def test_last_layer_of_a_subclassed_model_is_not_taken_for_its_output():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = kl.Dense(1, "sigmoid")
            self.body = kl.Dense(256, "relu")

        def call(self, x):
            return self.head(self.body(x))

    model = Model()
    model(X)
    model.compile("adam", "binary_crossentropy")

    initialize(model, data=(X, np.zeros((256, 1), "float32")), seed=1)

    assert abs(np.array(ops.convert_to_numpy(model.body(X))).var() - 0.34) < 0.1


def test_auto_has_the_fans_of_the_layer():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 64)),
            kl.DepthwiseConv2D(3, activation="relu", name="depthwise"),
            kl.Conv2DTranspose(16, 4, strides=2, activation="relu", name="transposed"),
            kl.Conv2D(32, 3, groups=4, activation="relu", name="grouped"),
            kl.GlobalAveragePooling2D(),
            kl.Dense(1),
        ]
    )

    initialize(model, seed=1)

    kernels = {each.name: each.kernel for each in model.layers[:3]}
    check_variance(kernels["depthwise"], 2 / 9)
    check_variance(kernels["transposed"], 2 / (16 * 64 / 4))
    check_variance(kernels["grouped"], 2 / (9 * 4))


def test_auto_draws_recurrent_kernels_gate_by_gate():
    model = keras.Sequential([keras.Input((5, 64)), kl.LSTM(32, name="lstm"), kl.Dense(1)])

    report = initialize(model, seed=1)

    cell = model.get_layer("lstm").cell
    check_variance(cell.kernel, 1 / 64)
    for gate in np.split(np.array(cell.recurrent_kernel, np.float64), 4, axis=1):
        assert np.abs(gate @ gate.T - np.eye(32)).max() < 1e-5
    assert np.array(cell.bias).reshape(4, 32).mean(axis=1).tolist() == [0, 1, 0, 0]
    assert schemes_of(report)["lstm_cell/recurrent_kernel"] == "PerGate"


def test_auto_draws_tables_of_unit_length():
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, kl.Dense(1)(kl.Embedding(1000, 32, name="table")(ids)))

    initialize(model, seed=1)

    check_variance(model.get_layer("table").embeddings, 1 / 32)


def residual(blocks, *, norm=False):
    inputs = keras.Input((64,))
    x = inputs
    for k in range(blocks):
        branch = kl.Dense(64, "relu", name=f"first{k}")(x)
        branch = kl.Dense(64, name=f"last{k}")(branch)
        branch = kl.BatchNormalization()(branch) if norm else branch
        x = kl.Add()([x, branch])
    return keras.Model(inputs, kl.Dense(1)(x))


def test_auto_shares_the_variance_among_residual_branches():
    model = residual(9)

    initialize(model, seed=1)

    check_variance(model.get_layer("first3").kernel, 2 / 64)
    check_variance(model.get_layer("last3").kernel, 1 / 64 / 10)


def test_auto_leaves_branches_whole_that_are_normed():
    model = residual(9, norm=True)

    initialize(model, seed=1)

    check_variance(model.get_layer("last3").kernel, 1 / 64)


def test_auto_shares_the_variance_where_attention_ends_a_branch():
    inputs = keras.Input((6, 64))
    x = kl.Add()([inputs, kl.MultiHeadAttention(4, 16, name="mha")(inputs, inputs)])
    model = keras.Model(inputs, kl.Dense(1)(x))

    initialize(model, seed=1)

    mha = model.get_layer("mha")
    check_variance(mha.query_dense.kernel, 1 / 64)
    check_variance(mha.output_dense.kernel, 1 / 64 / 2)
    assert np.abs(np.array(mha.query_dense.kernel) - np.array(mha.key_dense.kernel)).max() > 0.1


def test_auto_starts_labelled_outputs_at_the_base_rates():
    labels = (RNG.random((256, 1)) < 0.1).astype("float32")
    model = chain("relu", last="sigmoid")
    model.compile("adam", "binary_crossentropy")

    initialize(model, data=(X, labels), seed=1)

    rate = (labels.sum() + 1) / (len(labels) + 2)
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert float(np.array(model.get_layer("out").bias)[0]) == pytest.approx(
        np.log(rate / (1 - rate))
    )
    assert model.evaluate(X, labels, verbose=0) == pytest.approx(entropy, rel=0.02)


@pytest.mark.parametrize(
    ("last", "loss", "labels", "bias"),
    [
        (None, keras.losses.BinaryCrossentropy(from_logits=True), [0, 0, 0, 1], np.log(2 / 4)),
        (None, "mse", [1.0, 2.0, 3.0, 6.0], 3.0),
        (None, "hinge", [0, 0, 0, 1], 0.0),
    ],
)
def test_prior_of_one_output_follows_its_loss(last, loss, labels, bias):
    model = chain("relu", last=last)
    model.compile("sgd", loss)

    initialize(model, data=(X[:4], np.array(labels, "float32")))

    assert float(np.array(model.get_layer("out").bias)[0]) == pytest.approx(bias, rel=1e-6)


def test_priors_of_several_outputs_go_to_their_layers():
    inputs = keras.Input((16,))
    x = kl.Dense(32, "relu")(inputs)
    outputs = {
        "click": kl.Dense(1, "sigmoid", name="click")(x),
        "kind": kl.Activation("softmax", name="kind")(kl.Dense(3, name="logits")(x)),
    }
    model = keras.Model(inputs, outputs)
    losses = {"click": "binary_crossentropy", "kind": "sparse_categorical_crossentropy"}
    model.compile("sgd", losses)
    labels = {"click": np.array([[0], [1], [0], [0]]), "kind": np.array([0, 1, 1, 2])}

    initialize(model, data=(X[:4], labels))

    assert float(np.array(model.get_layer("click").bias)[0]) == pytest.approx(np.log(2 / 4))
    expected = np.log(np.array([2, 3, 2]) / 7)
    assert np.array(model.get_layer("logits").bias) == pytest.approx(expected)


def test_width_base_draws_outputs_for_transfer():
    model = chain("relu", units=512)

    initialize(model, seed=1, width_base=64)

    check_variance(model.get_layer("out").kernel, 64 / 512**2)
    check_variance(model.get_layer("h1").kernel, 2 / 512)


# --- schemes of one's own ----------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["lecun_normal", "keras_initlab>LecunNormal", LecunNormal()])
def test_one_scheme_goes_to_all_kernels(scheme):
    model = chain("relu")

    initialize(model, scheme, seed=1)

    for layer in model.layers:
        check_variance(layer.kernel, 1 / layer.kernel.shape[0])


def test_one_scheme_leaves_tables_alone():
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, kl.Dense(1)(kl.Embedding(10, 8, name="table")(ids)))
    before = np.array(model.get_layer("table").embeddings)

    report = initialize(model, "he_normal")

    assert np.array_equal(before, np.array(model.get_layer("table").embeddings))
    assert "this is a table" in next(iter(reasons_of(report).values()))


def test_mapping_gives_each_pattern_its_scheme():
    model = chain("relu")

    report = initialize(model, {"h0": Zeros(), "h*": "auto", "out": "lecun_normal"}, seed=1)

    assert schemes_of(report)["h0/kernel"] == "Zeros"
    assert not np.array(model.get_layer("h0").kernel).any()
    check_variance(model.get_layer("h1").kernel, 2 / 256)


def test_mapping_leaves_alone_what_nothing_matches():
    model = chain("relu")
    before = values_of(model)

    report = initialize(model, {"out": "zeros"})

    assert all(
        np.array_equal(one, other)
        for one, other in zip(before[:-2], values_of(model)[:-2], strict=True)
    )
    assert set(reasons_of(report).values()) == {"no pattern matches"}


def test_pattern_that_matches_nothing_is_refused():
    with pytest.raises(ValueError, match=r"patterns \['hiden'\], which match none"):
        initialize(chain("relu"), {"hiden": "zeros", "*": "auto"})


def test_scheme_that_does_not_fit_names_the_layer_and_changes_nothing():
    model = chain("relu")
    before = values_of(model)

    with pytest.raises(ValueError, match="layer 'h0', shape \\(16, 256\\)"):
        initialize(model, "keras_initlab>Dirac")

    assert all(np.array_equal(a, b) for a, b in zip(before, values_of(model), strict=True))


# --- seeds -------------------------------------------------------------------------------------


def test_seed_repeats_whatever_keras_calls_the_layers():
    def build():
        return keras.Sequential(
            [keras.Input((16,)), kl.Dense(8, "relu"), kl.Dense(8, "relu"), kl.Dense(1)]
        )

    one, two = build(), build()

    initialize(one, seed=3)
    initialize(two, seed=3)

    assert one.layers[0].name != two.layers[0].name
    assert all(np.array_equal(a, b) for a, b in zip(values_of(one), values_of(two), strict=True))


def test_no_two_weights_of_a_model_share_their_numbers():
    model = chain("relu", depth=4)

    initialize(model, seed=3)

    h1, h2 = (np.array(model.get_layer(name).kernel) for name in ("h1", "h2"))
    assert abs(np.corrcoef(h1.ravel(), h2.ravel())[0, 1]) < 5 / np.sqrt(h1.size)


def test_seed_of_a_scheme_counts_where_no_other_is_given():
    models = [chain("relu") for _ in range(3)]

    initialize(models[0], HeNormal(seed=5))
    initialize(models[1], HeNormal(seed=5))
    initialize(models[2], HeNormal())

    one, two, three = (np.array(model.get_layer("h1").kernel) for model in models)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_weights_are_the_same_on_every_backend():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(2, "relu"), kl.Dense(1)])

    initialize(model, seed=0)

    # Drawn once on TensorFlow and written down, with the digits of float32.
    expected = [-1.0012391, 1.3208958, -0.3270165, 0.79345775]
    assert np.array(model.layers[0].kernel).ravel()[:4] == pytest.approx(expected, rel=1e-6)


# --- what is left alone ------------------------------------------------------------------------


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
    assert "loaded or trained" in reasons_of(report)["h1/kernel"]
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
    ],
    ids=["lstm", "orthogonal", "gru"],
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
        site = [each for each in sites_of(keras.Sequential([dense])) if each.layer is dense]
        stale += not is_fresh(dense, site)

    # Six standard errors: one in 10**9.
    assert stale == 0


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
    slots = [np.array(ops.convert_to_numpy(each)) for each in optimizer.variables]

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
    assert "left alone, not trained:" in text
    assert "h1/kernel" in text
    assert "no data: the signal was not measured" in text


def test_problem_names_what_the_weights_were_drawn_from():
    model = chain("tanh", depth=5)

    initialize(model, RandomNormal(stddev=1e-3), seed=1)

    (problem, *_) = diagnose(model, X, ignore=["gain"]).problems
    assert "RandomNormal" in problem.text
    assert "GlorotUniform" not in problem.text
