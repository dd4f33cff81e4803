"""Networks to initialize, as people build them, and batches for them."""

import keras
import numpy as np
from keras import layers as kl
from keras import ops

__all__ = ["ARCHITECTURES", "batch_for"]

DENSE, FIELDS, IDS, VECTOR = 13, 8, 1000, 16


def mlp(activation, depth, width=256):
    def build():
        hidden = [kl.Dense(width, activation) for _ in range(depth)]
        return keras.Sequential([keras.Input((64,), name="x"), *hidden, kl.Dense(1)])

    return build


def _fields():
    dense = keras.Input((DENSE,), name="numbers")
    ids = [keras.Input((), dtype="int32", name=f"id_{k}") for k in range(FIELDS)]
    return dense, ids


def _tower(x, widths, last=1):
    for width in widths:
        x = kl.Dense(width, "relu")(x)
    return kl.Dense(last)(x)


def wide_and_deep():
    dense, ids = _fields()
    vectors = [kl.Embedding(IDS, VECTOR)(each) for each in ids]
    deep = _tower(kl.Concatenate()([dense, *vectors]), (128, 64, 32))
    wide = [kl.Flatten()(kl.Embedding(IDS, 1)(each)) for each in ids]
    return keras.Model(
        [dense, *ids], kl.Add()([deep, kl.Dense(1)(kl.Concatenate()([dense, *wide]))])
    )


def deepfm():
    dense, ids = _fields()
    vectors = [kl.Embedding(IDS, VECTOR)(each) for each in ids]
    stacked = ops.stack([*vectors, kl.Dense(VECTOR)(dense)], axis=1)
    total = ops.square(ops.sum(stacked, axis=1)) - ops.sum(ops.square(stacked), axis=1)
    second = 0.5 * ops.sum(total, axis=1, keepdims=True)
    deep = _tower(kl.Concatenate()([dense, *vectors]), (128, 128))
    return keras.Model([dense, *ids], kl.Add()([second, deep]))


def dcn_v2():
    dense, ids = _fields()
    first = kl.Concatenate()([dense, *(kl.Embedding(IDS, VECTOR)(each) for each in ids)])
    x = first
    for _ in range(4):
        x = kl.Add()([kl.Multiply()([first, kl.Dense(first.shape[-1])(x)]), x])
    return keras.Model([dense, *ids], _tower(x, (128, 64)))


def dlrm():
    dense, ids = _fields()
    bottom = kl.Dense(VECTOR, "relu")(kl.Dense(64, "relu")(dense))
    vectors = [bottom, *(kl.Embedding(IDS, VECTOR)(each) for each in ids)]
    stacked = ops.stack(vectors, axis=1)
    dots = kl.Flatten()(ops.matmul(stacked, ops.transpose(stacked, (0, 2, 1))))
    return keras.Model([dense, *ids], _tower(kl.Concatenate()([bottom, dots]), (128, 64)))


def two_towers():
    dense, ids = _fields()
    half = FIELDS // 2
    query = kl.Concatenate()([dense, *(kl.Embedding(IDS, VECTOR)(each) for each in ids[:half])])
    item = kl.Concatenate()([kl.Embedding(IDS, VECTOR)(each) for each in ids[half:]])
    ends = [_tower(query, (128, 64), 32), _tower(item, (128, 64), 32)]
    return keras.Model([dense, *ids], kl.Dot(axes=1)(ends))


def _block(x, *, causal):
    """Of a transformer, 64 wide, normalized before each part."""
    normed = kl.LayerNormalization()(x)
    x = kl.Add()([x, kl.MultiHeadAttention(4, 16)(normed, normed, use_causal_mask=causal)])
    inner = kl.Dense(256, "gelu")(kl.LayerNormalization()(x))
    return kl.Add()([x, kl.Dense(64)(inner)])


def sasrec():
    ids = keras.Input((24,), dtype="int32", name="id_0")
    x = kl.Embedding(IDS, 64)(ids)
    for _ in range(3):
        x = _block(x, causal=True)
    return keras.Model(ids, kl.Dense(IDS)(kl.LayerNormalization()(x)[:, -1]))


def resnet():
    """ResNet-50's 16 bottlenecks, an eighth as wide, without normalization."""
    inputs = keras.Input((32, 32, 3), name="image")
    x = kl.Conv2D(8, 7, strides=2, padding="same", activation="relu")(inputs)
    for width, blocks in ((8, 3), (16, 4), (32, 6), (64, 3)):
        for k in range(blocks):
            stride = 2 if k == 0 and width > 8 else 1
            branch = kl.Conv2D(width, 1, strides=stride, activation="relu")(x)
            branch = kl.Conv2D(width, 3, padding="same", activation="relu")(branch)
            branch = kl.Conv2D(4 * width, 1)(branch)
            short = kl.Conv2D(4 * width, 1, strides=stride)(x) if k == 0 else x
            x = kl.Activation("relu")(kl.Add()([short, branch]))
    return keras.Model(inputs, kl.Dense(10)(kl.GlobalAveragePooling2D()(x)))


def mobilenet():
    inputs = keras.Input((32, 32, 3), name="image")
    x = kl.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    for width, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1)):
        x = kl.DepthwiseConv2D(3, strides=stride, padding="same", activation="relu")(x)
        x = kl.Conv2D(width, 1, activation="relu")(x)
    return keras.Model(inputs, kl.Dense(10)(kl.GlobalAveragePooling2D()(x)))


