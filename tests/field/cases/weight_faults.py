"""Models that start badly: scale, sign, equal weights, biases, seeds, fans."""

import keras
from field.cases.blocks import (
    adam,
    chain,
    convolutions,
    dense,
    normal,
    pre_norm,
    serializable,
    sgd,
)
from field.cases.data import as_floats, bars, rng_of, scores, table
from field.register import case_of, fault
from keras import initializers, ops
from keras import layers as kl

HE, GLOROT = initializers.HeNormal, initializers.GlorotNormal
HIDDEN = tuple(f"hidden{k}" for k in range(4))
CONVOLUTIONS = tuple(f"conv{k}" for k in range(4))


def _on_table(model, optimizer="adam", epochs=8):
    return case_of(model, *table(), "mse", optimizer, epochs=epochs)


def _on_bars(model, optimizer=None, epochs=6):
    return case_of(
        model, *bars(), "sparse_categorical_crossentropy", optimizer or adam(3e-3), epochs=epochs
    )


@fault(cause="weights-small", also=("wrong-fan",))
def small_normal_tanh():
    return _on_table(dense(6, 96, "tanh", lambda: normal(0.01)), sgd(0.01, 0.9))


@fault(cause="weights-small", where=CONVOLUTIONS[:3])
def small_normal_vgg():
    return _on_bars(convolutions(7, 16, lambda: normal(0.01)), adam(1e-3))


@fault(cause="weights-small", where=("users", "items"))
def tiny_tables():
    ids, score = scores()
    inputs = [keras.Input((), dtype="int32") for _ in range(2)]
    vectors = [
        kl.Embedding(30, 8, embeddings_initializer=normal(1e-4), name=name)(column)
        for name, column in zip(("users", "items"), inputs, strict=True)
    ]
    model = keras.Model(inputs, kl.Dot(1, name="dot")(vectors))
    return case_of(model, [*ids.T], score, "mse", sgd(0.3), epochs=8)


@fault(cause="weights-large", where=HIDDEN)
def unit_normal_relu():
    return _on_table(dense(10, 64, "relu", lambda: normal(1.0)), adam(3e-4), epochs=6)


@fault(cause="weights-large", also=("saturating",))
def unit_normal_attention():
    x = as_floats(rng_of(5).normal(size=(301, 10, 8)))
    inputs = keras.Input((10, 8))
    z = pre_norm(kl.Dense(32, name="stem")(inputs), kernel=normal(1.0))
    model = keras.Model(inputs, kl.Dense(1, name="head")(kl.GlobalAveragePooling1D()(z)))
    return case_of(model, x, 3 * x[:, :, :1].mean(1), "mse", epochs=6)


@fault(cause="weights-equal", where=HIDDEN[:3])
def zeros_in_hidden_layers():
    return _on_table(dense(3, 64, "relu", initializers.Zeros), epochs=6)


@fault(cause="weights-equal", where=CONVOLUTIONS[:3])
def constant_convolutions():
    return _on_bars(convolutions(3, 12, lambda: initializers.Constant(0.08)))


@fault(cause="weights-mean", also=("weights-large",), where=HIDDEN)
def mean_for_deviation():
    return _on_table(dense(8, 96, "relu", lambda: initializers.RandomNormal(0.14)))


@fault(cause="weights-mean", also=("weights-large", "weights-small"))
def positive_filters():
    return _on_bars(convolutions(6, 12, lambda: initializers.RandomUniform(0, 0.48)))


@fault(cause="bias-dead", where=HIDDEN[:3])
def dead_by_bias():
    return _on_table(dense(3, 96, "relu", HE, bias=initializers.Constant(-5.0)))


@fault(cause="bias-dead", where=CONVOLUTIONS)
def dead_convolutions_by_bias():
    return _on_bars(convolutions(4, 12, HE, bias=initializers.Constant(-4.6)))


@fault(cause="saturating", also=("weights-large",), where=HIDDEN)
def saturated_tanh():
    return _on_table(dense(6, 64, "tanh", lambda: normal(1.5)), epochs=10)


@fault(cause="saturating", also=("depth-unstable",))
def ten_sigmoid_layers():
    x, y = table()
    return case_of(dense(10, 64, "sigmoid", GLOROT), x, as_floats(y > 0), "mse", epochs=8)


@fault(cause="wrong-fan", where=("depthwise0", "depthwise1", "depthwise2"))
def depthwise_he_normal():
    options = {"padding": "same", "activation": "relu"}
    body = [kl.Conv2D(48, 3, kernel_initializer="he_normal", name="stem", **options)]
    for k in range(4):
        body += [
            kl.DepthwiseConv2D(
                3, depthwise_initializer="he_normal", name=f"depthwise{k}", **options
            ),
            kl.Conv2D(48, 1, kernel_initializer="he_normal", name=f"pointwise{k}", **options),
        ]
    head = kl.Dense(2, "softmax", name="head")
    model = chain((10, 10, 1), *body, kl.GlobalAveragePooling2D(), head)
    return _on_bars(model, sgd(0.05, 0.9))


@serializable
class Heads(kl.Layer):
    """Eight linear maps of eight units, side by side in one kernel of rank three, and relu."""

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(8, shape[-1], 8), initializer="he_normal", name="kernel"
        )

    def call(self, x):
        return ops.relu(ops.reshape(ops.einsum("bi,hiu->bhu", x, self.kernel), (-1, 64)))


@fault(cause="wrong-fan", also=("weights-small",), where=tuple(f"heads{k}" for k in range(5)))
def heads_in_one_kernel():
    maps = [Heads(name=f"heads{k}") for k in range(5)]
    return _on_table(chain((20,), *maps, kl.Dense(1, name="head")), sgd(0.01, 0.9))


@fault(cause="shared-seed", where=("member0", "member1", "member2"))
def members_of_one_seed():
    inputs = keras.Input((20,))
    votes = []
    for k in range(4):
        member = kl.Dense(2, "relu", kernel_initializer=HE(seed=42), name=f"member{k}")
        kernel = initializers.GlorotUniform(seed=7)
        votes.append(kl.Dense(1, kernel_initializer=kernel, name=f"vote{k}")(member(inputs)))
    return _on_table(keras.Model(inputs, kl.Add()(votes)), adam(0.01))
