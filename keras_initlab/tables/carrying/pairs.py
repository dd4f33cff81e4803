"""Which weight of one model is which of another."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.anatomy.wiring import layers_in

__all__ = ["Table", "Tables", "paired"]


@dataclass(frozen=True)
class Table:
    """A table of a model.

    Args:
        layer: The layer that reads it.
        variable: Its numbers `(rows, dimensions)`.
        name: The layer's name, or the weight's path where layers share a name.
    """

    layer: Any
    variable: Any
    name: str

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.variable.shape[0])


class Tables:
    """The tables of a model, by their weights.

    Args:
        model: A built Keras model.

    Raises:
        ValueError: If a table is quantized or has LoRA's matrices beside it.
    """

    def __init__(self, model: Any):
        layers = {id(layer): layer for layer in layers_in(model)}.values()
        tables = [layer for layer in layers if isinstance(layer, keras.layers.Embedding)]
        names = Counter(layer.name for layer in tables)
        self._tables: dict[int, Table] = {}
        for layer in tables:
            variable = _numbers_of(layer)
            name = layer.name if names[layer.name] == 1 else variable.path
            self._tables[id(variable)] = Table(layer, variable, name)
        self._all = {variable.path: variable for variable in model.weights}

    def of(self, variable: Any) -> Table | None:
        """The table that a weight is, or `None`."""
        return self._tables.get(id(variable))

    def named(self, key: str) -> Table | None:
        """A table by its layer's name, or a weight by its path or the end of it."""
        for table in self._tables.values():
            if key in (table.name, table.variable.path):
                return table
        found = [self._all[path] for path in self._all if f"/{path}".endswith(f"/{key}")]
        return Table(None, found[0], key) if len(found) == 1 else None

    def names(self) -> list[str]:
        """Names of all tables."""
        return [table.name for table in self._tables.values()]


def paired(old: Any, new: Any) -> list[tuple[Any, Any]]:
    """For each weight of the new model that of the old one, or `None`.

    Weights are matched by path. Where layers without a name of their own have other numbers in the
    two models, these layers are matched in order.

    Args:
        old: A built Keras model.
        new: Another.

    Returns:
        Pairs of a new weight and an old one.

    Raises:
        ValueError: If layers without a name of their own are not the same in order.
    """
    theirs, ours = _by_place(old), _by_place(new)
    if set(theirs) == set(ours):
        return [(variable, theirs[place]) for place, variable in ours.items()]
    automatic = [_automatic(model) for model in (old, new)]
    numbered = [
        [place for place in part if _is_automatic(place, names)]
        for part, names in zip((theirs, ours), automatic, strict=True)
    ]
    match = {place: place for place in set(ours) & set(theirs) if place not in numbered[1]}
    if all(numbered):
        match |= _in_order(numbered[0], numbered[1], old, new)
    # A numbered layer of the one can have the name that was given to one of the other.
    twice = {place for place, times in Counter(match.values()).items() if times > 1}
    match = {
        place: other for place, other in match.items() if other not in twice or place in numbered[1]
    }
    return [(variable, theirs.get(match.get(place, ""))) for place, variable in ours.items()]


def _by_place(model: Any) -> dict[str, Any]:
    """The weights by their paths inside the model; where several share one, in order."""
    counts: Counter[str] = Counter()
    found = {}
    for variable in model.weights:
        place = variable.path.removeprefix(f"{model.name}/")
        counts[place] += 1
        found[place if counts[place] == 1 else f"{place} {counts[place]}"] = variable
    return found


def _automatic(model: Any) -> set[str]:
    """Names that Keras gave to layers inside a model."""
    return {
        layer.name
        for layer in layers_in(model)
        if re.fullmatch(rf"{re.escape(_backend.automatic_name(layer))}(_\d+)?", layer.name)
    }


def _is_automatic(place: str, names: set[str]) -> bool:
    return any(part in names for part in place.split("/"))


def _in_order(theirs: list[str], ours: list[str], old: Any, new: Any) -> dict[str, str]:
    plain = [[re.sub(r"_\d+(?=/|$)", "", place) for place in part] for part in (theirs, ours)]
    if plain[0] != plain[1]:
        only = sorted(set(plain[1]) ^ set(plain[0])) or plain[1]
        raise ValueError(
            "Weights are matched by their paths, and layers without a name of their own by their "
            f"order, which is not the same in {old.name!r} and {new.name!r}. Received: "
            f"{', '.join(only[:5])}. Try `name=` for these layers in both models."
        )
    return dict(zip(ours, theirs, strict=True))


def _numbers_of(layer: Any) -> Any:
    held = {variable.name: variable for variable in _backend.own_weights(layer)}
    if not layer.built or list(held) != ["embeddings"]:
        what = f"holds {', '.join(sorted(held))}" if layer.built else "is not built"
        raise ValueError(
            f"A table must be one weight, `embeddings`. Received: the layer {layer.name!r}, "
            f"which {what}. Try a built model, before `quantize` and `enable_lora`."
        )
    return held["embeddings"]
