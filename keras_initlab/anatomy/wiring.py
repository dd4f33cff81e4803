"""Which call gives which tensor to which call, in a model and in the models inside it."""

from collections.abc import Iterator
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.anatomy.operations import Test

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
        self._known: set[int] = set()
        if _backend.graph_nodes(model) is not None:
            self._add(model)
            self._ends = {id(tensor) for tensor in model.outputs}
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

    def _all(self, layer: Any, goal: Test, passes: Test, *, ends: bool) -> bool | None:
        makers = self._makers.get(id(layer))
        if not makers:
            return None
        seen: set[int] = set()
        return all(
            self._leads(tensor, goal, passes, ends, seen)
            for node in makers
            for tensor in node.outputs
        )

    def _leads(self, tensor: Any, goal: Test, passes: Test, ends: bool, seen: set[int]) -> bool:
        # A shared layer may lead back to itself: that way proves nothing.
        if id(tensor) in seen:
            return True
        seen.add(id(tensor))
        takers, passed = self._takers.get(id(tensor), []), self._passed.get(id(tensor), [])
        if id(tensor) in self._ends and not ends:
            return False
        if not takers and not passed:
            return ends and id(tensor) in self._ends
        return all(self._leads(inner, goal, passes, ends, seen) for inner in passed) and all(
            goal(node)
            or (
                passes(node)
                and all(self._leads(made, goal, passes, ends, seen) for made in node.outputs)
            )
            for node in takers
        )

    def _reached(self, layer: Any, passes: Test) -> list[Any]:
        """The first calls behind a layer, and those behind calls that are passed."""
        made = [tensor for node in self._makers.get(id(layer), []) for tensor in node.outputs]
        return self._behind(made, passes)

    def _behind(self, tensors: list[Any], passes: Test) -> list[Any]:
        waiting = list(tensors)
        seen, found = set(), []
        while waiting:
            tensor = waiting.pop()
            if id(tensor) in seen:
                continue
            seen.add(id(tensor))
            waiting += self._passed.get(id(tensor), [])
            for node in self._takers.get(id(tensor), []):
                found.append(node)
                waiting += node.outputs if passes(node) else []
        return found
