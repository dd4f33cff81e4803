"""Models that are trained badly, or built so that they cannot learn."""

import keras
import numpy as np
from field.cases.blocks import adam, chain, dense, pre_norm, serializable, sgd, yes_or_no
from field.cases.data import as_floats, digits, rng_of, scores, table
from field.register import case_of, fault
from keras import initializers, ops
from keras import layers as kl

CROSS_ENTROPY = "binary_crossentropy"
HE, GLOROT = initializers.HeNormal, initializers.GlorotNormal


def _on_table(model, optimizer="adam", epochs=6, rows=701):
    return case_of(model, *table(rows), "mse", optimizer, epochs=epochs)


def _in_order(case):
    case.options["shuffle"] = False
    return case


def _digits():
    x, y = digits(501)
    return 4 * x - 2, y


def _convnet(head, convolutions=1):
    layers = [kl.Conv2D(12, 3, activation="relu", name=f"conv{k}") for k in range(convolutions)]
    return chain((8, 8, 1), *layers, kl.Flatten(), head)


@fault(cause="rate-high")
def sgd_of_three():
    return _on_table(dense(4, 64, "relu", HE), sgd(3.0))


@fault(cause="rate-high")
def adam_of_one():
    model = _convnet(kl.Dense(10, "softmax", name="head"), 2)
    return case_of(model, *_digits(), "sparse_categorical_crossentropy", adam(1.0), epochs=6)


@fault(cause="rate-high")
def transformer_at_a_third():
    ids = rng_of(3).integers(0, 20, (401, 10)).astype("int32")
    inputs = keras.Input((10,), dtype="int32")
    z = kl.Embedding(20, 16, name="tokens")(inputs)
    model = yes_or_no(inputs, kl.Flatten()(kl.LayerNormalization()(pre_norm(z))))
    y = as_floats(ids[:, :1] > ids[:, -1:])
    return case_of(model, ids, y, CROSS_ENTROPY, adam(0.3), epochs=6)


@fault(cause="rate-zero")
def rate_of_a_trillionth():
    return _on_table(dense(3, 64, "relu", HE), sgd(1e-12, 0.9))


@fault(cause="rate-zero")
def rate_decayed_to_nothing():
    ids, score = scores()
    inputs = keras.Input((2,), dtype="int32")
    z = kl.Flatten()(kl.Embedding(30, 8, name="table")(inputs))
    model = yes_or_no(inputs, kl.Dense(32, "relu", name="hidden")(z))
    halved_each_step = keras.optimizers.schedules.ExponentialDecay(0.02, 1, 0.5)
    return case_of(model, ids, as_floats(score > 0), CROSS_ENTROPY, adam(halved_each_step))


@fault(cause="depth-unstable", also=("weights-small",))
def thirty_relu_layers():
    x, _ = table(401)
    model = dense(30, 64, "relu", GLOROT)
    return case_of(model, x, 2 * x[:, :1], "mse", sgd(0.002, 0.9), epochs=6)


@fault(cause="residual-growth")
def twenty_blocks_without_norm():
    inputs = keras.Input((20,))
    z = kl.Dense(32, name="stem")(inputs)
    for k in range(20):
        h = kl.Dense(32, "relu", kernel_initializer="he_normal", name=f"up{k}")(z)
        h = kl.Dense(32, kernel_initializer="he_normal", name=f"down{k}")(h)
        z = kl.Add(name=f"sum{k}")([z, h])
    model = keras.Model(inputs, kl.Dense(1, name="head")(z))
    return _on_table(model, sgd(0.005), rows=401)


@fault(cause="recurrent-explosion", where=("rnn",))
def relu_rnn_of_gain_two():
    x = as_floats(rng_of(8).normal(size=(301, 40, 6)))
    twice = initializers.Orthogonal(gain=2.0)
    recurrent = kl.SimpleRNN(32, "relu", recurrent_initializer=twice, name="rnn")
    model = chain((40, 6), recurrent, kl.Dense(1, name="head"))
    return case_of(model, x, x[:, -5:, :1].sum(1), "mse", sgd(0.002), epochs=6)


