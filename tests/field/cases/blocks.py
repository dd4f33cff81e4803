"""Pieces that several models are built of."""

import keras
from keras import layers as kl
from keras import ops

serializable = keras.saving.register_keras_serializable("field")


def ids(count, shape=()):
    """Inputs of one id column each."""
    return [keras.Input(shape, dtype="int32", name=f"field_{k}") for k in range(count)]


def looked_up(columns, size=40, width=8, name="table", **options):
    """A table for each column."""
    return [
        kl.Embedding(size, width, name=f"{name}_{k}", **options)(column)
        for k, column in enumerate(columns)
    ]


def tower(z, *widths, activation="relu"):
    for width in widths:
        z = kl.Dense(width, activation)(z)
    return z


def yes_or_no(inputs, z):
    """A model with the probability of a yes."""
    return keras.Model(inputs, kl.Dense(1, "sigmoid", name="head")(z))


def chain(*layers):
    """A sequential model; a shape stands for its input."""
    first, *others = layers
    return keras.Sequential([keras.Input(first), *others])


def dense(depth, units, activation, kernel, *, bias="zeros", head=None, inputs=20):
    """Equal hidden layers and a head of one unit; `kernel` makes an initializer for each layer."""
    hidden = [
        kl.Dense(
            units, activation, kernel_initializer=kernel(), bias_initializer=bias, name=f"hidden{k}"
        )
        for k in range(depth)
    ]
    return chain((inputs,), *hidden, kl.Dense(1, head, name="head"))


def convolutions(depth, filters, kernel, bias="zeros"):
    """Equal ReLU convolutions on images of ten by ten, and a choice of two."""
    options = {"padding": "same", "activation": "relu", "bias_initializer": bias}
    hidden = [
        kl.Conv2D(filters, 3, kernel_initializer=kernel(), name=f"conv{k}", **options)
        for k in range(depth)
    ]
    pooled = kl.GlobalAveragePooling2D(name="pool")
    return chain((10, 10, 1), *hidden, pooled, kl.Dense(2, "softmax", name="head"))


def pre_norm(z, heads=2, kernel="glorot_uniform"):
    """A transformer block that normalizes at the start of each branch."""
    width = z.shape[-1]
    h = kl.LayerNormalization(name="norm")(z)
    attention = kl.MultiHeadAttention(
        heads, width // heads, kernel_initializer=kernel, name="attention"
    )
    z = kl.Add()([z, attention(h, h)])
    h = kl.LayerNormalization()(z)
    h = kl.Dense(2 * width, "gelu", name="up")(h)
    return kl.Add()([z, kl.Dense(width, name="down")(h)])


@serializable
class TokenAndPosition(kl.Layer):
    """A vector for each word plus one for its place."""

    def __init__(self, words, length, width, **options):
        super().__init__(**options)
        self.sizes = {"words": words, "length": length, "width": width}
        self.words = kl.Embedding(words, width, name="words")
        self.places = kl.Embedding(length, width, name="places")

    def build(self, shape):
        self.words.build(shape)
        self.places.build(shape[-1:])

    def call(self, x):
        return self.words(x) + self.places(ops.arange(ops.shape(x)[-1]))

    def get_config(self):
        return {**super().get_config(), **self.sizes}


@serializable
class PostNorm(kl.Layer):
    """A transformer block with dropout that normalizes each sum."""

    def __init__(self, width, heads=2, causal=False, **options):
        super().__init__(**options)
        self.sizes = {"width": width, "heads": heads, "causal": causal}
        self.attention = kl.MultiHeadAttention(heads, width // heads, name="attention")
        self.inner = kl.Dense(2 * width, "relu", name="inner")
        self.outer = kl.Dense(width, name="outer")
        self.norms = [kl.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.drops = [kl.Dropout(0.1) for _ in range(2)]

    def call(self, x, training=None):
        h = self.attention(x, x, use_causal_mask=self.sizes["causal"])
        x = self.norms[0](x + self.drops[0](h, training=training))
        h = self.outer(self.inner(x))
        return self.norms[1](x + self.drops[1](h, training=training))

    def get_config(self):
        return {**super().get_config(), **self.sizes}


def logits_loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def adam(rate):
    return keras.optimizers.Adam(rate)


def sgd(rate, momentum=0.0):
    return keras.optimizers.SGD(rate, momentum=momentum)


def normal(deviation):
    return keras.initializers.RandomNormal(stddev=deviation)


def uniform(bound):
    return keras.initializers.RandomUniform(-bound, bound)