def unet():
    inputs = keras.Input((32, 32, 3), name="image")
    down = [kl.Conv2D(16, 3, padding="same", activation="relu")(inputs)]
    for width in (32, 64):
        down.append(kl.Conv2D(width, 3, strides=2, padding="same", activation="relu")(down[-1]))
    x = down[-1]
    for width, skip in zip((32, 16), down[-2::-1], strict=True):
        x = kl.Conv2DTranspose(width, 4, strides=2, padding="same", activation="relu")(x)
        x = kl.Conv2D(width, 3, padding="same", activation="relu")(kl.Concatenate()([x, skip]))
    return keras.Model(inputs, kl.Conv2D(1, 1)(x))


def lstm_stack():
    ids = keras.Input((20,), dtype="int32", name="id_0")
    x = kl.Embedding(IDS, 32)(ids)
    for _ in range(2):
        x = kl.LSTM(64, return_sequences=True)(x)
    x = kl.TimeDistributed(kl.Dense(64, "relu"))(kl.LSTM(64, return_sequences=True)(x))
    return keras.Model(ids, kl.Dense(1)(kl.GlobalAveragePooling1D()(x)))


def inception():
    """Four branches of convolutions side by side, five times."""
    inputs = keras.Input((32, 32, 3), name="image")
    x = kl.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    for width in (8, 8, 16, 16, 16):
        same = {"padding": "same", "activation": "relu"}
        branches = [
            kl.Conv2D(width, 1, **same)(x),
            kl.Conv2D(width, 3, **same)(kl.Conv2D(width, 1, **same)(x)),
            kl.Conv2D(width, 5, **same)(kl.Conv2D(width, 1, **same)(x)),
            kl.Conv2D(width, 1, **same)(kl.MaxPooling2D(3, strides=1, padding="same")(x)),
        ]
        x = kl.Concatenate()(branches)
    return keras.Model(inputs, kl.Dense(10)(kl.GlobalAveragePooling2D()(x)))


def wavenet():
    """Gated convolutions over time, each with twice the reach of the one before."""
    inputs = keras.Input((64, 8), name="series")
    x = kl.Conv1D(32, 2, padding="causal")(inputs)
    for k in range(10):
        causal = {"padding": "causal", "dilation_rate": 2 ** (k % 5)}
        value = kl.Conv1D(32, 2, activation="tanh", **causal)(x)
        gate = kl.Conv1D(32, 2, activation="sigmoid", **causal)(x)
        x = kl.Add()([x, kl.Conv1D(32, 1)(kl.Multiply()([value, gate]))])
    return keras.Model(inputs, kl.Conv1D(1, 1)(kl.ReLU()(x)))


def vision_transformer():
    inputs = keras.Input((32, 32, 3), name="image")
    x = kl.Reshape((16, 64))(kl.Conv2D(64, 8, strides=8)(inputs))
    x = x + kl.Embedding(16, 64)(ops.arange(16))
    for _ in range(4):
        x = _block(x, causal=False)
    x = kl.GlobalAveragePooling1D()(kl.LayerNormalization()(x))
    return keras.Model(inputs, kl.Dense(10)(x))


def neumf():
    ids = [keras.Input((), dtype="int32", name=f"id_{k}") for k in range(2)]
    factors = kl.Multiply()([kl.Embedding(IDS, VECTOR)(each) for each in ids])
    x = kl.Concatenate()([kl.Embedding(IDS, VECTOR)(each) for each in ids])
    for width in (64, 32, 16):
        x = kl.Dense(width, "relu")(x)
    return keras.Model(ids, kl.Dense(1)(kl.Concatenate()([factors, x])))


def autoencoder():
    inputs = keras.Input((128,), name="x")
    x = inputs
    for width in (256, 128, 64, 16, 64, 128, 256):
        x = kl.Dense(width, "elu")(x)
    return keras.Model(inputs, kl.Dense(128)(x))


ARCHITECTURES = {
    "MLP, GELU, 50 deep": mlp("gelu", 50),
    "MLP, SiLU, 30 deep": mlp("silu", 30),
    "MLP, ReLU, 100 deep": mlp("relu", 100),
    "MLP, tanh, 30 deep": mlp("tanh", 30),
    "MLP, SELU, 40 deep": mlp("selu", 40),
    "autoencoder, ELU": autoencoder,
    "Wide & Deep": wide_and_deep,
    "DeepFM": deepfm,
    "DCN-v2": dcn_v2,
    "DLRM": dlrm,
    "two towers": two_towers,
    "NeuMF": neumf,
    "SASRec-like transformer": sasrec,
    "ViT-like transformer": vision_transformer,
    "ResNet-50-like, no norm": resnet,
    "MobileNet-like": mobilenet,
    "U-Net": unet,
    "Inception-like": inception,
    "WaveNet-like": wavenet,
    "LSTM stack": lstm_stack,
}


def batch_for(model, count, seed):
    """Random inputs in the order of the model's."""
    random = np.random.default_rng(seed)
    arrays = [
        random.integers(0, IDS, size=(count, *each.shape[1:])).astype("int32")
        if each.name.startswith("id_")
        else random.normal(size=(count, *each.shape[1:])).astype("float32")
        for each in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]
