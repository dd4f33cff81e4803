"""Which call passes which tensor to which call, in a model and in the models inside it."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.anatomy.operations import Test, is_shaping

__all__ = ["Wiring", "layers_in"]


def layers_in(layer: Any) -> Iterator[Any]:
    """A layer and all layers inside it, each as often as it is held."""
    yield layer
    for child in _backend.own_sublayers(layer):
        yield from layers_in(child)


class Wiring:
    """The calls of a functional or sequential model, and ways along their tensors.

    Args:
        model: A Keras model; of one that is neither, only the layers are known.
    """

    def __init__(self, model: Any):
        self._takers: dict[int, list[Any]] = {}
        self._passed: dict[int, list[Any]] = {}
        self._origins: dict[int, list[Any]] = {}
        self._makers: dict[int, list[Any]] = {}
        self._maker_of: dict[int, Any] = {}
        self._ends: set[int] = set()
        self._outputs: list[Any] = []
        self._known: set[int] = set()
        if _backend.graph_nodes(model) is not None:
            self._add(model)
            self._outputs = list(model.outputs)
            self._ends = {id(tensor) for tensor in self._outputs}
            self._last = self._everything = None
        else:
            self._everything = list(layers_in(model))
            weighted = [layer for layer in self._everything if _backend.own_weights(layer)]
            self._last = weighted[-1] if weighted else None

    def _add(self, model: Any) -> None:
        if id(model) in self._known:
            return
        self._known.add(id(model))
        for node in _backend.graph_nodes(model) or ():
            operation = node.operation
            if _backend.graph_nodes(operation) is not None:
                self._add(operation)
                self._pass(node.input_tensors, operation.inputs)
                self._pass(operation.outputs, node.outputs)
                continue
            self._maker_of |= {id(tensor): node for tensor in node.outputs}
            for tensor in node.input_tensors:
                self._takers.setdefault(id(tensor), []).append(node)
            inside = getattr(operation, "layer", None)
            wrapped = inside if isinstance(operation, keras.layers.TimeDistributed) else operation
            self._makers.setdefault(id(wrapped), []).append(node)
            # What an attention layer gives is what its last projection gives.
            last = getattr(operation, "output_dense", None)
            if last is not None:
                self._makers.setdefault(id(last), []).append(node)

    def _pass(self, tensors: list[Any], others: list[Any]) -> None:
        for tensor, other in zip(tensors, others, strict=False):
            self._passed.setdefault(id(tensor), []).append(other)
            self._origins.setdefault(id(other), []).append(tensor)

    def maker_of(self, tensor: Any) -> Any:
        """The layer or operation that makes an output tensor, at most reshaped after it."""
        node = self._made(tensor)[0]
        return None if node is None else node.operation

    def is_reshaped(self, tensor: Any) -> bool:
        """Whether anything stands between an output tensor and the layer that makes it."""
        return self._made(tensor)[1]

    def _made(self, tensor: Any) -> tuple[Any, bool]:
        """The call that makes a tensor, and whether shape-only calls follow it."""
        reshaped = False
        while True:
            node, origins = self._maker_of.get(id(tensor)), self._origins.get(id(tensor), [])
            if node is not None and is_shaping(node) and node.input_tensors:
                tensor, reshaped = node.input_tensors[0], True
            elif node is None and len(origins) == 1:
                # Out of a nested model.
                tensor = origins[0]
            else:
                return node, reshaped

    def inputs_of(self, layer: Any, call: int) -> list[Any]:
        """The tensors that a layer's call takes; empty where the graph knows no such call."""
        nodes = [node for node in self._makers.get(id(layer), []) if node.operation is layer]
        return list(nodes[call].input_tensors) if call < len(nodes) else []

    def calls_before(self, layer: Any, call: int, wanted: set[int]) -> list[tuple[Any, int]]:
        """The last calls of wanted layers on the paths to a layer's call: layer and number.

        Args:
            layer: The layer.
            call: Which of its calls.
            wanted: By `id` the layers where a path ends.
        """

        def before(tensor: Any) -> list[Any]:
            node = self._maker_of.get(id(tensor))
            ends = node is not None and id(node.operation) in wanted
            taken = [] if node is None or ends else node.input_tensors
            return [*self._origins.get(id(tensor), []), *taken]

        walked = list(_walked(self.inputs_of(layer, call), before))
        nodes = [self._maker_of.get(id(tensor)) for tensor in walked]
        found = {id(node): node for node in nodes if node and id(node.operation) in wanted}
        return [
            (node.operation, self._makers[id(node.operation)].index(node))
            for node in found.values()
        ]

    def _given_by(self, layer: Any) -> list[Any]:
        """The tensors that the calls of a layer give."""
        return [tensor for node in self._makers.get(id(layer), []) for tensor in node.outputs]

    def _reaching(self, passes: Test) -> set[int]:
        """By `id`, the tensors from which calls that pass lead to an output of the model."""

        def before(tensor: Any) -> list[Any]:
            node = self._maker_of.get(id(tensor))
            taken = node.input_tensors if node is not None and passes(node) else []
            return [*self._origins.get(id(tensor), []), *taken]

        return {id(tensor) for tensor in _walked(self._outputs, before)}

    def _all(self, layer: Any, goal: Test, passes: Test, *, ends: bool) -> bool | None:
        """Whether every way from a layer comes to a goal, or where asked to an output.

        Args:
            layer: The layer.
            goal: Which calls are where a way should come to.
            passes: Which calls a way may go through before.
            ends: Whether an output of the model is a goal too.
        """
        if not self._makers.get(id(layer)):
            return None

        def further(tensor: Any) -> list[Any]:
            return [node for node in self._takers.get(id(tensor), []) if not goal(node)]

        def behind(tensor: Any) -> list[Any]:
            made = [given for node in further(tensor) for given in node.outputs]
            return [*self._passed.get(id(tensor), []), *made]

        # A shared layer may lead back to itself: that way proves nothing, and is walked once.
        for tensor in _walked(self._given_by(layer), behind):
            is_end = id(tensor) in self._ends
            goes_on = id(tensor) in self._takers or id(tensor) in self._passed
            if (is_end and not ends) or not (goes_on or is_end):
                return False
            if not all(passes(node) for node in further(tensor)):
                return False
        return True

    def _reached(self, layer: Any, passes: Test) -> list[Any]:
        """The first calls behind a layer, and those behind calls that are passed."""
        return self._behind(self._given_by(layer), passes)

    def _behind(self, tensors: list[Any], passes: Test) -> list[Any]:
        def behind(tensor: Any) -> list[Any]:
            passed = [node for node in self._takers.get(id(tensor), []) if passes(node)]
            made = [given for node in passed for given in node.outputs]
            return [*self._passed.get(id(tensor), []), *made]

        walked = _walked(tensors, behind)
        return [node for tensor in walked for node in self._takers.get(id(tensor), [])]


def _walked(tensors: list[Any], onward: Callable[[Any], list[Any]]) -> Iterator[Any]:
    """These tensors and all that they lead to, each once."""
    waiting, seen = list(tensors), set()
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        yield tensor
        waiting += onward(tensor)
