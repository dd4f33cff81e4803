"""What a layer does to a unit signal, forward and backward, with the fans right for its kernel.

`python tests/initializers/test_fans.py` prints the table of the docs, beside Keras's own fans.

Every number is the mean over 30 draws of the mean square that a layer passes on when its weights
have variance 1 / fan_in (forward) or 1 / fan_out (backward); 1 is right. The band of 0.97 to 1.03
is what the sampling noise of these sizes allows, except where a case says otherwise.
"""

import keras
import numpy as np
import pytest

from keras_initlab import VarianceScaling
from keras_initlab.theory import Kind

pytestmark = pytest.mark.once

DRAWS = 30


def scheme(kind, mode, seed):
    return VarianceScaling(distribution="normal", mode=mode, kind=kind, seed=seed)


def layer_of(make, kind, mode, seed, shape):
    layer = make(scheme(kind, mode, seed))
    layer.build(shape)
    return layer


def passed_forward(make, kind, shape, target=None):
    """Mean square of the output for an input of unit mean square."""
    total = 0.0
    for seed in range(DRAWS):
        layer = layer_of(make, kind, "fan_in", seed, (None, *shape))
        x = np.random.default_rng(seed).normal(size=(4, *shape)).astype("float32")
        y = keras.ops.convert_to_numpy(layer(x)).astype("float64")
        total += np.mean(inner(y, len(shape) - 1) ** 2) / DRAWS
    return total


def inner(values, axes, edge=4):
    """Without the rim, where padding takes part of the window away."""
    window = (slice(edge, -edge),) * axes if values.ndim > 2 and values.shape[1] > 2 * edge else ()
    return values[(slice(None), *window)]


def passed_backward(make, kind, shape):
    """Mean square of the input's gradient for a cotangent of unit mean square.

    A convolution is linear, so the gradient is its transpose: measured as the mean square that one
    input element sends to all outputs, summed, over elements far from the rim.
    """
    total = 0.0
    for seed in range(DRAWS):
        layer = layer_of(make, kind, "fan_out", seed, (None, *shape))
        spots = probes(shape, seed)
        y = keras.ops.convert_to_numpy(layer(spots)).astype("float64")
        total += (y**2).sum() / len(spots) / DRAWS
    return total


def probes(shape, seed, count=64):
    rng = np.random.default_rng(seed)
    spots = np.zeros((count, *shape), "float32")
    for spot in spots:
        place = [rng.integers(6, size - 6) if size > 12 else 0 for size in shape[:-1]]
        spot[(*place, rng.integers(shape[-1]))] = 1
    return spots


def dense(init):
    return keras.layers.Dense(256, use_bias=False, kernel_initializer=init)


def conv(**arguments):
    return lambda init: keras.layers.Conv2D(
        64, 3, padding="same", use_bias=False, kernel_initializer=init, **arguments
    )


def depthwise(init):
    return keras.layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, depthwise_initializer=init
    )


def separable(init):
    return keras.layers.SeparableConv1D(
        64,
        5,
        padding="same",
        use_bias=False,
        depthwise_initializer=init,
        pointwise_initializer=VarianceScaling(distribution="normal", seed=init.seed + 100),
    )


def transposed(filters, size, strides):
    return lambda init: keras.layers.Conv2DTranspose(
        filters, size, strides=strides, padding="same", use_bias=False, kernel_initializer=init
    )


def experts(init):
    return keras.layers.EinsumDense("bei,eio->beo", (8, 64), kernel_initializer=init)


IMAGE = (20, 20, 32)
FORWARD = {
    "Dense": (dense, "dense", (128,)),
    "Conv2D": (conv(), "dense", IMAGE),
    "Conv2D stride 2": (conv(strides=2), Kind(strides=2), IMAGE),
    "Conv2D groups 4": (conv(groups=4), Kind(groups=4), IMAGE),
    "DepthwiseConv2D C=256": (depthwise, "depthwise", (20, 20, 256)),
    "SeparableConv1D C=256": (separable, "depthwise", (40, 256)),
    "Conv2DTranspose k3 s1": (transposed(16, 3, 1), "transposed", (16, 16, 64)),
    "Conv2DTranspose k4 s2": (transposed(64, 4, 2), Kind("transposed", strides=2), (10, 10, 64)),
    "EinsumDense 8 experts": (experts, Kind(groups=8), (8, 64)),
}
BACKWARD = {
    "Dense": (dense, "dense", (128,)),
    "Conv2D": (conv(), "dense", IMAGE),
    "Conv2D stride 2": (conv(strides=2), Kind(strides=2), IMAGE),
    "Conv2D groups 4": (conv(groups=4), Kind(groups=4), IMAGE),
    "DepthwiseConv2D C=256": (depthwise, "depthwise", (20, 20, 256)),
    "Conv2DTranspose k3 s1": (transposed(16, 3, 1), "transposed", (16, 16, 64)),
    "Conv2DTranspose k4 s2": (transposed(64, 4, 2), Kind("transposed", strides=2), (16, 16, 16)),
    "EinsumDense 8 experts": (experts, Kind(groups=8), (8, 64)),
}


@pytest.mark.parametrize("name", list(FORWARD))
def test_layer_keeps_the_forward_signal(name):
    make, kind, shape = FORWARD[name]

    assert 0.97 < passed_forward(make, kind, shape) < 1.03


@pytest.mark.parametrize("name", list(BACKWARD))
def test_layer_keeps_the_gradient(name):
    make, kind, shape = BACKWARD[name]

    assert 0.97 < passed_backward(make, kind, shape) < 1.03


def test_band_refuses_the_fans_of_keras():
    # FACTS of Keras 3.15: a depthwise kernel counts the channels, C times too many.
    assert passed_forward(depthwise, "dense", (12, 12, 32)) < 0.04


@pytest.mark.parametrize(("cell", "gates"), [(keras.layers.LSTM, 4), (keras.layers.GRU, 3)])
def test_gate_gets_its_own_fan(cell, gates):
    layer = cell(64, kernel_initializer=scheme(Kind(gates=gates), "fan_out", 1))
    layer.build((None, 5, 512))
    kernel = keras.ops.convert_to_numpy(layer.cell.kernel)

    # Variance 1 / 64 of a gate's units; relative standard error sqrt(2 / size).
    assert abs(kernel.var() * 64 - 1) < 5 * np.sqrt(2 / kernel.size)


def test_embedding_looks_up_unit_vectors():
    layer = keras.layers.Embedding(1000, 16, embeddings_initializer=scheme("lookup", "fan_in", 1))
    layer.build()
    table = keras.ops.convert_to_numpy(layer.embeddings)

    assert abs(table.var() - 1) < 5 * np.sqrt(2 / table.size)


def table():
    rows = ["| layer | forward | Keras | backward | Keras |", "|---|---|---|---|---|"]
    for name, (make, kind, shape) in FORWARD.items():
        cells = [passed_forward(make, kind, shape), passed_forward(make, "dense", shape)]
        if name in BACKWARD:
            make, kind, shape = BACKWARD[name]
            cells += [passed_backward(make, kind, shape), passed_backward(make, "dense", shape)]
        rows.append(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