@serializable
class Log(kl.Layer):
    def call(self, x):
        return ops.log(x)


@fault(cause="nonfinite-op", where=("log",))
def log_of_zero():
    x = as_floats(np.exp(rng_of(9).normal(size=(701, 6))))
    y = np.log(x[:, :1] / x[:, 1:2])
    x[595, 2] = 0
    inputs = keras.Input((6,))
    z = kl.Concatenate()([kl.Dense(16, "relu", name="before")(inputs), Log(name="log")(inputs)])
    z = kl.Dense(16, "relu", name="after")(z)
    model = keras.Model(inputs, kl.Dense(1, name="head")(z))
    return _in_order(case_of(model, x, y, "mse", epochs=2, batch=16))


@serializable
class Unit(kl.Layer):
    """Vectors of length one; a vector of zeros has none."""

    def call(self, x):
        return x / ops.sqrt(ops.sum(x * x, -1, keepdims=True))


@fault(cause="nonfinite-op", where=("unit",), refusal="is not finite")
def norm_of_an_empty_history():
    history = as_floats(rng_of(10).random((901, 30)) < 0.2)
    history[:, 0] = 1
    y = as_floats(history[:, 1:2] + history[:, 2:3] > 0)
    history[500] = 0
    inputs = keras.Input((30,))
    z = Unit(name="unit")(kl.Dense(8, use_bias=False, name="profile")(inputs))
    model = yes_or_no(inputs, kl.Dense(16, "relu", name="hidden")(z))
    return _in_order(case_of(model, history, y, CROSS_ENTROPY, adam(0.01)))


@fault(cause="zero-gradient", also=("head-loss-mismatch",), where=("head",))
def relu_head_below_zero():
    x, y = table()
    model = dense(1, 32, "relu", HE, head="relu")
    return case_of(model, x, 0.5 * y - 3, "mse", sgd(0.05, 0.9), epochs=6)


# TensorFlow finds the logits of these two heads by itself.
@fault(
    cause="zero-gradient",
    also=("head-loss-mismatch",),
    where=("head",),
    backends=("jax", "torch"),
)
def softmax_of_one_unit():
    x, y = _digits()
    model = _convnet(kl.Dense(1, "softmax", name="head"))
    return case_of(model, x, as_floats(y > 4)[:, None], CROSS_ENTROPY, epochs=6)


@fault(cause="head-loss-mismatch", where=("head",), backends=("jax", "torch"))
def softmax_twice():
    model = _convnet(kl.Dense(10, "softmax", name="head"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return case_of(model, *_digits(), loss, adam(3e-3), epochs=6)


@serializable
class Sign(kl.Layer):
    def call(self, x):
        return ops.sign(x)


@fault(cause="zero-gradient", where=("encode", "code", "bits"))
def sign_of_a_code():
    x, _ = table()
    y = as_floats(x[:, :1] * x[:, 1:2] > 0)
    code = [kl.Dense(32, "relu", name="encode"), kl.Dense(8, name="code"), Sign(name="bits")]
    model = chain((20,), *code, kl.Dense(1, "sigmoid", name="head"))
    return case_of(model, x, y, CROSS_ENTROPY, adam(0.01), epochs=8)


@fault(cause="head-loss-mismatch", where=("head",))
def logits_as_probabilities():
    x, y = table()
    model = dense(2, 64, "relu", HE)
    return case_of(model, x, as_floats(y > 0), CROSS_ENTROPY, epochs=8)


@fault(cause="head-loss-mismatch", also=("label-scale",), where=("head",))
def sigmoid_for_a_score():
    x, y = table()
    model = dense(2, 64, "relu", HE, head="sigmoid")
    return case_of(model, x, np.clip(50 + 20 * y, 0, 100), "mse", adam(3e-3), epochs=8)
