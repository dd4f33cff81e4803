"""Which weight of which layer has which fans, and what stands behind it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.model.graph import Graph
from keras_initlab.model.wiring import layers_in
from keras_initlab.theory import Fans, Kind, fans_of, share_inside

__all__ = ["Site", "argument_of", "forget_units_of", "is_cell", "sites_of"]

# With two axes in GRU, and where heads have offsets of their own.
_OFFSETS = ("bias", "gamma", "beta")

# Of keras-rs.
_CROSS = "FeatureCross"

_CONVOLUTIONS = (
    *(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
    *(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D),
    *(keras.layers.SeparableConv1D, keras.layers.SeparableConv2D),
)

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


@dataclass(frozen=True)
class Site:
    """One weight of one layer.

    Args:
        layer: The layer that owns it.
        variable: The Keras variable.
        use: How the layer uses it.
        fans: Connections as the layer has them; `None` where unknown.
        shape_fans: Connections as the shape alone tells them, which Keras's schemes take.
        activation: Name of what follows, empty for nothing.
        activation_before: Name of what made the input, empty for none or unknown.
        normed: Whether all that follows is normalized, so that its scale does not matter.
        added: Whether it makes a branch that is added to another, or multiplied with it.
        is_output: Whether it makes an output of the model. Like the two before `None` if unknown.
        branch_share: Where it makes a branch that is added to others, the part of the variance
            that the branch may add; `None` where it does not, or where that is unknown.
        is_linear_term: Whether only sums stand between it and an output, as in a linear model.
        is_dotted: Whether what its layer gives goes into products of vectors alone.
        bag_size: How many rows of a table its layer combines to one vector; `None` if it combines
            none, or not always as many.
        pairs: Products of vectors, its own among them, that are summed to an output.
        is_behind_table: Whether what a table gives, among others, comes to its layer.
        reads_inputs: Whether its layer takes inputs of the model, shaped, normalized or joined.
        is_of_numbers: Whether dense layers alone stand between the inputs and its layer.
        reads_unit_squares: Whether its layer takes inputs of the model, or what norms give, whose
            mean square is 1, shaped or joined at most.
        inside: Of the weights of a window the part that lies on the signal, not on its padding, in
            the mean; 1 where that is not known.
    """

    layer: Any
    variable: Any
    use: Use
    fans: Fans | None
    shape_fans: Fans
    activation: str
    activation_before: str
    normed: bool | None
    added: bool | None
    is_output: bool | None
    branch_share: float | None
    is_linear_term: bool | None
    is_dotted: bool | None
    bag_size: int | None
    pairs: int
    is_behind_table: bool = False
    reads_inputs: bool = False
    is_of_numbers: bool = False
    reads_unit_squares: bool = False
    inside: float = 1.0

    @property
    def path(self) -> str:
        """Path of the variable in the model."""
        return str(self.variable.path)

    @property
    def role(self) -> str:
        """What the weight does."""
        return self.use.role


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


def sites_of(model: Any, *, frozen: bool = False) -> list[Site]:
    """The weights of a model that carry its signal, in the order of its layers.

    Args:
        model: A built Keras model.
        frozen: Whether those that are not trained count too.
    """
    graph = Graph(model)
    layers = list(layers_in(model))
    crosses = {id(layer.dense) for layer in layers if type(layer).__name__ == _CROSS}
    found: dict[int, Site] = {}
    for layer in layers:
        for site in _sites_in(layer, graph):
            if id(layer) in crosses:
                # x + x0 * (W x + b): each of them may add its part.
                site = replace(site, branch_share=1 / (len(crosses) + 1), normed=False)
            if not frozen and not site.variable.trainable:
                continue
            found.setdefault(id(site.variable), site)
    behind = graph.behind([site.layer for site in found.values() if site.role == "table"])
    return [replace(site, is_behind_table=id(site.layer) in behind) for site in found.values()]


def _sites_in(layer: Any, graph: Graph) -> Iterator[Site]:
    for variable in _backend.own_weights(layer):
        if len(variable.shape) < 2 or not math.prod(variable.shape):
            continue
        if variable.name in _OFFSETS or "float" not in str(variable.dtype):
            continue
        use = _use_of(layer, variable)
        axes = use.axes or {}
        yield Site(
            layer,
            variable,
            use,
            None if use.kind is None else use.kind.fans(variable.shape, **axes),
            fans_of(variable.shape, **axes),
            "" if use.is_first else graph.activation_after(layer),
            # The second kernel of a separable convolution reads what the first gives.
            "" if variable.name == "pointwise_kernel" else graph.activation_before(layer),
            graph.is_normed(layer),
            graph.is_added(layer),
            graph.is_output(layer),
            graph.branch_share(layer),
            graph.is_summed_to_output(layer),
            graph.is_dotted(layer),
            graph.bag_size(layer) if hasattr(layer, "combiner") else None,
            graph.pairs_to_output(layer) if use.role == "table" else 0,
            reads_inputs=graph.reads_inputs(layer),
            is_of_numbers=graph.is_of_numbers(layer),
            reads_unit_squares=graph.reads_unit_squares(layer) and not use.is_first,
            inside=_inside(layer, graph) if variable.name != "pointwise_kernel" else 1.0,
        )


def _inside(layer: Any, graph: Graph) -> float:
    """The share of a convolution's window that lies on the signal, over all its calls."""
    if not isinstance(layer, _CONVOLUTIONS) or layer.padding == "valid":
        return 1.0
    windows, strides, dilations = layer.kernel_size, layer.strides, layer.dilation_rate
    shares = []
    for shape in graph.shapes_before(layer):
        sizes = shape[2:] if layer.data_format == "channels_first" else shape[1:-1]
        if None in sizes:
            return 1.0
        axes = zip(sizes, windows, strides, dilations, strict=True)
        shares.append(
            math.prod(share_inside(*axis, causal=layer.padding == "causal") for axis in axes)
        )
    return sum(shares) / len(shares) if shares else 1.0


def _use_of(layer: Any, variable: Any) -> Use:
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
