"""Where branches end in additions, and what they may add."""

from functools import cached_property
from typing import Any

from keras_initlab.anatomy.operations import (
    is_adding,
    is_norm,
    is_product,
    is_scaling,
    is_sum,
    is_weightless,
)
from keras_initlab.anatomy.wiring import Wiring

__all__ = ["Branches"]


class Branches(Wiring):
    """The additions in the graph of a model, and the branches that end in them.

    Args:
        model: A Keras model.
    """

    def is_added(self, layer: Any) -> bool | None:
        """Whether the layer, scaled or normed, ends a branch."""
        if not self._makers.get(id(layer)):
            return None
        reached = self._reached(layer, lambda node: is_scaling(node) or is_norm(node))
        return any(is_adding(node) for node in reached)

    def branch_share(self, layer: Any) -> float | None:
        """The share of the variance that a branch ending in this layer may add, or `None`.

        A branch ends where its last tensor goes into an addition and nowhere else. Beside a tensor
        that goes elsewhere too, the trunk, it gets `1 / (additions + 1)`, so that all branches
        together grow the trunk at most `e` times; several branches alone share 1. A sum that is
        normalized at once, as in the first transformers, is the only addition of its trunk.
        """
        shares = [self._share_of(tensor) for tensor in self._given_by(layer)]
        known = [share for share in shares if share is not None]
        return min(known, default=None)

    def _share_of(self, tensor: Any) -> float | None:
        end = self._end_of_branch(tensor)
        if end is None:
            return None
        others = [self._comes_from_branch(added) for added in end.input_tensors]
        if all(others):
            return 1 / len(others)
        behind = self._takers.get(id(end.outputs[0]), [])
        return 1 / (1 + (1 if behind and all(map(is_norm, behind)) else self.sums))

    def _end_of_branch(self, tensor: Any) -> Any:
        """The addition that a tensor goes into and nowhere else, scaled or not."""
        takers = self._takers.get(id(tensor), [])
        passed = self._passed.get(id(tensor), [])
        if len(takers) + len(passed) != 1 or id(tensor) in self._ends:
            return None
        if passed:
            return self._end_of_branch(passed[0])
        if is_sum(takers[0]):
            return takers[0]
        passes = is_scaling(takers[0]) or self._is_crossing(takers[0], tensor)
        return self._end_of_branch(takers[0].outputs[0]) if passes else None

    def _is_crossing(self, node: Any, tensor: Any) -> bool:
        """Whether a tensor is multiplied by tensors of a trunk, which go elsewhere too."""
        others = [beside for beside in node.input_tensors if beside is not tensor]
        return is_product(node) and all(len(self._takers[id(beside)]) > 1 for beside in others)

    def _comes_from_branch(self, tensor: Any) -> bool:
        """Whether a tensor that is added comes from a layer with weights and goes nowhere else."""
        while len(self._takers.get(id(tensor), [])) == 1:
            maker = self._maker_of.get(id(tensor))
            if maker is None or is_sum(maker) or not maker.input_tensors:
                return False
            if not is_weightless(maker):
                return True
            tensor = maker.input_tensors[0]
        return False

    @cached_property
    def sums(self) -> int:
        """Additions in the graph."""
        nodes = {id(node): node for takers in self._takers.values() for node in takers}
        return sum(is_sum(node) for node in nodes.values())
