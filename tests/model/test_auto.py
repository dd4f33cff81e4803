"""What `"auto"` draws for each weight."""

import keras
import numpy as np
import pytest
from chains import RNG, X, chain, check_variance, schemes_of
from keras import layers as kl
from keras import ops

from keras_initlab import initialize
from keras_initlab.theory import critical_point

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("activation", "scale"),
    [("relu", 2.0), ("tanh", 1.0), (None, 1.0), ("selu", 1.0), ("sigmoid", 1.0), ("gelu", 1.98306)],
)
def test_auto_draws_for_the_activation(activation, scale):
    model = chain(activation)

    initialize(model, seed=1)

    check_variance(model.get_layer("h1").kernel, scale / 256)


@pytest.mark.parametrize(
    ("activation", "square"), [("relu", 0.5), ("tanh", 1.0), (None, 1.0), ("gelu", None)]
)
def test_auto_makes_up_for_what_the_activation_before_an_output_takes(activation, square):
    model = chain(activation, units=4096, depth=1)

    initialize(model, seed=1)

    if square is None:
        # By quadrature, of the signal that GELU's weights and biases hold.
        points, weights = np.polynomial.hermite_e.hermegauss(100)
        behind = keras.activations.gelu(np.sqrt(critical_point("gelu").q) * points)
        square = np.array(behind) ** 2 @ weights / weights.sum()
    check_variance(model.get_layer("out").kernel, 1 / square / 4096)


def test_auto_draws_the_biases_that_gelu_counts_on():
    model = chain("gelu", units=4096, depth=1)

    initialize(model, seed=1)

    check_variance(model.get_layer("h0").bias, critical_point("gelu").bias_variance)
    assert not np.array(model.get_layer("out").bias).any()


def test_auto_sees_the_activation_behind_the_layer():
    inputs = keras.Input((16,))
    x = kl.Dense(256, name="d")(kl.Dense(64, "tanh")(inputs))
    x = kl.Activation("relu")(x)
    model = keras.Model(inputs, kl.Dense(1)(x))

    initialize(model, seed=1)

    check_variance(model.get_layer("d").kernel, 2 / 64)


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
    x = kl.Dense(256, name="d")(kl.Dense(64, "tanh")(inputs))
    model = keras.Model(inputs, kl.Dense(1)(activate(x)))

    initialize(model, seed=1)

    check_variance(model.get_layer("d").kernel, 2 / 64)


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

    kernels = {layer.name: layer.kernel for layer in model.layers[:3]}
    check_variance(kernels["depthwise"], 1 / 9)
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
    assert schemes_of(report)["lstm_cell/recurrent_kernel"] == "PerGate(Orthogonal)"


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

    # All of them together, for one alone could not tell a ninth from a tenth. The first one's
    # input is that of the model.
    firsts, lasts = (
        [np.array(model.get_layer(f"{name}{k}").kernel) for k in range(1, 9)]
        for name in ("first", "last")
    )
    check_variance(firsts, 2 / 64)
    check_variance(lasts, 2 / 64 / 10)


def test_auto_leaves_branches_whole_that_are_normed():
    model = residual(9, norm=True)

    report = initialize(model, seed=1)

    check_variance(model.get_layer("last3").kernel, 1 / 64)
    assert schemes_of(report)["last3/kernel"] == "GlorotUniform"


@pytest.mark.parametrize(
    ("own", "scheme"),
    [
        ("orthogonal", "Orthogonal"),
        (keras.initializers.RandomNormal(stddev=0.1), "RandomNormal"),
        (keras.initializers.RandomNormal(stddev=1e-3), "LecunNormal"),
        (keras.initializers.RandomNormal(mean=0.5, stddev=0.1), "LecunNormal"),
        ("zeros", "LecunNormal"),
    ],
)
def test_own_draw_stays_before_a_norm_that_can_mend_its_size(own, scheme):
    first = kl.Dense(64, use_bias=False, kernel_initializer=own, name="first")
    layers = [first, kl.BatchNormalization(), kl.ReLU(), kl.Dense(1)]
    model = keras.Sequential([keras.Input((64,)), *layers])

    report = initialize(model, seed=1)
    drawn = np.array(first.kernel)
    initialize(model, seed=1)

    assert schemes_of(report)["first/kernel"] == scheme
    assert (np.array(first.kernel) == drawn).all()


def test_auto_shares_the_variance_where_attention_ends_a_branch():
    inputs = keras.Input((6, 64))
    x = kl.Add()([inputs, kl.MultiHeadAttention(4, 16, name="mha")(inputs, inputs)])
    model = keras.Model(inputs, kl.Dense(1)(x))

    initialize(model, seed=1)

    mha = model.get_layer("mha")
    check_variance(mha.query_dense.kernel, 1 / 64)
    check_variance(mha.output_dense.kernel, 1 / 64 / 2)
    assert np.abs(np.array(mha.query_dense.kernel) - np.array(mha.key_dense.kernel)).max() > 0.1


def test_auto_starts_labelled_outputs_about_the_base_rates():
    labels = (RNG.random((256, 1)) < 0.1).astype("float32")
    model = chain("relu", last="sigmoid")
    model.compile("adam", "binary_crossentropy")

    initialize(model, data=(X, labels), seed=1)

    rate = (labels.sum() + 1) / (len(labels) + 2)
    share = labels.mean()
    entropy = -(share * np.log(rate) + (1 - share) * np.log(1 - rate))
    assert float(np.array(model.get_layer("out").bias)[0]) == pytest.approx(
        np.log(rate / (1 - rate))
    )
    logits = keras.ops.convert_to_numpy(model.get_layer("out").kernel)
    reached = keras.Model(model.inputs[0], model.get_layer("out").input)(X)
    assert (np.array(reached) @ logits).var() == pytest.approx(1, rel=0.01)
    model.get_layer("out").kernel.assign(0 * logits)
    assert model.evaluate(X, labels, verbose=0) == pytest.approx(entropy, rel=1e-4)


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


def test_auto_makes_up_for_an_activation_once_in_a_separable_convolution():
    model = keras.Sequential(
        [
            keras.Input((9, 9, 16)),
            kl.Conv2D(64, 3, activation="relu"),
            kl.SeparableConv2D(64, 3, name="separable"),
            kl.Flatten(),
            kl.Dense(1),
        ]
    )

    initialize(model, seed=1)

    check_variance(model.get_layer("separable").depthwise_kernel, 2 / 9)
    check_variance(model.get_layer("separable").pointwise_kernel, 1 / 64)
