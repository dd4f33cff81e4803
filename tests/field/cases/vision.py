"""Image models that train well, on the digits of scikit-learn."""

import keras
import numpy as np
from field.cases.blocks import adam, chain, logits_loss, serializable, yes_or_no
from field.cases.data import as_floats, digits, rng_of
from field.register import BACKEND, case_of, healthy
from keras import layers as kl
from keras import ops

DIGIT = "sparse_categorical_crossentropy"
IMAGE = (8, 8, 1)


def conv(width, size=3, **options):
    return kl.Conv2D(width, size, **{"padding": "same", **options})


def relu_conv(width, **options):
    return conv(width, activation="relu", **options)


def normalized(z, width, size=3, activation=None, **options):
    """A convolution without bias, and BatchNormalization in its place."""
    z = kl.BatchNormalization()(conv(width, size, use_bias=False, **options)(z))
    return z if activation is None else activation(z)


def digit_of(inputs, z, activation="softmax"):
    return keras.Model(inputs, kl.Dense(10, activation)(z))


@healthy()
def mlp_dropout():
    x, y = digits(shape=(64,))
    hidden = [kl.Dense(128, "relu"), kl.Dropout(0.2), kl.Dense(128, "relu"), kl.Dropout(0.2)]
    model = chain((64,), *hidden, kl.Dense(10, "softmax"))
    return case_of(model, x, y, DIGIT, "rmsprop", metrics=["accuracy"])


@healthy()
def simple_convnet():
    x, y = digits()
    body = [relu_conv(16), kl.MaxPooling2D(), relu_conv(32), kl.MaxPooling2D(), kl.Flatten()]
    model = chain(IMAGE, *body, kl.Dropout(0.5), kl.Dense(10, "softmax"))
    return case_of(model, x, keras.utils.to_categorical(y, 10), "categorical_crossentropy")


@healthy()
def pixels_with_rescaling():
    x, y = digits()
    body = [relu_conv(16), relu_conv(32, strides=2), relu_conv(32, strides=2)]
    model = chain(
        *(IMAGE, kl.Rescaling(1 / 255), kl.RandomFlip("horizontal", seed=3), *body),
        *(kl.GlobalAveragePooling2D(), kl.Dense(10)),
    )
    return case_of(model, np.floor(x * 255), y, logits_loss(), adam(3e-3), epochs=5)


@healthy()
def resnet_zero_gamma():
    x, y = digits()
    he = {"kernel_initializer": "he_normal"}
    inputs = keras.Input(IMAGE)
    z = normalized(inputs, 16, activation=kl.ReLU(), **he)
    for k, (width, stride) in enumerate([(16, 1), (32, 2)]):
        moved = stride != 1 or z.shape[-1] != width
        skip = normalized(z, width, 1, strides=stride, **he) if moved else z
        h = normalized(z, width, activation=kl.ReLU(), strides=stride, **he)
        h = conv(width, use_bias=False, **he)(h)
        h = kl.BatchNormalization(gamma_initializer="zeros", name=f"last_norm_{k}")(h)
        z = kl.ReLU()(kl.Add()([h, skip]))
    model = digit_of(inputs, kl.GlobalAveragePooling2D()(z), None)
    return case_of(model, x, y, logits_loss(), adam(5e-3))


@healthy()
def inverted_residuals():
    x, y = digits()
    inputs = keras.Input(IMAGE)
    z = normalized(inputs, 16, activation=kl.ReLU(6.0))
    for width, stride in [(16, 1), (24, 2)]:
        h = normalized(z, 4 * z.shape[-1], 1, activation=kl.ReLU(6.0))
        h = kl.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(h)
        h = normalized(kl.ReLU(6.0)(kl.BatchNormalization()(h)), width, 1)
        z = kl.Add()([z, h]) if z.shape == h.shape else h
    model = digit_of(inputs, kl.GlobalAveragePooling2D()(z))
    return case_of(model, x, y, DIGIT, adam(2e-3))


