"""The lookup whose ids reach a table, where a model's graph leaves no doubt."""

from dataclasses import dataclass
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.anatomy.wiring import Wiring, layers_in
from keras_initlab.tables.carrying.vocabularies import (
    Vocabulary,
    count_of,
    is_lookup,
    vocabulary_of,
)

__all__ = ["Ids", "Lookups", "Shifted"]

# What leaves every id as it is. A sum of a lookup and a number, as in one table for several
# fields, does not.
_PASSING = {
    *("BroadcastTo", "Cast", "Concatenate", "Copy", "ExpandDims", "Flatten", "GetItem", "Identity"),
    *("Permute", "Ravel", "RepeatVector", "Reshape", "Squeeze", "Stack", "Transpose"),
}


@dataclass(frozen=True)
class Ids:
    """Where the ids of a table come from.

    Args:
        vocabulary: That of the lookups among the sources, which all have the same; `None` where
            it is not certain.
        doubt: Why the rows' tokens are not certain; empty where they are.
    """

    vocabulary: Vocabulary | None
    doubt: str


@dataclass(frozen=True)
class Shifted:
    """A lookup whose ids reach a table with a number added to them.

    Args:
        lookup: The layer.
        by: The number.
        tokens: How many ids it gives, from 0 on.
    """

    lookup: Any
    by: int
    tokens: int


class Lookups(Wiring):
    """The ways of ids to the tables of a model.

    Args:
        model: A Keras model.
    """

    def __init__(self, model: Any):
        super().__init__(model)
        self._has_graph = _backend.graph_nodes(model) is not None
        self._read: dict[int, Vocabulary] = {}
        #: All lookups that the model holds, by name.
        self.all = {layer.name: layer for layer in layers_in(model) if is_lookup(layer)}

    def ids_of(self, table: Any) -> Ids:
        """Where the ids that a table is read with come from."""
        calls = self._makers.get(id(table), [])
        if not self._has_graph:
            return Ids(None, "the model has no graph: its `call` is code")
        if not calls:
            return Ids(None, "it is read inside another layer, whose `call` is code")
        sources = self._sources(calls)
        lookups = tuple(source for source, by in sources if is_lookup(source) and by == 0)
        others = [
            _told(source) if by == 0 else f"{by:+d} is added to the ids of {_name_of(source)!r}"
            for source, by in sources
            if by or not is_lookup(source)
        ]
        if others:
            return Ids(None, " and ".join(sorted(set(others))))
        if not lookups:
            return Ids(None, "nothing in the graph leads to it")
        first, *more = [self._vocabulary_of(layer) for layer in lookups]
        unequal = [other.source for other in more if not first.is_same(other)]
        if unequal:
            doubt = f"{first.source} and {unequal[0]} read it, and their vocabularies differ"
            return Ids(None, doubt)
        return Ids(first, "")

    def shifted(self, table: Any) -> list[Shifted]:
        """The lookups with a vocabulary whose ids reach a table, as they are or shifted."""
        sources = self._sources(self._makers.get(id(table), []))
        return [Shifted(one, by, count_of(one)) for one, by in sources if is_lookup(one)]

    def _vocabulary_of(self, lookup: Any) -> Vocabulary:
        """Read once: a vocabulary of a million tokens takes a second."""
        if id(lookup) not in self._read:
            self._read[id(lookup)] = vocabulary_of(lookup, "vocabularies")
        return self._read[id(lookup)]

    def _sources(self, calls: list[Any]) -> list[tuple[Any, int]]:
        """The operations at the beginning of all ways to some calls, and what is added behind."""
        waiting = [(tensor, 0) for node in calls for tensor in node.input_tensors]
        seen: set[tuple[int, int]] = set()
        found: dict[tuple[int, int], tuple[Any, int]] = {}
        while waiting:
            tensor, by = waiting.pop()
            if (id(tensor), by) in seen:
                continue
            seen.add((id(tensor), by))
            outside = self._origins.get(id(tensor), [])
            node = self._maker_of.get(id(tensor))
            shift = None if node is None else _shift_of(node)
            if outside:
                waiting += [(other, by) for other in outside]
            elif node is not None and shift is not None:
                waiting += [(other, by + shift) for other in node.input_tensors]
            else:
                operation = None if node is None else node.operation
                found[id(operation), by] = (operation, by)
        return list(found.values())


def _shift_of(node: Any) -> int | None:
    """What a call adds to every id; `None` where it makes other ids."""
    return 0 if _is_passing(node.operation) else _backend.shift_of(node)


def _is_passing(operation: Any) -> bool:
    cls = type(operation)
    return cls.__module__.startswith("keras.") and cls.__name__ in _PASSING


def _name_of(operation: Any) -> str:
    return str(getattr(operation, "name", "input"))


def _told(operation: Any) -> str:
    name = _name_of(operation)
    if operation is None or isinstance(operation, keras.layers.InputLayer):
        return f"the ids are those of the input {name!r}, as they come"
    if hasattr(operation, "get_vocabulary"):
        return f"the lookup {name!r} does not make one integer from a token"
    return f"the ids are computed by {name!r} ({type(operation).__name__})"
