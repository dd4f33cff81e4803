"""Measuring inside the compiled training step, and leaving no trace of it."""

import functools
import threading
import time
import warnings
from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab._wire import LayerInfo
from keras_initlab.monitor.layers import info_of, names_of, watched_layers
from keras_initlab.monitor.looks import Look
from keras_initlab.monitor.schedule import EpochEnds, Every
from keras_initlab.monitor.statistics import COLUMNS, merged, moments_of, sample_of

__all__ = ["Watch"]

# A step number needs 31 bits and a float32 holds 24: it travels in two parts.
_RADIX = 1 << 16

# A custom training step may run the model twice.
_PASSES = 2


class Watch:
    """Taps on one model for one `fit`: `install`, then `read` after steps, then `remove`.

    Each watched layer's `call` and the model's `train_step` are covered on the instance. Outside a
    training step the covers only pass on. If `fit` raises, the next call of `make_train_function`
    (every `fit` and `train_on_batch` begins with one) removes everything.

    Args:
        model: A compiled model.
        schedule: When to look.
        first: Number of the first step.
        max_elements: Elements looked at per layer, `None` for all.
    """

    def __init__(
        self, model: Any, schedule: Every | EpochEnds, *, first: int, max_elements: int | None
    ):
        self.model = model
        self.installed = False
        self._schedule = schedule
        self._first = first
        self._max_elements = max_elements
        self._layers = watched_layers(model)
        self._names = names_of(self._layers)
        self._capacity = _PASSES * sum(_backend.call_count(layer) for layer in self._layers)
        self._infos: list[LayerInfo] = []
        self._local = threading.local()
        self._eager = _backend.step_is_eager(model)
        self._eager_step = first
        self._counter = _backend.StepState(model, np.array(first, np.int32))
        self._state = _backend.StepState(
            model, np.zeros((1 + self._capacity, len(COLUMNS)), np.float32)
        )

    def install(self) -> None:
        """Cover the methods and have the training step built anew."""
        self._counter.write(self._first)
        for state in (self._counter, self._state):
            state.attach()
        for layer in self._layers:
            _backend.add_session_hook(layer, "call", self._tapped(layer))
        if not _backend.looks_end_with_step(self.model):
            _backend.add_session_hook(self.model, "call", self._flushing(self.model.call))
        _backend.add_session_hook(self.model, "train_step", self._watched(self.model.train_step))
        _backend.add_session_hook(self.model, "make_train_function", self._make_train_function)
        self.installed = True
        self.model.make_train_function(force=True)

    def remove(self) -> None:
        """Uncover everything; the next `fit` builds its training step as if we had not been."""
        if not self.installed:
            return
        self.installed = False
        for layer in self._layers:
            _backend.remove_session_hook(layer, "call")
        for name in ("call", "train_step", "make_train_function"):
            _backend.remove_session_hook(self.model, name)
        for state in (self._counter, self._state):
            state.detach()
        self.model.train_function = None

    def read(self) -> Look | None:
        """The newest look, or `None` if there has been none."""
        parts = self._state.read()
        high, low, rows = (int(value) for value in parts[0][0, :3])
        if not rows:
            return None
        values = merged([part[1 : 1 + rows] for part in parts])
        return Look(high * _RADIX + low, time.time(), tuple(self._infos[:rows]), values)

    def steps_done(self) -> int:
        """Number of the next step, as the training step itself has counted."""
        return self._eager_step if self._eager else int(self._counter.read()[0])

    def _make_train_function(self, force: bool = False) -> Any:
        make = type(self.model).make_train_function
        if force:
            return make(self.model, force=True)
        # Only a new `fit` asks without force while we are installed: the last one has raised.
        self.remove()
        return make(self.model)

    def _tapped(self, layer: Any) -> Any:
        original = layer.call

        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            outputs = original(*args, **kwargs)
            taps = getattr(self._local, "taps", None)
            if taps is not None and not _backend.in_symbolic_scope():
                taps.append((layer, outputs))
            return outputs

        return call

    def _flushing(self, original: Any) -> Any:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            outputs = original(*args, **kwargs)
            if getattr(self._local, "taps", None) and not _backend.in_symbolic_scope():
                self._flush()
            return outputs

        return call

    def _watched(self, original: Any) -> Any:
        @functools.wraps(original)
        def train_step(*args: Any, **kwargs: Any) -> Any:
            if not self._eager or self._schedule.due(self._eager_step):
                self._local.taps = []
            try:
                outputs = original(*args, **kwargs)
                if getattr(self._local, "taps", None):
                    self._flush()
            finally:
                self._local.taps = None
            self._eager_step += 1
            return outputs

        return train_step

    def _flush(self) -> None:
        taps, self._local.taps = self._local.taps, None
        tensors = self._signals(taps)
        step = self._eager_step if self._eager else self._counter.state.value
        if self._eager:
            return self._state.state.assign(self._looked(step, tensors))
        state = ops.cond(
            self._schedule.due(step),
            lambda: self._looked(step, tensors),
            lambda: ops.convert_to_tensor(self._state.state.value),
        )
        self._state.state.assign(state)
        self._counter.state.assign(step + 1)

    def _signals(self, taps: list[tuple[Any, Any]]) -> list[Any]:
        calls: Counter = Counter()
        infos, tensors = [], []
        for layer, outputs in taps:
            tensor = _first_float(outputs)
            if tensor is None:
                continue
            calls[layer] += 1
            suffix = f"#{calls[layer]}" if calls[layer] > 1 else ""
            infos.append(info_of(layer, self._names[layer] + suffix, len(infos)))
            tensors.append(ops.stop_gradient(tensor))
        if len(tensors) > self._capacity:
            warnings.warn(
                f"Layers were called {len(tensors)} times in one step; the first {self._capacity} "
                f"calls are watched. Received: model={self.model.name!r}.",
                stacklevel=2,
            )
        self._infos = infos[: self._capacity]
        return tensors[: self._capacity]

    def _looked(self, step: Any, tensors: list[Any]) -> Any:
        rows = [moments_of(sample_of(tensor, self._max_elements)) for tensor in tensors]
        high, low = step // _RADIX, step % _RADIX
        header = [ops.cast(number, "float32") for number in (high, low, len(tensors))]
        header += [ops.zeros((), "float32")] * (len(COLUMNS) - len(header))
        empty = [ops.zeros((len(COLUMNS),), "float32")] * (self._capacity - len(tensors))
        return ops.stack([ops.stack(header), *rows, *empty])


def _first_float(outputs: Any) -> Any:
    for tensor in keras.tree.flatten(outputs):
        dtype = getattr(tensor, "dtype", None)
        if dtype is not None and keras.backend.is_float_dtype(
            keras.backend.standardize_dtype(dtype)
        ):
            return tensor if len(tensor.shape) > 0 else None
    return None
