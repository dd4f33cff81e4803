"""Inputs and outputs of the calls of a model's layers, while something runs."""

import functools
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from keras_initlab import _backend
from keras_initlab.signal.calls import Call, activation_recorded, first_float
from keras_initlab.signal.guard import Guard
from keras_initlab.signal.hooks import Cover, Hooks, Observer, observed

__all__ = ["Around", "Now", "Recording"]

# Runs around a call of the user's: see `observed`.
Around = Generator[None, Any, Any]


class Now(threading.local):
    """What is being collected in a thread.

    Attributes:
        calls: The calls so far, `None` where none are collected.
        tap: Takes a layer and its outputs, and returns the outputs to use instead.
        before: Whether to note what enters the activation of every layer.
    """

    calls: list[Call] | None = None
    tap: Callable | None = None
    before: bool = False


class Recording:
    """Collects the calls of layers.

    Only in the thread and while it was asked to, anything is collected; else the covers pass on.

    Args:
        guard: Keeps errors of the covers away from what runs; `None` lets them pass.
    """

    def __init__(self, guard: Guard | None = None):
        self.guard = guard
        self._now = Now()

    def _observed(self, observer: Observer, *bound: Any) -> Callable:
        return observed(functools.partial(observer, *bound), self.guard)

    def _layer_covers(self, layers: list[Any]) -> Iterator[Cover]:
        for layer in layers:
            if _backend.remat_mode(layer):
                yield layer, "rematerialized_call", self._observed(self._remat, layer)
                continue
            for name in ("call", "quantized_call"):
                yield layer, name, self._observed(self._call, layer)

    @contextmanager
    def recording(
        self, layers: list[Any], tap: Callable | None = None, *, before: bool = False
    ) -> Iterator[list[Call]]:
        """Collect the calls of these layers while something other than a training step runs.

        Args:
            layers: The layers.
            tap: Takes a layer and its outputs, and returns the outputs to use instead.
            before: Whether to note what enters the activation of every layer.
        """
        calls: list[Call] = []
        hooks = Hooks()
        hooks.add(list(self._layer_covers(layers)))
        self._now.calls, self._now.tap, self._now.before = calls, tap, before
        try:
            yield calls
        finally:
            self._now.calls = self._now.tap = None
            self._now.before = False
            hooks.remove()

    # --- covers of layers ----------------------------------------------------------------------

    def _watching(self) -> list[Call] | None:
        calls = self._now.calls
        if calls is None or _backend.in_symbolic_scope() or _backend.in_backward():
            return None
        return calls

    def _call(self, layer: Any, *args: Any, **kwargs: Any) -> Around:
        calls = self._watching()
        if calls is None:
            yield
            return None
        with activation_recorded(layer, self._wants_before(layer)) as before:
            outputs = yield
        outputs = self._tapped(layer, outputs)
        calls.append(_call_of(layer, args, kwargs, outputs, before))
        return outputs

    def _tapped(self, layer: Any, outputs: Any) -> Any:
        tap = self._now.tap
        return outputs if tap is None else tap(layer, outputs)

    def _wants_before(self, layer: Any) -> bool:
        """Whether to note what enters a layer's activation."""
        return self._now.before

    def _remat(self, layer: Any, *args: Any, **kwargs: Any) -> Around:
        made = yield
        return functools.partial(self._observed(self._remade, layer), made)

    def _remade(self, layer: Any, *args: Any, **kwargs: Any) -> Around:
        outputs = yield
        calls = self._watching()
        if calls is not None:
            outputs = self._tapped(layer, outputs)
            calls.append(_call_of(layer, args, kwargs, outputs, []))
        return outputs


def _call_of(layer: Any, args: tuple, kwargs: dict, outputs: Any, before: list[Any]) -> Call:
    first = args[0] if args else next(iter(kwargs.values()), None)
    inputs = [tensor for tensor in _backend.flat_tensors(first) if tensor is not None]
    return Call(layer, inputs, first_float(outputs), before[0] if before else None)
