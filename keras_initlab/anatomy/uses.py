"""How a layer uses each of its weights."""

from dataclasses import dataclass
from typing import Any

import keras

from keras_initlab.theory import Kind

__all__ = ["Use", "argument_of", "forget_units_of", "is_cell", "use_of"]

_GATES = {"LSTMCell": 4, "ConvLSTMCell": 4, "GRUCell": 3, "SimpleRNNCell": 1}
_FORGETTING = ("LSTMCell", "ConvLSTMCell")


@dataclass(frozen=True)
class Use:
    """How a layer uses one of its weights.

    Args:
        role: `"kernel"`, `"recurrent"`, `"table"` or `"other"`.
        kind: What the shape does not say; `None` where unknown.
        units: The axes of the weight that count its units.
        axes: `input_axes` and `output_axes` where the layer names them.
        is_first: Whether another weight of the layer comes before its activation.
    """

    role: str
    kind: Kind | None
    units: tuple[int, ...] = (-1,)
    axes: dict[str, list[int]] | None = None
    is_first: bool = False


def argument_of(layer: Any, variable: Any) -> str:
    """The layer's argument that draws a weight."""
    name = variable.name.removesuffix("_kernel")
    if name == "kernel" and type(layer).__name__.startswith("DepthwiseConv"):
        name = "depthwise"
    return f"{name}_initializer"


def is_cell(layer: Any) -> bool:
    """Whether a layer is a step of a recurrent one, of which Keras calls it in a loop."""
    return type(layer).__name__ in _GATES


def forget_units_of(layer: Any) -> int:
    """Units of a cell that has a forget gate, the second in its bias; 0 of any other layer."""
    if type(layer).__name__ not in _FORGETTING:
        return 0
    return int(layer.filters if hasattr(layer, "filters") else layer.units)


def use_of(layer: Any, variable: Any) -> Use:
    """How a layer uses one of its own weights."""
    kinds, name, cls = keras.layers, variable.name, type(layer).__name__
    if isinstance(layer, kinds.Embedding) and name == "embeddings":
        return Use("table", Kind("lookup"))
    if cls in _GATES and name in ("kernel", "recurrent_kernel"):
        role = "recurrent" if name == "recurrent_kernel" else "kernel"
        # The state of a ConvLSTM is convolved without a stride.
        strides = _strides(layer) if cls == "ConvLSTMCell" and role == "kernel" else 1
        return Use(role, Kind(gates=_GATES[cls], strides=strides), is_first=True)
    if isinstance(layer, kinds.EinsumDense) and name == "kernel":
        return _einsum(layer.equation)
    if isinstance(layer, kinds.Dense) and name == "kernel":
        return Use("kernel", Kind())
    return _convolution(layer, name) or Use("other", None)


def _convolution(layer: Any, name: str) -> Use | None:
    kinds, cls = keras.layers, type(layer).__name__
    if name == "depthwise_kernel" or (cls.startswith("DepthwiseConv") and name == "kernel"):
        depthwise = Kind("depthwise", strides=_strides(layer))
        return Use("kernel", depthwise, (-2, -1), is_first=name == "depthwise_kernel")
    if name == "pointwise_kernel":
        return Use("kernel", Kind())
    if cls.startswith("Conv") and cls.endswith("Transpose") and name == "kernel":
        return Use("kernel", Kind("transposed", strides=_strides(layer)), (-2,))
    if isinstance(layer, (kinds.Conv1D, kinds.Conv2D, kinds.Conv3D)) and name == "kernel":
        return Use("kernel", Kind(strides=_strides(layer), groups=layer.groups))
    return None


def _strides(layer: Any) -> int | list[int]:
    strides = [int(stride) for stride in layer.strides]
    return strides[0] if len(set(strides)) == 1 else strides


def _einsum(equation: str) -> Use:
    sources, output = equation.split("->")
    inputs, kernel = sources.split(",")
    summed = [place for place, axis in enumerate(kernel) if axis not in output]
    made = [place for place, axis in enumerate(kernel) if axis not in inputs]
    axes = {"input_axes": summed, "output_axes": made}
    units = tuple(place for place in range(len(kernel)) if place not in summed)
    return Use("kernel", Kind(), units, axes)
