"""Each rule of the linter: a model that triggers it, and one beside it that does not."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initlab import HeNormal, lint

Constant, RandomNormal = keras.initializers.Constant, keras.initializers.RandomNormal


def sequential(*inside, shape=(16,), dtype="float32"):
    head = layers.Dense(1, name="head")
    return keras.Sequential([keras.Input(shape, dtype=dtype), *inside, head])


def functional(shape, *inside):
    inputs = x = keras.Input(shape)
    for layer in inside:
        x = layer(x)
    return keras.Model(inputs, layers.Dense(1, name="head")(x))


def dense(**options):
    return layers.Dense(**{"units": 16, "activation": "relu", "name": "a", **options})


def poisoned():
    model = sequential(dense())
    kernel, bias = model.layers[0].get_weights()
    kernel[3, 4] = np.nan
    model.layers[0].set_weights([kernel, bias])
    return model


def table(initializer):
    embedding = layers.Embedding(50, 8, embeddings_initializer=initializer, name="a")
    return sequential(embedding, layers.Flatten(), shape=(3,), dtype="int32")


def shared(*, seed):
    scheme = HeNormal(seed=seed)
    first = dense(kernel_initializer=scheme)
    return sequential(first, dense(kernel_initializer=scheme, units=32, name="b"))


def attention(seed):
    glorot = keras.initializers.GlorotUniform(seed=seed)
    inputs = keras.Input((5, 16))
    x = layers.MultiHeadAttention(2, 8, kernel_initializer=glorot, name="a")(inputs, inputs)
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(x)))


def depthwise(initializer, *after):
    layer = layers.DepthwiseConv2D(3, depthwise_initializer=initializer, name="a")
    return functional((8, 8, 64), layer, *after, layers.ReLU(), layers.Flatten())


def lstm(*, forget):
    return sequential(layers.LSTM(8, unit_forget_bias=forget, name="a"), shape=(5, 4))


def residual(initializer):
    inputs = keras.Input((16,))
    branch = dense(activation=None, kernel_initializer=initializer)(inputs)
    return keras.Model(inputs, layers.Dense(1)(layers.Add()([inputs, branch])))


def half(stddev):
    layer = dense(kernel_initializer=RandomNormal(stddev=stddev), dtype="mixed_float16")
    return functional((16,), layer, layers.BatchNormalization())


# By rule: what triggers it, what is near it and healthy, and words of the evidence and of the fix.
CASES = {
    "nonfinite": (
        poisoned,
        lambda: sequential(dense()),
        "1 of 256 weights are NaN",
        "Initialize",
    ),
    "equal-units": (
        lambda: sequential(dense(kernel_initializer=Constant(0.5))),
        lambda: keras.Sequential([keras.Input((16,)), dense(kernel_initializer="zeros")]),
        "all 16 units have the same weights, root mean square 0.5, and only",
        'kernel_initializer="he_normal"',
    ),
    "equal-rows": (
        lambda: table("ones"),
        lambda: table("zeros"),
        "100% of the rows",
        "embeddings_initializer=",
    ),
    "same-weights": (
        lambda: attention(3),
        lambda: attention(None),
        "correlation 1.000",
        "without an int seed",
    ),
    "wrong-fan": (
        lambda: depthwise("he_normal"),
        lambda: depthwise("he_normal", layers.BatchNormalization()),
        # 2 / 576 times 9, where 2 is needed: 1/64.
        "fan_in 576, but the DepthwiseConv2D sums 9 inputs: its output has 0.01",
        'depthwise_initializer=keras_initlab.HeNormal(kind="depthwise")',
    ),
    "gain": (
        lambda: sequential(dense(kernel_initializer=RandomNormal(stddev=0.01))),
        lambda: sequential(dense(kernel_initializer="glorot_uniform")),
        "where relu needs 2 / fan_in to hold the signal",
        'kernel_initializer="he_normal"',
    ),
    "dead": (
        lambda: sequential(dense(bias_initializer=Constant(-10.0))),
        lambda: sequential(dense(bias_initializer=Constant(-1.0))),
        "100% of the units have a bias",
        'bias_initializer="zeros"',
    ),
    "forget-bias": (
        lambda: lstm(forget=False),
        lambda: lstm(forget=True),
        "the forget gate's biases have mean 0",
        "unit_forget_bias=True",
    ),
    "underflow": (
        lambda: half(1e-8),
        lambda: half(1e-2),
        "of the weights are zero in float16",
        'dtype="mixed_bfloat16"',
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_rule_finds_what_it_is_for(rule):
    build, _, evidence, fix = CASES[rule]

    (finding,) = lint(build())

    assert finding.rule == rule
    assert evidence in finding.evidence
    assert fix in finding.fix
    assert str(finding).startswith(f"{rule}, {finding.layer}: ")


@pytest.mark.parametrize("rule", CASES)
def test_rule_is_silent_beside_what_it_is_for(rule):
    _, build, *_ = CASES[rule]

    assert lint(build()) == []


@pytest.mark.parametrize("rule", CASES)
def test_rule_can_be_ignored(rule):
    build, *_ = CASES[rule]

    assert lint(build(), ignore=[rule]) == []


def test_unknown_rule_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"rules: nonfinite, .*Received: ignore=\['fans'\]"):
        lint(sequential(dense()), ignore=["fans"])


def test_model_without_weights_is_refused_with_the_fix():
    model = keras.Sequential([layers.Dense(4)], name="new")

    with pytest.raises(ValueError, match=r"model='new', built=False. Try `model.build"):
        lint(model)


def test_model_without_any_weights_is_healthy():
    assert lint(keras.Sequential([keras.Input((3, 4)), layers.Flatten()])) == []


def test_query_key_and_value_of_one_seed_are_one_finding():
    (finding,) = lint(attention(3))

    names = [path.split("/")[-2] for path in finding.paths]
    assert names == ["query", "key", "value", "attention_output"]


@pytest.mark.parametrize("scheme", ["he_normal", "glorot_uniform", "random_normal", "lecun_normal"])
def test_seed_is_found_across_shapes(scheme):
    initializer = keras.initializers.get({"class_name": scheme, "config": {"seed": 5}})
    inside = [
        layers.Dense(24, "relu", kernel_initializer=initializer, name="a"),
        layers.Dense(40, "relu", kernel_initializer=initializer, name="b"),
    ]

    found = lint(functional((16,), *inside), ignore=["gain"])

    assert [finding.rule for finding in found] == ["same-weights"]
    assert len(found[0].paths) == 2


def test_unseeded_scheme_of_ours_may_be_shared():
    assert lint(shared(seed=None)) == []


def test_zero_branch_beside_a_skip_is_healthy():
    assert lint(residual("zeros")) == []
    assert lint(residual(RandomNormal(stddev=1e-3))) == []
    assert [finding.rule for finding in lint(residual(Constant(0.3)))] == ["equal-units"]


@pytest.mark.parametrize(
    ("options", "evidence"),
    [
        ({"activation": "relu"}, "all weights are zero, and relu lets no gradient through"),
        ({"activation": "tanh"}, "all weights are zero, so nothing passes through"),
    ],
)
def test_zero_kernel_of_a_hidden_layer_is_found(options, evidence):
    (finding,) = lint(sequential(dense(kernel_initializer="zeros", **options)))

    assert finding.evidence.startswith(evidence)


def test_zero_depthwise_kernel_is_found():
    (finding,) = lint(depthwise("zeros"))

    assert (finding.rule, finding.layer) == ("equal-units", "a")


@pytest.mark.parametrize(
    "after",
    [
        layers.Softmax(),
        layers.Rescaling(2.0),
        keras.Sequential([layers.Activation("softmax")]),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_zero_head_is_healthy_behind_anything_without_weights(after):
    after = type(after).from_config(after.get_config())
    inputs = keras.Input((16,))
    head = layers.Dense(4, kernel_initializer="zeros")(dense()(inputs))

    assert lint(keras.Model(inputs, after(head))) == []


def test_slopes_of_one_number_per_channel_are_no_kernel():
    slopes = layers.PReLU(Constant(0.25), shared_axes=[1, 2])

    assert lint(functional((8, 8, 3), layers.Conv2D(8, 3), slopes, layers.Flatten())) == []


def test_zero_recurrent_kernel_is_healthy():
    recurrent = layers.LSTM(8, recurrent_initializer="zeros")

    assert lint(sequential(recurrent, shape=(5, 4))) == []


def test_two_equal_identities_are_no_shared_seed():
    inside = [
        dense(kernel_initializer="identity", activation=None, name=name) for name in ("a", "b")
    ]

    assert lint(sequential(*inside)) == []


def test_weights_stay_as_they_are():
    model = attention(3)
    before = model.get_weights()

    lint(model)

    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_convolutional_lstm_is_known():
    def found(**options):
        layer = layers.ConvLSTM2D(8, 3, name="a", **options)
        flat = [layer, layers.Flatten(), layers.Dense(1)]
        return lint(keras.Sequential([keras.Input((3, 8, 8, 2)), *flat]))

    assert [finding.rule for finding in found(unit_forget_bias=False)] == ["forget-bias"]
    assert not found()
