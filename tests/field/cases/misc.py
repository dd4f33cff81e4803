"""Models of physics, generation and tables that train well."""

import keras
import numpy as np
from field.cases.blocks import adam, chain, normal, serializable, tower, uniform
from field.cases.data import as_floats, digits, plane, rng_of
from field.register import case_of, healthy
from keras import layers as kl
from keras import ops

CROSS_ENTROPY = "binary_crossentropy"
DIGIT = "sparse_categorical_crossentropy"


@serializable
class Sampled(keras.Model):
    """A variational autoencoder that draws its code and adds the divergence to the loss."""

    def __init__(self, **options):
        super().__init__(**options)
        self.hidden = kl.Dense(48, "relu", name="hidden")
        self.middle, self.spread = kl.Dense(4, name="middle"), kl.Dense(4, name="spread")
        self.decoder = keras.Sequential([kl.Dense(48, "relu"), kl.Dense(64, "sigmoid")])
        self.draws = keras.random.SeedGenerator(5)

    def call(self, x, training=None):
        h = self.hidden(x)
        code, spread = self.middle(h), self.spread(h)
        divergence = ops.square(code) + ops.exp(spread) - spread - 1
        self.add_loss(0.005 * ops.mean(ops.sum(divergence, axis=-1)))
        if training:
            noise = keras.random.normal(ops.shape(code), seed=self.draws)
            code = code + ops.exp(0.5 * spread) * noise
        return self.decoder(code)


@serializable
class Stepped(Sampled):
    """The same with a training step by hand, as TensorFlow's tutorials have it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.total = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.total]

    def train_step(self, data):
        import tensorflow as tf

        x = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            drawn = self(x, training=True)
            loss = ops.mean(keras.losses.binary_crossentropy(x, drawn)) + sum(self.losses)
        weights = self.trainable_weights
        gradients = tape.gradient(loss, weights)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        self.total.update_state(loss)
        return {"loss": self.total.result()}


@healthy()
def vae_add_loss():
    x, _ = digits(shape=(64,))
    return case_of(Sampled(), x, x, CROSS_ENTROPY, adam(3e-3))


@healthy(backends=("tensorflow",))
def vae_train_step():
    x, _ = digits(shape=(64,))
    return case_of(Stepped(), x, None, None, adam(3e-3))


@healthy()
def autoencoder_two_units():
    x, _ = digits(shape=(64,))
    inputs = keras.Input((64,))
    code = kl.Dense(2, name="code")(tower(inputs, 64, 32))
    model = keras.Model(inputs, kl.Dense(64, "sigmoid")(tower(code, 32, 64)))
    return case_of(model, x, x, CROSS_ENTROPY, adam(3e-3))


@healthy()
def raw_features_then_batchnorm():
    z = rng_of(1).normal(size=(500, 5))
    x = as_floats(z * [20000, 9000, 15000, 7000, 11000] + [50000, 30000, 90000, 20000, 60000])
    body = []
    for width in (64, 32):
        body += [kl.Dense(width, use_bias=False), kl.BatchNormalization(), kl.ReLU()]
    model = chain((5,), *body, kl.Dense(1, "sigmoid"))
    y = as_floats(z[:, 0] + z[:, 2] * z[:, 4] > 0)
    return case_of(model, x, y, CROSS_ENTROPY, adam(3e-3))


@healthy()
def normalization_adapted():
    rng = rng_of(2)
    z = rng.normal(size=(400, 9))
    x = as_floats(z * np.geomspace(1, 3000, 9) + np.geomspace(10, 9000, 9))
    y = as_floats(z @ rng.normal(size=9) * 2 + 3 * np.abs(z[:, 0]) + 23)[:, None]
    normalization = kl.Normalization()
    normalization.adapt(x)
    model = chain((9,), normalization, kl.Dense(64, "relu"), kl.Dense(64, "relu"), kl.Dense(1))
    return case_of(model, x, y, "mae", adam(1e-2))


@healthy()
def tanh_field():
    x = plane()
    hidden = [kl.Dense(40, "tanh", kernel_initializer="glorot_normal") for _ in range(3)]
    y = np.sin(3 * x[:, :1]) * np.cos(2 * x[:, 1:])
    return case_of(chain((2,), *hidden, kl.Dense(1)), x, y, "mse", adam(3e-3))


@serializable
def sine(x):
    return ops.sin(x)


@healthy()
def siren_image():
    x = plane()
    first = kl.Dense(48, sine, kernel_initializer=uniform(5), bias_initializer=uniform(5))
    wide = uniform((6 / 48) ** 0.5)
    second = kl.Dense(48, sine, kernel_initializer=wide, bias_initializer=uniform(0.5))
    head = kl.Dense(1, kernel_initializer=uniform((6 / 48) ** 0.5 / 3))
    y = np.sin(7 * x[:, :1] + 3 * x[:, 1:] ** 2)
    return case_of(chain((2,), first, second, head), x, y, "mse", adam(1e-3))


@healthy()
def random_fourier_features():
    x, y = digits(shape=(64,))
    inputs = keras.Input((64,))
    phases = keras.initializers.RandomUniform(0, 2 * np.pi)
    options = {"kernel_initializer": normal(0.5), "bias_initializer": phases}
    z = kl.Dense(256, trainable=False, name="projection", **options)(inputs)
    model = keras.Model(inputs, kl.Dense(10, "softmax")(ops.cos(z)))
    return case_of(model, x, y, DIGIT, adam(1e-2))


@healthy()
def unequal_classes_softmax():
    rng = rng_of(3)
    y = rng.choice(6, 600, p=(0.6, 0.18, 0.1, 0.07, 0.03, 0.02))
    x = 1.2 * rng.normal(size=(6, 12))[y] + rng.normal(size=(600, 12))
    model = chain((12,), kl.Dense(64, "relu"), kl.Dense(32, "relu"), kl.Dense(6, "softmax"))
    x = as_floats((x - x.mean(0)) / x.std(0))
    return case_of(model, x, y.astype("int32"), DIGIT, adam(3e-3))


@healthy()
def sixteen_convolutions_on_4x4():
    x, y = digits(400)
    x = x.reshape(-1, 4, 2, 4, 2).mean((2, 4))[..., None]
    z = inputs = keras.Input((4, 4, 1))
    for k in range(16):
        options = {"use_bias": False, "kernel_initializer": "he_normal"}
        h = kl.Conv2D(16, 3, padding="same", **options)(z)
        h = kl.ReLU()(kl.BatchNormalization()(h))
        z = kl.Add()([z, h]) if k % 2 and k > 1 else h
    model = keras.Model(inputs, kl.Dense(10, "softmax")(kl.Flatten()(z)))
    return case_of(model, x, y, DIGIT, adam(2e-3))
