"""Biases of the outputs that predict the base rates of the labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.sites import Site
from keras_initlab.initializers import PriorBias
from keras_initlab.initializers.arguments import TaskKind

__all__ = ["Prior", "priors_of"]


@dataclass(frozen=True)
class Prior:
    """The bias of one output that its labels suggest.

    Args:
        layer: The last layer with a bias before the output.
        bias: The bias that predicts the base rates, or the mean; `None` if there is none.
        spread: Standard deviation of labels that are numbers; 0 of rates.
    """

    layer: Any
    bias: PriorBias | None
    spread: float


def priors_of(anatomy: Anatomy, labels: Any) -> list[Prior]:
    """The bias of each output whose labels suggest one.

    It belongs to the last layer with a bias. Only an activation, a shape or a sum may stand between
    that layer and the output. A subclassed model has none, because its graph is unknown.

    Args:
        anatomy: Of a built Keras model.
        labels: As `fit` takes them, `None` for none.
    """
    model, found = anatomy.model, {}
    if labels is None or not getattr(model, "outputs", None):
        return []
    sites = [site for site in anatomy.sites if site.is_output and _has_bias(site)]
    tensors = keras.tree.flatten(model.outputs)
    # A `Sequential` has no such names.
    names = getattr(model, "output_names", None) or [""] * len(tensors)
    for place, (name, tensor) in enumerate(zip(names, tensors, strict=True)):
        shown = [site for site in sites if anatomy.graph.is_shown_by(site.layer, tensor)]
        own_labels = _entry_for(labels, name, place)
        if not shown or own_labels is None:
            continue
        layer, loss = shown[-1].layer, _entry_for(getattr(model, "loss", None), name, place)
        activation = _activation_of(shown[-1].activation, tensor)
        output = _Output(activation, loss, layer)
        bias = _bias(np.asarray(own_labels), output)
        numbers = np.asarray(own_labels, np.float64) if output.gives_numbers else np.zeros(1)
        if bias is not None or numbers.std():
            found[id(layer)] = Prior(layer, bias, float(numbers.std()))
    return list(found.values())


def _has_bias(site: Site) -> bool:
    return site.role == "kernel" and getattr(site.layer, "bias", None) is not None


def _activation_of(own: str, tensor: Any) -> str:
    """The layer's activation, or that of the call which makes the output."""
    last = getattr(getattr(tensor, "_keras_history", None), "operation", None)
    if own or last is None:
        return own
    function = getattr(getattr(last, "activation", None), "__name__", "")
    return function if function != "linear" else ""


def _entry_for(outputs: Any, name: str, place: int) -> Any:
    """The labels or the loss of one output, from a structure that may be nested."""
    if isinstance(outputs, Mapping):
        # Keras takes the keys in their order where they are not the names of the outputs.
        keys = sorted(outputs)
        return outputs.get(
            name, outputs[keys[place]] if name not in keys and place < len(keys) else None
        )
    if isinstance(outputs, (list, tuple)):
        return outputs[place] if place < len(outputs) else None
    return outputs


@dataclass(frozen=True)
class _Output:
    """One output: its activation, its loss and its layer."""

    activation: str
    loss: Any
    layer: Any

    @property
    def units(self) -> int:
        return int(self.layer.bias.shape[0])

    @property
    def loss_name(self) -> str:
        name = getattr(self.loss, "name", getattr(self.loss, "__name__", self.loss))
        return str(name).lower()

    @property
    def kind(self) -> TaskKind | None:
        """A probability, one of several classes, or a number; `None` if that is not known."""
        if self.activation == "sigmoid" or "binary" in self.loss_name:
            return "binary"
        if self.activation == "softmax" or "categorical" in self.loss_name:
            return "multiclass"
        return "regression" if self.activation in ("", "linear") and self.gives_numbers else None

    @property
    def gives_numbers(self) -> bool:
        """Whether it is held to numbers by their distance."""
        return self.activation in _UNBOUNDED and any(word in self.loss_name for word in _SQUARED)


_UNBOUNDED = ("", "linear", "relu", "softplus")

_SQUARED = ("squared", "mse", "absolute", "mae", "huber")


def _bias(labels: np.ndarray, output: _Output) -> PriorBias | None:
    """The bias; `None` where the labels do not fit the output."""
    units = output.units
    if output.kind == "multiclass" and (
        "sparse" in output.loss_name or labels.shape[-1:] != (units,)
    ):
        # Ids outside the classes are ignored, as `ignore_class` wants.
        ids = labels.reshape(-1)
        ids = ids[(ids >= 0) & (ids < units)].astype("int64")
        labels = np.eye(units)[ids]
    elif units > 1 and labels.shape[-1:] != (units,):
        return None
    labels = labels.reshape(-1, units)
    if output.kind is None or not len(labels):
        return None
    smoothing = 0.0 if output.kind == "regression" else 1.0
    labels = labels[:, 0] if units == 1 else labels
    try:
        return PriorBias.from_labels(labels, kind=output.kind, smoothing=smoothing)
    except ValueError:
        # Scores from -1 to 1, for example, have no rate.
        return None
