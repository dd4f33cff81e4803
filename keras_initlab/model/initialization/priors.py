"""Biases of the outputs that predict the base rates of the labels."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_initlab.initializers import PriorBias
from keras_initlab.model.graph import Graph
from keras_initlab.model.sites import sites_of

__all__ = ["prior_biases"]


def prior_biases(model: Any, labels: Any) -> dict[int, PriorBias]:
    """By `id` of its layer, the bias of each output whose labels tell one.

    Args:
        model: A built Keras model.
        labels: As `fit` takes them, `None` for none.
    """
    if labels is None:
        return {}
    found = {}
    layers = _output_layers(model)
    for name, layer in layers.items():
        part = _of_output(labels, name, list(layers).index(name))
        loss = _of_output(getattr(model, "loss", None), name, list(layers).index(name))
        kind = _kind_of(layer, loss)
        bias = None if part is None or kind is None else _bias(np.asarray(part), kind, layer)
        if bias is not None:
            found[id(layer)] = bias
    return found


def _output_layers(model: Any) -> dict[str, Any]:
    """The layer with weights that makes each output, by the name of the output."""
    sites = [site for site in sites_of(model) if site.is_output and site.role == "kernel"]
    names = list(getattr(model, "output_names", None) or [""])
    if len(names) == 1:
        return {names[0]: sites[-1].layer} if sites else {}
    graph = Graph(model)
    tensors = keras.tree.flatten(model.outputs)
    return {
        name: site.layer
        for name, tensor in zip(names, tensors, strict=False)
        for site in sites
        if graph.leads_to(site.layer, tensor)
    }


def _of_output(parts: Any, name: str, place: int) -> Any:
    """What belongs to one output, of labels or losses that may be nested."""
    if isinstance(parts, Mapping):
        return parts.get(name)
    if isinstance(parts, (list, tuple)):
        return parts[place] if place < len(parts) else None
    return parts


def _kind_of(layer: Any, loss: Any) -> str | None:
    """What the output says: a probability, one of several classes, or a number."""
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    name = str(getattr(loss, "name", getattr(loss, "__name__", loss))).lower()
    if activation == "sigmoid" or "binary" in name:
        return "binary"
    if activation == "softmax" or "categorical" in name:
        return "multiclass"
    squared = any(word in name for word in ("squared", "mse", "absolute", "mae", "huber"))
    return "regression" if activation in ("", "linear") and squared else None


def _bias(labels: np.ndarray, kind: str, layer: Any) -> PriorBias | None:
    """The bias, `None` where labels and output do not go together."""
    units = layer.bias.shape[0] if getattr(layer, "bias", None) is not None else 0
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if kind == "multiclass" and labels.ndim == 1:
        labels = np.eye(units)[labels.astype(int)]
    if not units or labels.ndim != (1 if units == 1 else 2):
        return None
    return PriorBias.from_labels(labels, kind=kind, smoothing=0.0 if kind == "regression" else 1.0)
