"""The outcome of training: the metrics of each epoch, and the choices that led to them."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab._tags import tag_of_metric
from keras_initlab._wire import LayerInfo
from keras_initlab._words import printable
from keras_initlab.signal.looks import Look

__all__ = ["Outcome", "Outcomes", "hparams_of", "metrics_of"]

# A run that mixes more schemes than these is named by its most frequent ones.
_MOST_SCHEMES = 3

_HPARAMS_MODULE = "tensorboard.plugins.hparams"


@dataclass(frozen=True)
class Outcome:
    """What is logged beside the snapshots, under one number of an epoch.

    Args:
        begin: The first training step of this `fit`.
        epoch: The epoch.
        metrics: Numbers by tag.
        hparams: The choices of this training, empty where they are not to be logged.
    """

    begin: int
    epoch: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    hparams: Mapping[str, str | float] = field(default_factory=dict)


def metrics_of(logs: Mapping[str, Any]) -> dict[str, float]:
    """Keras's numbers of an epoch by tag; vectors and words are left out.

    Example:
        >>> metrics_of({"loss": 0.5, "val_loss": 0.25, "note": "fine"})
        {'epoch_loss': 0.5, 'evaluation_loss': 0.25}
    """
    found = {}
    for name, value in logs.items():
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError):
            continue
        found[printable(tag_of_metric(name))] = number
    return found


def hparams_of(model: Any, layers: Sequence[LayerInfo]) -> dict[str, str | float]:
    """The choices of a training, as the HPARAMS dashboard shows them.

    Args:
        model: The compiled model, while its `fit` runs.
        layers: Its watched layers.
    """
    found: dict[str, str | float] = {}
    # Tables have schemes of their own.
    carrying = [layer for layer in layers if layer.kind != "Embedding"] or layers
    schemes = Counter(layer.scheme for layer in carrying if layer.scheme)
    if schemes:
        found["scheme"] = ", ".join(name for name, _ in schemes.most_common(_MOST_SCHEMES))
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        found["optimizer"] = type(optimizer).__name__
        found |= _rate_of(optimizer)
    size = _backend.batch_size_of_fit(model)
    if size:
        found["batch_size"] = float(size)
    return found


def _rate_of(optimizer: Any) -> dict[str, str | float]:
    """The learning rate, or the class of its schedule; nothing where it cannot be read."""
    try:
        rate = optimizer.get_config()["learning_rate"]
        if isinstance(rate, Mapping):
            return {"learning_rate": str(rate["class_name"])}
        # The digits of a float32: 0.001, not 0.0010000000474974513.
        return {"learning_rate": float(f"{float(rate):.6g}")}
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError):
        return {}


class Outcomes:
    """Passes the metrics and the choices of each `fit` on to a sink that takes them."""

    def __init__(self) -> None:
        self._begin: int | None = None
        self._metrics = self._hparams = False

    def begin(self, model: Any, log_dir: str | os.PathLike | None) -> None:
        """Start a `fit`: see who else logs there."""
        metrics, hparams = _written_by_others(model, log_dir)
        self._begin, self._metrics, self._hparams = None, not metrics, not hparams

    def choices(self, sink: Any, model: Any, look: Look) -> None:
        """With the first look of a `fit`, log its choices."""
        if self._begin is not None:
            return
        self._begin = look.step
        if self._hparams and hasattr(sink, "append_outcome"):
            hparams = hparams_of(model, look.layers)
            sink.append_outcome(Outcome(look.step, 0, hparams=hparams))

    def note(self, sink: Any, epoch: int, logs: Mapping[str, Any]) -> None:
        """Log the metrics of an epoch."""
        metrics = metrics_of(logs)
        if self._metrics and metrics and hasattr(sink, "append_outcome"):
            sink.append_outcome(Outcome(self._begin or 0, epoch, metrics))


def _written_by_others(model: Any, log_dir: str | os.PathLike | None) -> tuple[bool, bool]:
    """Whether other callbacks of the running `fit` log metrics there, and hyperparameters."""
    running = _backend.running_fit(model)
    others = [] if running is None else list(running.callbacks)
    metrics = any(
        isinstance(other, keras.callbacks.TensorBoard) and _is_same(other.log_dir, log_dir)
        for other in others
    )
    hparams = any(type(other).__module__.startswith(_HPARAMS_MODULE) for other in others)
    both = any(getattr(other, "logs_outcome", False) for other in others)
    return metrics or both, hparams or both


def _is_same(folder: Any, log_dir: str | os.PathLike | None) -> bool:
    if log_dir is None:
        return False
    return Path(os.fspath(folder)).resolve() == Path(log_dir).resolve()
