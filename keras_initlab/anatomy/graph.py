"""What follows a layer in the graph of a model, through nested models as well."""

from collections import Counter
from functools import cached_property
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.anatomy.branches import Branches
from keras_initlab.anatomy.nonlinearity import LINEAR, Nonlinearities, Nonlinearity
from keras_initlab.anatomy.operations import (
    Test,
    is_bending,
    is_comparing,
    is_counting,
    is_dot,
    is_joining,
    is_norm,
    is_pairing,
    is_product,
    is_scaling,
    is_shaping,
    is_showing,
    is_summing,
    is_weightless,
)
from keras_initlab.anatomy.traits import traits_of
from keras_initlab.anatomy.wiring import layers_in

__all__ = ["Graph"]


class Graph(Branches):
    """The calls of a functional or sequential model and of such models inside it.

    Nothing is known about layers outside of any graph, so the answers are `None`.

    Args:
        model: A Keras model.
        nonlinearities: The activations of its layers.
    """

    def __init__(self, model: Any, nonlinearities: Nonlinearities):
        super().__init__(model)
        self._nonlinearities = nonlinearities

    def is_output(self, layer: Any) -> bool | None:
        """Whether nothing with weights stands between the layer and the outputs of the model."""
        if self._last is not None:
            return True if layer is self._last else None
        return self._all(layer, lambda node: False, is_weightless, ends=True)

    def is_summed_to_output(self, layer: Any) -> bool | None:
        """Whether all that follows is sums and the last activation, as in a linear model."""
        return self._all(layer, lambda node: False, is_summing, ends=True)

    def is_dotted(self, layer: Any) -> bool | None:
        """Whether all outputs of the layer go into products of vectors, at most reshaped."""
        return self._all(layer, is_dot, is_shaping, ends=False)

    def is_gate(self, layer: Any) -> bool | None:
        """Whether all outputs of the layer, activated or reshaped, multiply something."""
        return self._all(layer, is_product, is_bending, ends=False)

    def is_compared(self, layer: Any) -> bool | None:
        """Whether all outputs of the layer, at most reshaped, go into attention."""
        return self._all(layer, is_comparing, is_shaping, ends=False)

    def is_multiplied(self, layer: Any) -> bool:
        """Whether all outputs of the layer end in products with other signals, sooner or later."""
        made = self._given_by(layer)
        return bool(made) and not any(id(tensor) in self._unmultiplied for tensor in made)

    @cached_property
    def _unmultiplied(self) -> set[int]:
        return self._reaching(lambda node: not is_pairing(node))

    def is_before_narrow(self, layer: Any) -> bool:
        """Whether the next layers with weights have one unit or two, as a head has."""
        next_ones = [
            node for node in self._reached(layer, is_weightless) if not is_weightless(node)
        ]
        return bool(next_ones) and all(node.outputs[0].shape[-1] in (1, 2) for node in next_ones)

    def pairs_to_output(self, layer: Any) -> int:
        """Products of two vectors, this layer's among them, that are summed to an output.

        As in a factorization machine: of k tables whose vectors meet in one product or square,
        every two make one product.
        """
        reached = [node for node in self._reached(layer, is_summing) if is_pairing(node)]
        counts = [self._tables_before[id(node)] for node in reached if self._ends_in(node)]
        return max((max(1, count * (count - 1) // 2) for count in counts), default=0)

    @cached_property
    def _tables_before(self) -> Counter:
        """How many tables' vectors meet in a product."""
        tables = {
            id(node.operation): node.operation
            for node in self._maker_of.values()
            if traits_of(node.operation).looks_up
        }
        return Counter(
            id(node)
            for table in tables.values()
            for node in {id(held): held for held in self._reached(table, is_summing)}.values()
            if is_pairing(node)
        )

    def _ends_in(self, node: Any) -> bool:
        """Whether some way from a call to an output has no weights."""
        behind = self._behind(list(node.outputs), is_weightless)
        tensors = [
            *node.outputs,
            *(tensor for call in behind if is_weightless(call) for tensor in call.outputs),
        ]
        return any(id(tensor) in self._ends for tensor in tensors)

    def bag_size(self, layer: Any) -> int | None:
        """How many ids a layer combines into one vector, `None` if that varies."""
        shapes = [node.input_tensors[0].shape for node in self._makers.get(id(layer), [])]
        sizes = {shape[-1] if len(shape) > 1 else 1 for shape in shapes}
        return sizes.pop() if len(sizes) == 1 else None

    def behind(self, layers: list[Any]) -> set[int]:
        """By `id`, all layers behind some layers; without a graph all layers of the model."""
        if self._everything is not None:
            return {id(layer) for layer in self._everything} if layers else set()
        nodes = [node for layer in layers for node in self._reached(layer, lambda _: True)]
        operations = {id(node.operation): node.operation for node in nodes}
        found = [
            operation
            for operation in operations.values()
            if isinstance(operation, keras.layers.Layer)
        ]
        return {id(inner) for layer in found for inner in layers_in(layer)}

    def is_normed(self, layer: Any) -> bool | None:
        """Whether every way from the layer leads to a normalization that repairs its scale."""
        return self._all(layer, is_norm, is_scaling, ends=False)

    def is_shown_by(self, layer: Any, tensor: Any) -> bool:
        """Whether a tensor is a layer's output, at most reshaped, activated or added to others."""
        made = self._given_by(layer)
        passed = [node for node in self._behind(made, is_showing) if is_showing(node)]
        behind = [given for node in passed for given in node.outputs]
        return any(shown is tensor for shown in (*made, *behind))

    def takers_of(self, tensor: Any) -> list[Any]:
        """The first layers with weights, or with a vocabulary, that an input tensor leads to."""
        found = self._behind([tensor], lambda node: is_weightless(node) and not is_counting(node))
        return [node.operation for node in found if not is_weightless(node) or is_counting(node)]

    def readers_of(self, tensor: Any) -> list[Any]:
        """The layers whose weights multiply an input tensor directly, with no norm behind."""
        passing = self._behind([tensor], lambda node: is_shaping(node) or is_joining(node))
        found = {id(node.operation): node.operation for node in passing}
        return [
            operation
            for operation in found.values()
            if (traits_of(operation).kernel or traits_of(operation).loops)
            and not self.is_normed(operation)
        ]

    def shapes_before(self, layer: Any) -> list[tuple]:
        """The shape of the first input at each call of a layer."""
        return [tuple(node.input_tensors[0].shape) for node in self._own_calls(layer)]

    def tables_of(self, tensor: Any) -> list[Any]:
        """The layers that look up an input tensor, at most reshaped, in tables."""
        found = [node.operation for node in self._behind([tensor], is_shaping)]
        return [operation for operation in found if traits_of(operation).looks_up]

    def is_given_features(self, layer: Any) -> bool:
        """Whether only layers that hold a layer call it, and these get nothing that could be ids.

        Ids are whole numbers, strings, or inputs of at most two axes, which Keras makes float.
        """
        if self._makers.get(id(layer)):
            return False
        taken = [tensor for node in self._holders(layer) for tensor in node.input_tensors]
        return bool(taken) and all(map(self._is_feature, taken))

    def _holders(self, layer: Any) -> list[Any]:
        """The calls of layers that have a layer somewhere inside them."""
        return [
            node
            for node in self._maker_of.values()
            if isinstance(node.operation, keras.layers.Layer)
            and any(layer is inner for inner in layers_in(node.operation))
        ]

    def _is_feature(self, tensor: Any) -> bool:
        maker = self.maker_of(tensor)
        is_layer = isinstance(maker, keras.layers.Layer)
        weighted = is_layer and bool(_backend.own_weights(maker))
        return "float" in str(tensor.dtype) and (len(tensor.shape) > 2 or weighted)

    def activation_after(self, layer: Any) -> Nonlinearity:
        """The layer's own activation, or that of the one call behind it."""
        own = self._nonlinearities.of(layer)
        if not own.is_linear:
            return own
        reached = self._reached(layer, is_shaping)
        following = [node.operation for node in reached if not is_shaping(node)]
        if len(following) != 1 or not traits_of(following[0]).activates:
            return LINEAR
        return self._nonlinearities.of(following[0])

    def activation_before(self, layer: Any) -> Nonlinearity:
        """The activation whose output the layer takes at each of its calls; linear if unknown."""
        found = {
            self._activation_of(node.input_tensors[0])
            for node in self._makers.get(id(layer), [])
            # An attention layer's call is no call of the projections in it.
            if layer in (node.operation, getattr(node.operation, "layer", None))
        }
        return found.pop() if len(found) == 1 else LINEAR

    def reads_inputs(self, layer: Any) -> bool:
        """Whether a layer takes inputs of the model, at most reshaped, normalized or joined."""
        return self._comes_from_inputs(layer, lambda node: is_shaping(node) or is_norm(node))

    def reads_unit_squares(self, layer: Any) -> bool:
        """Whether a layer takes inputs of the model or outputs of norms, reshaped or joined."""
        return self._comes_from_inputs(layer, is_shaping, ends=is_norm)

    def is_of_numbers(self, layer: Any) -> bool:
        """Whether nothing but dense layers stands between the inputs of the model and a layer."""
        nodes = self._own_calls(layer)
        return bool(nodes) and all(id(node) not in self._mixed for node in nodes)

    @cached_property
    def _mixed(self) -> set[int]:
        """By `id`, all calls that get what anything but dense layers has made of the inputs."""
        makers = [node for node in self._maker_of.values() if node.input_tensors]
        made = [tensor for node in makers if not _keeps_numbers(node) for tensor in node.outputs]
        return {id(node) for node in self._behind(made, lambda _: True)}

    def _own_calls(self, layer: Any) -> list[Any]:
        """The calls of a layer itself, not of one that holds it."""
        return [node for node in self._makers.get(id(layer), []) if node.operation is layer]

    def _comes_from_inputs(self, layer: Any, passes: Test, ends: Test = lambda node: False) -> bool:
        nodes = self._own_calls(layer)
        waiting = [tensor for node in nodes for tensor in node.input_tensors]
        seen: set[int] = set()
        while waiting:
            tensor = waiting.pop()
            maker, origins = self._maker_of.get(id(tensor)), self._origins.get(id(tensor), [])
            if id(tensor) in seen:
                continue
            seen.add(id(tensor))
            if maker is None or not maker.input_tensors:
                waiting += origins
            elif ends(maker):
                continue
            elif passes(maker) or is_joining(maker):
                waiting += maker.input_tensors
            else:
                return False
        return bool(nodes)

    def _activation_of(self, tensor: Any) -> Nonlinearity:
        """The activation that made a tensor, but for its shape; linear if none did."""
        maker, origins = self._maker_of.get(id(tensor)), self._origins.get(id(tensor), [])
        if maker is None or not maker.input_tensors:
            # Into a nested model, or out of one.
            return self._activation_of(origins[0]) if len(origins) == 1 else LINEAR
        if is_shaping(maker):
            return self._activation_of(maker.input_tensors[0])
        operation = maker.operation
        # Of a block with an activation somewhere inside it is not known what it gives.
        is_plain = traits_of(operation).activates or any(
            hasattr(operation, name) for name in ("kernel", "pointwise_kernel")
        )
        return self._nonlinearities.of(operation) if is_plain else LINEAR


def _keeps_numbers(node: Any) -> bool:
    traits = traits_of(node.operation)
    plain = traits.kernel == "dense" or traits.joins
    return plain or is_showing(node) or is_norm(node)