@healthy()
def squeeze_excite():
    x, y = digits()
    inputs = keras.Input(IMAGE)
    z = relu_conv(24)(inputs)
    for k in range(2):
        h = normalized(z, 24)
        gate = kl.GlobalAveragePooling2D(keepdims=True)(h)
        gate = kl.Conv2D(8, 1, activation="relu", name=f"squeeze_{k}")(gate)
        gate = kl.Conv2D(24, 1, activation="sigmoid", name=f"excite_{k}")(gate)
        z = kl.MaxPooling2D()(kl.ReLU()(kl.Add()([z, kl.Multiply()([h, gate])])))
    return case_of(digit_of(inputs, kl.Flatten()(z)), x, y, DIGIT)


@healthy()
def small_unet():
    x, _ = digits()
    noisy = as_floats(x + rng_of(0).normal(0, 0.3, x.shape))

    def he(z, width):
        return relu_conv(width, kernel_initializer="he_normal")(z)

    def up(z, skip, width):
        return he(kl.Concatenate()([kl.Conv2DTranspose(width, 2, strides=2)(z), skip]), width)

    inputs = keras.Input(IMAGE)
    fine = he(inputs, 16)
    middle = he(kl.MaxPooling2D()(fine), 24)
    coarse = he(kl.MaxPooling2D()(middle), 24)
    z = up(up(coarse, middle, 24), fine, 16)
    model = keras.Model(inputs, kl.Conv2D(1, 1, activation="sigmoid")(z))
    return case_of(model, noisy, as_floats(x > 0.5), "binary_crossentropy")


@serializable
class LearnedScale(kl.Layer):
    """One trainable number, zero at the start, times its input."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="zeros", name="scale")

    def call(self, x):
        return x * self.scale


@healthy()
def skipinit_convnet():
    x, y = digits()
    he = {"kernel_initializer": "he_normal"}
    inputs = keras.Input(IMAGE)
    z = relu_conv(16, **he)(inputs)
    for k in range(3):
        h = conv(16, **he)(relu_conv(16, **he)(z))
        z = kl.ReLU()(kl.Add()([z, LearnedScale(name=f"scale_{k}")(h)]))
    model = digit_of(inputs, kl.Flatten()(kl.MaxPooling2D()(z)), None)
    return case_of(model, x, y, logits_loss())


@healthy()
def leaky_and_prelu_as_activation():
    x, y = digits(shape=(64,))
    model = chain(
        (64,),
        kl.Dense(96, kl.LeakyReLU(negative_slope=0.1), kernel_initializer="he_normal"),
        kl.Dense(96, kl.ELU(), kernel_initializer="he_normal"),
        kl.Dense(96, kernel_initializer="he_normal"),
        kl.PReLU(),
        kl.Dense(10),
    )
    return case_of(model, x, y, logits_loss())


@healthy()
def siamese_shared_encoder():
    x, y = digits()
    rng = rng_of(1)
    left, right = rng.integers(0, len(x), (2, 400))
    order = np.argsort(y, kind="stable")
    begin, end = np.searchsorted(y[order], (y[left], y[left] + 1))
    alike = order[rng.integers(begin, end)]
    right = np.where(np.arange(400) % 2, right, alike)
    code = chain(
        IMAGE, conv(16, activation="relu"), kl.Flatten(), kl.Dense(32, "relu"), kl.Dense(16)
    )
    inputs = keras.Input(IMAGE), keras.Input(IMAGE)
    gap = ops.absolute(kl.Subtract()([code(image) for image in inputs]))
    same = as_floats(y[left] == y[right])
    model = yes_or_no(inputs, gap)
    return case_of(model, [x[left], x[right]], same, "binary_crossentropy", adam(3e-3))


@healthy()
def mobilenet_v3_small():
    x, y = digits(40)
    x = np.kron(x, np.ones((1, 4, 4, 3), "float32")) * 255
    model = keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=10)
    case = case_of(model, x, y, DIGIT, epochs=2)
    # TensorFlow takes half a minute to trace it; the graph is for `inverted_residuals`.
    model.run_eagerly = BACKEND == "tensorflow"
    return case
