"""Which layers carry signal worth watching, and what is known about them before they are called."""

import fnmatch
import re
from collections.abc import Callable
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab._wire import LayerInfo
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.ledger import scheme_noted
from keras_initlab.anatomy.nonlinearity import Nonlinearity
from keras_initlab.anatomy.traits import traits_of
from keras_initlab.initializers.catalogue import label_of
from keras_initlab.theory import FlatRegions, flat_regions

__all__ = [
    "NothingToWatchError",
    "Selection",
    "checked_filter",
    "is_loop",
]

_NOWHERE = FlatRegions("output", ())

Filter = Callable[[Any], bool]


def is_loop(layer: Any) -> bool:
    """Whether a layer calls its sublayers inside a loop body, so that only the whole is watched."""
    return traits_of(layer).loops


def checked_filter(layers: Any) -> Filter | None:
    """The predicate that `layers=` means.

    Args:
        layers: A name or shell pattern, a compiled pattern that is searched for in names, a class
            of layers, a layer, a predicate, or a list of these; `None` for the default.

    Raises:
        TypeError: If it is none of these.
    """
    if layers is None:
        return None
    if isinstance(layers, (list, tuple, set)):
        parts = [checked_filter(part) for part in layers]
        return lambda layer: any(part(layer) for part in parts if part is not None)
    if isinstance(layers, str):
        return lambda layer: any(fnmatch.fnmatchcase(name, layers) for name in _names(layer))
    if isinstance(layers, re.Pattern):
        return lambda layer: any(layers.search(name) for name in _names(layer))
    if isinstance(layers, type):
        return lambda layer: isinstance(layer, layers)
    if isinstance(layers, keras.layers.Layer):
        return lambda layer: layer.name == layers.name
    if callable(layers):
        return layers
    raise TypeError(
        "`layers` chooses layers by name, pattern, class or predicate, or by a list of these. "
        f"Received: layers={layers!r}."
    )


def _names(layer: Any) -> set[str]:
    return {layer.name, layer.path or layer.name}


class NothingToWatchError(ValueError):
    """A model has no layers that carry signal, or none of those that were asked for."""


class Selection:
    """The layers of one model: those that are covered, and among them those that are watched.

    Args:
        anatomy: The anatomy of a Keras model.
        chosen: Decides whether to watch a layer; `None` for those that carry signal.
        may_be_empty: Whether the model may have no layers yet.

    Raises:
        NothingToWatchError: If no layer is left to watch.
    """

    def __init__(
        self, anatomy: Anatomy, chosen: Filter | None = None, *, may_be_empty: bool = False
    ):
        self.anatomy, model = anatomy, anatomy.model
        self._chosen = chosen
        self.covered: list[Any] = []
        self.watched: list[Any] = []
        for layer in _backend.own_sublayers(model):
            self._collect(layer)
        self.covered = list(dict.fromkeys(self.covered))
        self.watched = list(dict.fromkeys(self.watched))
        if not self.watched and not may_be_empty:
            raise NothingToWatchError(_nothing_to_watch(model, chosen))
        self.names = _unique_names(self.watched)
        self.flats = {id(layer): self._flat_regions_of(layer) for layer in self.covered}
        self.loops = [self.names[layer] for layer in self.watched if is_loop(layer)]
        self._watched_ids = {id(layer) for layer in self.watched}
        self._outputs: dict[int, bool] = {}
        self._unbuilt = _backend.unbuilt_layers(model)

    def is_output(self, layer: Any) -> bool:
        """Whether nothing with weights stands between the layer and an output of the model."""
        if id(layer) not in self._outputs:
            self._outputs[id(layer)] = bool(self.anatomy.graph.is_output(layer))
        return self._outputs[id(layer)]

    def is_like(self, other: "Selection") -> bool:
        """Whether both choose the same layers of the same model, with the same weights."""
        both = zip((self.covered, self.watched), (other.covered, other.watched), strict=True)
        same = all([*map(id, one)] == [*map(id, two)] for one, two in both)
        return same and self._unbuilt == other._unbuilt

    def watches(self, layer: Any) -> bool:
        """Whether this layer is watched."""
        return id(layer) in self._watched_ids

    def info(self, layer: Any, suffix: str, depth: int, units: int | None = None) -> LayerInfo:
        """The row of a record for a layer's call, or for its weight."""
        return LayerInfo(
            name=self.names[layer] + suffix,
            kind=type(layer).__name__,
            activation=self.nonlinearity(layer).name,
            depth=depth,
            scheme=_scheme_name(layer),
            dtype=layer.compute_dtype or "",
            is_output=self.is_output(layer),
            units=units or 0,
        )

    def nonlinearity(self, layer: Any) -> Nonlinearity:
        """The activation that a layer has, or is."""
        return self.anatomy.nonlinearities.of(layer)

    def _flat_regions_of(self, layer: Any) -> FlatRegions | None:
        """Where a layer's activation is flat; `None` where that cannot be told, as of softmax."""
        if is_loop(layer):
            return _NOWHERE
        curve = self.nonlinearity(layer).curve
        return None if curve is None else flat_regions(curve)

    def _collect(self, layer: Any) -> None:
        hidden = is_loop(layer) or _backend.remat_mode(layer)
        inside = [] if hidden else _backend.own_sublayers(layer)
        self.covered.append(layer)
        if self._wants(layer, bool(inside)):
            self.watched.append(layer)
        for child in inside:
            self._collect(child)

    def _wants(self, layer: Any, has_children: bool) -> bool:
        if self._chosen is not None:
            return bool(self._chosen(layer))
        silent = traits_of(layer).silent or isinstance(layer, keras.Model)
        return not silent and (not has_children or _backend.owns_weights(layer))


def _nothing_to_watch(model: Any, chosen: Filter | None) -> str:
    if chosen is not None:
        return (
            "`layers` matches no layer of the model. "
            f"Received: model={model.name!r} with layers {[layer.name for layer in model.layers]}."
        )
    return (
        "The model has no layers to watch yet. "
        f"Received: model={model.name!r}, built={model.built}. "
        "Try `model.build(input_shape)` or call the model on a batch before `fit`."
    )


def _unique_names(layers: list[Any]) -> dict[Any, str]:
    """A name for each layer: its own, or its path where names repeat, numbered if that repeats."""
    names = [layer.name for layer in layers]
    unique: dict[Any, str] = {}
    for layer in layers:
        name = layer.name if names.count(layer.name) == 1 else layer.path or layer.name
        taken = sum(other == name or other.startswith(f"{name}@") for other in unique.values())
        unique[layer] = f"{name}@{taken + 1}" if taken else name
    return unique


def _scheme_name(layer: Any) -> str:
    since = scheme_noted(layer)
    if since:
        return since
    for name in ("kernel_initializer", "embeddings_initializer", "depthwise_initializer"):
        initializer = getattr(layer, name, None)
        if initializer is not None:
            return label_of(initializer)
    return ""
