"""Which weight of which layer has which fans, and what stands behind it."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from keras_initlab import _backend
from keras_initlab.anatomy.graph import Graph
from keras_initlab.anatomy.nonlinearity import LINEAR, Nonlinearity
from keras_initlab.anatomy.traits import traits_of
from keras_initlab.anatomy.uses import Use, use_of
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.theory import Fans, fans_of, share_inside

__all__ = ["Site", "Sites"]

# With two axes in GRU, and where heads have offsets of their own.
_OFFSETS = ("bias", "gamma", "beta")

# Kernels that slide over the signal.
_WINDOWS = ("convolution", "depthwise", "separable")


@dataclass(frozen=True, eq=False)
class Site:
    """One weight of one layer, and its properties, each of them worked out once.

    Args:
        layer: The layer that owns it.
        variable: The Keras variable.
        use: How the layer uses it.
        graph: The graph of the model.
        among: All sites of the model, this one too.
    """

    layer: Any
    variable: Any
    use: Use
    graph: Graph = field(repr=False)
    among: "Sites" = field(repr=False)

    @property
    def path(self) -> str:
        """Path of the variable in the model."""
        return str(self.variable.path)

    @property
    def role(self) -> str:
        """What the weight does."""
        return self.use.role

    @cached_property
    def fans(self) -> Fans | None:
        """Connections as the layer has them; `None` where unknown."""
        if self.use.kind is None:
            return None
        return self.use.kind.fans(self.variable.shape, **(self.use.axes or {}))

    @cached_property
    def shape_fans(self) -> Fans:
        """Connections as the shape alone tells them, which Keras's schemes take."""
        return fans_of(self.variable.shape, **(self.use.axes or {}))

    @property
    def activation(self) -> str:
        """Name of what follows, empty for nothing."""
        return self.nonlinearity.name

    @cached_property
    def nonlinearity(self) -> Nonlinearity:
        """What follows."""
        return LINEAR if self.use.is_first else self.graph.activation_after(self.layer)

    @cached_property
    def nonlinearity_before(self) -> Nonlinearity:
        """What made the input, linear for none or unknown."""
        return LINEAR if self._is_second else self.graph.activation_before(self.layer)

    @property
    def _is_second(self) -> bool:
        """Whether it reads what another kernel of its layer gives, as in separable convolutions."""
        return str(self.variable.name) == "pointwise_kernel"

    @cached_property
    def normed(self) -> bool | None:
        """Whether all that follows is normalized, so that its scale does not matter.

        `None` where that is unknown, as for the three properties below.
        """
        # x + x0 * (W x + b) of a cross layer: the sum is not normed.
        return False if self._crosses else self.graph.is_normed(self.layer)

    @cached_property
    def added(self) -> bool | None:
        """Whether it makes a branch that is added to another, or multiplied with it."""
        return self.graph.is_added(self.layer)

    @cached_property
    def is_output(self) -> bool | None:
        """Whether it makes an output of the model."""
        return self.graph.is_output(self.layer)

    @cached_property
    def branch_share(self) -> float | None:
        """The share of the variance that the branch it ends may add to others.

        `None` where it ends none, or where that is unknown.
        """
        # Each of the cross layers may add its part.
        crosses = self._crosses
        return 1 / (crosses + 1) if crosses else self.graph.branch_share(self.layer)

    @property
    def _crosses(self) -> int:
        """How many cross layers the model has, if this weight is one's; else 0."""
        return len(self.among.crosses) if id(self.layer) in self.among.crosses else 0

    @cached_property
    def is_linear_term(self) -> bool | None:
        """Whether only sums stand between it and an output, as in a linear model."""
        return self.graph.is_summed_to_output(self.layer)

    @cached_property
    def is_dotted(self) -> bool | None:
        """Whether the outputs of its layer go only into products of vectors."""
        return self.graph.is_dotted(self.layer)

    @cached_property
    def bag_size(self) -> int | None:
        """How many rows of a table its layer combines into one vector.

        `None` if it combines none, or if the number varies.
        """
        return self.graph.bag_size(self.layer) if hasattr(self.layer, "combiner") else None

    @cached_property
    def pairs(self) -> int:
        """Products of vectors, its own among them, that are summed to an output."""
        return self.graph.pairs_to_output(self.layer) if self.role == "table" else 0

    @cached_property
    def is_of_positions(self) -> bool:
        """Whether it is a table inside a layer that gets no ids, so that its rows are places."""
        return self.role == "table" and self.graph.is_given_features(self.layer)

    @property
    def is_behind_table(self) -> bool:
        """Whether the output of a table, among others, reaches its layer."""
        return id(self.layer) in self.among.behind_tables

    @cached_property
    def reads_inputs(self) -> bool:
        """Whether its layer takes inputs of the model, shaped, normalized or joined."""
        return self.graph.reads_inputs(self.layer)

    @cached_property
    def is_of_numbers(self) -> bool:
        """Whether dense layers alone stand between the inputs and its layer."""
        return self.graph.is_of_numbers(self.layer)

    @cached_property
    def reads_unit_squares(self) -> bool:
        """Whether its layer takes inputs of the model or outputs of norms, reshaped or joined.

        Their mean square is 1.
        """
        return self.graph.reads_unit_squares(self.layer) and not self.use.is_first

    @cached_property
    def inside(self) -> float:
        """The share of a window's weights that lies on the signal, not on its padding.

        The mean over all calls; 1 where it is unknown.
        """
        return 1.0 if self._is_second else _inside(self.layer, self.graph)


class Sites:
    """The weights of a model that carry its signal, in the order of its layers.

    Args:
        model: A built Keras model.
        graph: Its graph.
    """

    def __init__(self, model: Any, graph: Graph):
        layers = list(layers_in(model))
        self.crosses = {id(layer.dense) for layer in layers if traits_of(layer).crosses}
        self._graph = graph
        found: dict[int, Site] = {}
        for layer in layers:
            for variable in _backend.own_weights(layer):
                if _carries_signal(variable) and id(variable) not in found:
                    use = use_of(layer, variable)
                    found[id(variable)] = Site(layer, variable, use, graph, self)
        self.all = list(found.values())

    @property
    def trained(self) -> list[Site]:
        """Those that are trained now."""
        return [site for site in self.all if site.variable.trainable]

    @cached_property
    def behind_tables(self) -> set[int]:
        """By `id`, the layers that the output of a table reaches."""
        return self._graph.behind([site.layer for site in self.all if site.role == "table"])


def _carries_signal(variable: Any) -> bool:
    if len(variable.shape) < 2 or not math.prod(variable.shape):
        return False
    return variable.name not in _OFFSETS and "float" in str(variable.dtype)


def _inside(layer: Any, graph: Graph) -> float:
    """The share of a convolution's window that lies on the signal, over all its calls."""
    if traits_of(layer).kernel not in _WINDOWS or layer.padding == "valid":
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
