"""AutoInit's rule, as its paper tells it, for models of Keras 3.

Bingham and Miikkulainen 2023, https://arxiv.org/abs/2109.08958: mean and variance of the signal are
followed through the layers, and each weight gets the variance that makes its output one of variance
1. The package of the authors reads the configuration of a Keras 2 model and fails on those of
Keras 3, so their rule is written here anew. What it has no rule for passes the signal on unchanged,
as there.
"""

import keras
import numpy as np

from keras_initlab import _backend

__all__ = ["autoinit"]

Moments = tuple[float, float]

_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(100)
_SAMPLES = 100_000
_WEIGHTED = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_NORMS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)


def autoinit(model, seed: int) -> None:
    """Draw the kernels of a functional or sequential model, in place.

    Args:
        model: The model; its inputs are taken for normal, of mean 0 and variance 1.
        seed: Of the draws.
    """
    _Followed(model, seed)


class _Followed:
    """Mean and variance of each tensor of a graph."""

    def __init__(self, model, seed: int):
        self._random, self._found = np.random.default_rng(seed), {}
        self._made = {
            id(tensor): node for node in _backend.graph_nodes(model) for tensor in node.outputs
        }
        for tensor in model.outputs:
            self._of(tensor)

    def _of(self, tensor) -> Moments:
        node = self._made[id(tensor)]
        if id(node) not in self._found:
            incoming = [self._of(each) for each in node.input_tensors]
            self._found[id(node)] = self._behind(node, incoming) if incoming else (0.0, 1.0)
        return self._found[id(node)]

    def _behind(self, node, incoming: list[Moments]) -> Moments:
        layer, (mean, variance) = node.operation, incoming[0]
        if isinstance(layer, (*_WEIGHTED, keras.layers.DepthwiseConv2D)):
            self._draw(layer, variance + mean**2)
            return activated(layer.activation, 0.0, 1.0)
        if isinstance(layer, keras.layers.Activation):
            return activated(layer.activation, mean, variance)
        if isinstance(layer, _NORMS):
            return 0.0, 1.0
        if isinstance(layer, keras.layers.Dropout):
            square = (variance + mean**2) / (1 - layer.rate)
            return mean, square - mean**2
        if "Pooling" in type(layer).__name__:
            return self._pooled(layer, node.input_tensors[0], mean, variance)
        return merged(type(layer).__name__, incoming)

    def _draw(self, layer, square: float) -> None:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            # Keras counts the channels too, of which each output sees one.
            square /= layer.kernel.shape[-2]
        scheme = keras.initializers.VarianceScaling(
            1 / square, distribution="truncated_normal", seed=int(self._random.integers(2**31))
        )
        layer.kernel.assign(scheme(layer.kernel.shape))
        if layer.bias is not None:
            layer.bias.assign(keras.ops.zeros_like(layer.bias))

    def _pooled(self, layer, tensor, mean: float, variance: float) -> Moments:
        whole = int(np.prod(tensor.shape[1:-1]))
        window = int(np.prod(layer.pool_size)) if hasattr(layer, "pool_size") else whole
        if "Average" in type(layer).__name__:
            return mean, variance / window
        shape = (_SAMPLES // window + 1, window)
        most = self._random.normal(mean, np.sqrt(variance), shape).max(axis=1)
        return float(most.mean()), float(most.var())


def activated(function, mean: float, variance: float) -> Moments:
    """Mean and variance of an activation's output for normal inputs."""
    points = mean + np.sqrt(variance) * _POINTS
    values = keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(points, "float32")))
    weights = _WEIGHTS / _WEIGHTS.sum()
    center = float(weights @ values)
    return center, float(weights @ np.square(values - center))


def merged(name: str, incoming: list[Moments]) -> Moments:
    """Mean and variance behind a layer or an operation that takes several signals."""
    means, variances = np.array(incoming).T
    if len(incoming) > 1 and name in ("Add", "Subtract"):
        signs = np.where(np.arange(len(means)) > 0, -1, 1) if name == "Subtract" else 1
        return float((signs * means).sum()), float(variances.sum())
    if len(incoming) > 1 and name == "Multiply":
        mean = float(means.prod())
        return mean, float((variances + means**2).prod()) - mean**2
    mean = float(means.mean())
    return mean, float((variances + means**2).mean()) - mean**2
