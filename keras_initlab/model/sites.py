"""Which weight of which layer has which fans, and what follows it: the room's layer classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.theory import Fans, Kind, fans_of

__all__ = ["Site", "sites_of"]

_NORMS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
)

# The scale of what they take is the scale of what they give.
_SCALING = {
    *("Flatten", "Reshape", "Permute", "Dropout", "SpatialDropout1D", "SpatialDropout2D"),
    *("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "Identity", "Activation"),
    *("ReLU", "LeakyReLU", "PReLU", "ELU", "MaxPooling1D", "MaxPooling2D", "AveragePooling1D"),
    *("AveragePooling2D", "UpSampling1D", "UpSampling2D"),
}

_ADDING = {"Add", "Subtract", "Multiply", "Average"}

# With two axes in GRU, and where heads have offsets of their own.
_OFFSETS = ("bias", "gamma", "beta")

_GATES = {"LSTMCell": 4, "GRUCell": 3, "SimpleRNNCell": 1}

_ACTIVATION_LAYERS = {"ReLU": "relu", "ELU": "elu", "LeakyReLU": "leaky_relu"}


@dataclass(frozen=True)
class Site:
    """One weight of one layer.

    Args:
        path: Path of the variable in the model.
        layer: The layer that owns it.
        variable: The Keras variable.
        role: `"kernel"`, `"recurrent"`, `"table"` or `"other"`.
        fans: Connections as the layer has them; `None` where unknown.
        shape_fans: Connections as a shape alone tells them, which Keras's schemes take.
        activation: Name of what follows, empty for nothing.
        normed: Whether all that follows is normalized, so that its scale does not matter.
        added: Whether it makes a branch that is added to another, or multiplied with it.
        is_output: Whether it makes an output of the model.
    """

    path: str
    layer: Any
    variable: Any
    role: str
    fans: Fans | None
    shape_fans: Fans | None
    activation: str
    normed: bool
    added: bool
    is_output: bool


def sites_of(model: Any) -> list[Site]:
    """The weights of a model that carry its signal, in the order of its layers.

    Args:
        model: A built Keras model.

    Raises:
        ValueError: If the model has no weights yet.
    """
    surroundings = _Surroundings(model)
    found: dict[int, Site] = {}
    for layer in _layers_in(model):
        for site in _sites_in(layer, surroundings):
            found.setdefault(id(site.variable), site)
    if not model.weights:
        raise ValueError(
            "A model is looked at after its weights are made. "
            f"Received: model={model.name!r}, built={model.built}. "
            "Try `model.build(input_shape)`, or call the model on a batch first."
        )
    return list(found.values())


def _layers_in(layer: Any) -> Iterator[Any]:
    for child in _backend.own_sublayers(layer):
        yield child
        yield from _layers_in(child)


def _sites_in(layer: Any, surroundings: "_Surroundings") -> Iterator[Site]:
    for variable in _backend.own_weights(layer):
        if len(variable.shape) < 2 or not variable.trainable or variable.name in _OFFSETS:
            continue
        role, kind, axes = _use_of(layer, variable)
        fans = None if kind is None else _fans(kind, variable.shape, axes)
        yield Site(
            variable.path,
            layer,
            variable,
            role,
            fans,
            fans_of(variable.shape, **axes),
            surroundings.activation_after(layer),
            surroundings.is_normed(layer),
            surroundings.is_added(layer),
            surroundings.is_output(layer),
        )


def _fans(kind: Kind, shape: Any, axes: dict) -> Fans | None:
    try:
        return kind.fans(shape, **axes)
    except ValueError:
        return None


def _use_of(layer: Any, variable: Any) -> tuple[str, Kind | None, dict]:
    """Role, kind and summed axes of a weight."""
    kinds, name, cls = keras.layers, variable.name, type(layer).__name__
    if isinstance(layer, kinds.Embedding):
        return "table", Kind("lookup"), {}
    if cls in _GATES:
        role = "recurrent" if name == "recurrent_kernel" else "kernel"
        return role, Kind(gates=_GATES[cls]), {}
    if isinstance(layer, kinds.EinsumDense) and name == "kernel":
        return "kernel", Kind(), _summed_axes(layer.equation)
    if isinstance(layer, kinds.Dense) and name == "kernel":
        return "kernel", Kind(), {}
    kind = _convolution(layer, name)
    return ("other" if kind is None else "kernel"), kind, {}


def _convolution(layer: Any, name: str) -> Kind | None:
    kinds, cls = keras.layers, type(layer).__name__
    if name == "depthwise_kernel" or cls.startswith("DepthwiseConv"):
        return Kind("depthwise", strides=_strides(layer))
    if name == "pointwise_kernel":
        return Kind()
    if cls.startswith("Conv") and cls.endswith("Transpose") and name == "kernel":
        return Kind("transposed", strides=_strides(layer))
    if isinstance(layer, (kinds.Conv1D, kinds.Conv2D, kinds.Conv3D)) and name == "kernel":
        return Kind(strides=_strides(layer), groups=layer.groups)
    return None


def _strides(layer: Any) -> list[int]:
    return [int(stride) for stride in layer.strides]


def _summed_axes(equation: str) -> dict[str, list[int]]:
    sources, output = equation.split("->")
    inputs, kernel = sources.split(",")
    return {
        "input_axes": [place for place, axis in enumerate(kernel) if axis not in output],
        "output_axes": [place for place, axis in enumerate(kernel) if axis not in inputs],
    }


class _Surroundings:
    """What the graph of a model says about its layers; a model without one says little."""

    def __init__(self, model: Any):
        self._consumers: dict[int, list[Any]] = {}
        for graph in [model, *_layers_in(model)]:
            if isinstance(graph, keras.Model):
                for key, layers in _backend.consumers_of(graph).items():
                    self._consumers.setdefault(key, []).extend(layers)
        self._outputs = {
            id(tensor._keras_history.operation)
            for tensor in keras.tree.flatten(getattr(model, "outputs", None) or [])
        }
        if not self._outputs:
            weighted = [each for each in _layers_in(model) if _backend.own_weights(each)]
            self._outputs = {id(each) for each in weighted[-1:]}

    def activation_after(self, layer: Any) -> str:
        """The layer's own activation, or that of the one layer that follows."""
        own = getattr(getattr(layer, "activation", None), "__name__", "")
        if own not in ("", "linear"):
            return own
        following = self._consumers.get(id(layer), [])
        if len(following) != 1:
            return ""
        known = _ACTIVATION_LAYERS.get(type(following[0]).__name__, "")
        is_activation = isinstance(following[0], keras.layers.Activation)
        return self.activation_after(following[0]) if is_activation else known

    def is_normed(self, layer: Any) -> bool:
        """Whether every way from the layer leads to a normalization."""
        following = self._consumers.get(id(layer), [])
        return bool(following) and all(
            isinstance(each, _NORMS) or (type(each).__name__ in _SCALING and self.is_normed(each))
            for each in following
        )

    def is_added(self, layer: Any) -> bool:
        """Whether the layer, scaled or not, ends a branch."""
        following = self._consumers.get(id(layer), [])
        return any(
            type(each).__name__ in _ADDING
            or (type(each).__name__ in _SCALING and self.is_added(each))
            or (isinstance(each, _NORMS) and self.is_added(each))
            for each in following
        )

    def is_output(self, layer: Any) -> bool:
        """Whether what the layer makes is an output, through activations at most."""
        if id(layer) in self._outputs:
            return True
        following = self._consumers.get(id(layer), [])
        return bool(following) and all(
            type(each).__name__ in _SCALING and self.is_output(each) for each in following
        )
