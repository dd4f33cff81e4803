"""How a layer uses each of its weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras_initlab.anatomy.traits import traits_of
from keras_initlab.theory import Kind

__all__ = ["Use", "argument_of", "forget_units_of", "is_cell", "use_of"]


@dataclass(frozen=True)
class Use:
    """How a layer uses one of its weights.

    Args:
        role: `"kernel"`, `"recurrent"`, `"table"` or `"other"`.
        kind: What the shape does not show; `None` where unknown.
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
    if name == "kernel" and traits_of(layer).kernel == "depthwise":
        name = "depthwise"
    return f"{name}_initializer"


def is_cell(layer: Any) -> bool:
    """Whether a layer is the step of a recurrent one, which Keras calls in a loop."""
    return bool(traits_of(layer).gates)


def forget_units_of(layer: Any) -> int:
    """Units of a cell that has a forget gate, the second in its bias; 0 of any other layer."""
    if not traits_of(layer).forgets:
        return 0
    return int(layer.filters if hasattr(layer, "filters") else layer.units)


def use_of(layer: Any, variable: Any) -> Use:
    """How a layer uses one of its own weights."""
    traits, name = traits_of(layer), variable.name
    if traits.looks_up and name == "embeddings":
        return Use("table", Kind("lookup"))
    if traits.gates and name in ("kernel", "recurrent_kernel"):
        role = "recurrent" if name == "recurrent_kernel" else "kernel"
        # The state of a ConvLSTM is convolved without a stride.
        strides = _strides(layer) if hasattr(layer, "strides") and role == "kernel" else 1
        return Use(role, Kind(gates=traits.gates, strides=strides), is_first=True)
    kernel = _KERNELS.get((traits.kernel, name))
    return Use("other", None) if kernel is None else kernel(layer)


def _depthwise(layer: Any, *, is_first: bool = False) -> Use:
    kind = Kind("depthwise", strides=_strides(layer))
    return Use("kernel", kind, (-2, -1), is_first=is_first)


# By how the layer uses its kernel, and the name of the weight.
_KERNELS: dict[tuple[str, str], Callable[[Any], Use]] = {
    ("dense", "kernel"): lambda layer: Use("kernel", Kind()),
    ("einsum", "kernel"): lambda layer: _einsum(layer.equation),
    ("convolution", "kernel"): lambda layer: Use(
        "kernel", Kind(strides=_strides(layer), groups=layer.groups)
    ),
    ("transposed", "kernel"): lambda layer: Use(
        "kernel", Kind("transposed", strides=_strides(layer)), (-2,)
    ),
    ("depthwise", "kernel"): _depthwise,
    ("separable", "depthwise_kernel"): lambda layer: _depthwise(layer, is_first=True),
    ("separable", "pointwise_kernel"): lambda layer: Use("kernel", Kind()),
}


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
