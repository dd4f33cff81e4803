"""Stacks of equal layers: in NumPy, to see a signal before any training, and one to train."""

import keras
import numpy as np

import keras_initlab as kil

__all__ = ["Stack", "backward", "backward_from", "forward", "gain_per_layer", "numpy_of"]


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def forward(activation, kernel, bias=None, *, depth, width, signal):
    """The preactivations `(rows, width)` of every layer and the weights between.

    `kernel(seed)` and `bias(seed)` are schemes; the seed is the number of the layer.
    """
    phi, before, weights = kil.activation_of(activation), [], []
    for layer in range(depth):
        weights.append(numpy_of(kernel(layer)((signal.shape[-1], width))))
        shift = 0.0 if bias is None else numpy_of(bias(layer)((width,)))
        before.append(signal @ weights[-1] + shift)
        signal = phi(before[-1])
    return before, weights


def backward(activation, before, weights, random):
    """The gradient of a random output with respect to every layer's preactivations."""
    return backward_from(activation, before, weights, random.normal(size=before[-1].shape))


def backward_from(activation, before, weights, last):
    """The gradient with respect to every layer's preactivations, from the last layer's."""
    phi, gradients = kil.activation_of(activation), [last]
    for signal, kernel in zip(before[-2::-1], weights[:0:-1], strict=True):
        gradients.append(gradients[-1] @ kernel.T * slope(phi, signal))
    return gradients[::-1]


def slope(phi, signal, step=1e-6):
    return (phi(signal + step) - phi(signal - step)) / (2 * step)


def gain_per_layer(activation, scheme, *, depth, width, seed):
    """Factor on the mean square that one layer of a stack applies, its geometric mean."""
    signal = np.random.default_rng(seed).normal(size=(256, width))
    before, _ = forward(
        activation,
        lambda layer: scheme(seed=1000 * seed + layer),
        depth=depth,
        width=width,
        signal=signal,
    )
    sizes = [np.mean(each**2) for each in before]
    return float((sizes[-1] / sizes[0]) ** (1 / (depth - 1)))


class Stack(keras.layers.Layer):
    """Equal tanh layers in a loop over one weight, so that thousands of them build in seconds.

    `kernel(seed)` is a scheme; the seed is the number of the layer. With a `window` the layers
    are convolutions.
    """

    def __init__(self, depth, kernel, bias, window=()):
        super().__init__()
        self.depth, self.start, self.shift, self.window = depth, kernel, bias, window

    def build(self, shape):
        one = (*self.window, shape[-1], shape[-1])
        self.kernel = self.add_weight(shape=(self.depth, *one), initializer=kil.Zeros())
        self.bias = self.add_weight(shape=(self.depth, shape[-1]), initializer=self.shift)
        # Layer by layer, for a scheme would see one kernel of a higher rank.
        self.kernel.assign(np.stack([numpy_of(self.start(k)(one)) for k in range(self.depth)]))

    def call(self, inputs):
        def layer(signal, weights):
            kernel, bias = weights
            if self.window:
                signal = keras.ops.conv(signal, kernel, padding="same")
            else:
                signal = signal @ kernel
            return keras.ops.tanh(signal + bias), None

        weights = map(keras.ops.convert_to_tensor, (self.kernel, self.bias))
        return keras.ops.scan(layer, inputs, tuple(weights))[0]
