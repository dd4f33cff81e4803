"""Covers of layers, optimizers and the training step: they collect what the probes measure."""

import functools
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.monitor.step.calls import Call, activation_recorded, first_float
from keras_initlab.monitor.step.guard import Guard
from keras_initlab.monitor.step.hooks import Cover, Hooks, Observer, observed
from keras_initlab.monitor.step.parameters import Weight, part_of
from keras_initlab.monitor.step.probe import Probe

__all__ = ["Recorder"]

# Runs around a call of the user's: see `observed`.
_Around = Generator[None, Any, Any]


class Recorder:
    """Collects the calls of layers and the weights of one training step, for all probes at once.

    Only inside a covered `train_step`, in the thread that runs it, anything is collected; else the
    covers pass on.

    Args:
        model: The model.
        probes: The open probes, a list that the session changes.
        guard: Keeps errors of the covers away from the training; `None` lets them pass.
    """

    def __init__(self, model: Any, probes: list[Probe], guard: Guard | None = None):
        self._model = model
        self._probes = probes
        self.guard = guard
        self._local = threading.local()

    def _observed(self, observer: Observer, *bound: Any) -> Callable:
        return observed(functools.partial(observer, *bound), self.guard)

    def covers(self, layers: list[Any]) -> Iterator[Cover]:
        """What to cover, and with what; the session covers the model's `train_step` itself."""
        yield from self._layer_covers(layers)
        if _backend.is_functional_step():
            if _backend.remat_mode(self._model):
                yield self._model, "rematerialized_call", self._observed(self._remat_model)
            else:
                yield self._model, "call", self._observed(self._model_call)
        for optimizer in _backend.optimizers_of(self._model):
            if _backend.is_functional_step():
                yield optimizer, "stateless_apply", self._observed(self._stateless, optimizer)
            else:
                yield optimizer, "apply", self._apply_cover(optimizer)
                yield optimizer, "_all_reduce_sum_gradients", self._observed(self._reduced)

    def step_cover(self) -> Callable:
        """What to cover the model's `train_step` with."""
        functional = _backend.is_functional_step()
        return self._observed(self._functional_step if functional else self._step)

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
            tap: Makes of a layer and its outputs those that go on in their place.
            before: Whether to note what enters the activation of every layer.
        """
        calls: list[Call] = []
        hooks = Hooks()
        hooks.add(list(self._layer_covers(layers)))
        self._local.calls, self._local.tap, self._local.before = calls, tap, before
        try:
            yield calls
        finally:
            self._local.calls = self._local.tap = self._local.before = None
            hooks.remove()

    # --- covers of layers ----------------------------------------------------------------------

    def _watching(self) -> list[Call] | None:
        calls: list[Call] | None = getattr(self._local, "calls", None)
        if calls is None or _backend.in_symbolic_scope() or _backend.in_backward():
            return None
        return calls

    def _call(self, layer: Any, *args: Any, **kwargs: Any) -> _Around:
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
        tap = getattr(self._local, "tap", None)
        return outputs if tap is None else tap(layer, outputs)

    def _wants_before(self, layer: Any) -> bool:
        if getattr(self._local, "before", False):
            return True
        flats = [probe.rows.flat_of(layer) for probe in self._probes]
        return any(flat is not None and flat.of == "input" for flat in flats)

    def _remat(self, layer: Any, *args: Any, **kwargs: Any) -> _Around:
        made = yield
        return functools.partial(self._observed(self._remade, layer), made)

    def _remade(self, layer: Any, *args: Any, **kwargs: Any) -> _Around:
        outputs = yield
        calls = self._watching()
        if calls is not None:
            outputs = self._tapped(layer, outputs)
            calls.append(_call_of(layer, args, kwargs, outputs, []))
        return outputs

    # --- covers of a stateful step -------------------------------------------------------------

    def _step(self, *args: Any, **kwargs: Any) -> _Around:
        looking = [probe for probe in self._probes if _is_looking(probe)]
        # Rows looked up in tables are noted at every step.
        collects = looking or any(probe.touched.states for probe in self._probes)
        self._local.calls, self._local.weights = [] if collects else None, []
        self._local.reduced = {}
        known = _backend.variables_in_trace(self._model)
        try:
            yield
            calls, weights = self._local.calls or [], self._local.weights
        finally:
            self._local.calls = None
        if known != _backend.variables_in_trace(self._model):
            # TensorFlow throws this trace away and makes another one, without new variables.
            return
        for probe in self._probes:
            if probe in looking:
                probe.finish(calls, [weight for owner, weight in weights if owner is probe])
            else:
                probe.skip(calls)

    def _apply_cover(self, optimizer: Any) -> Callable:
        cover = self._observed(self._apply, optimizer)

        def apply(original: Callable, grads: Any, *args: Any, **kwargs: Any) -> Any:
            # Of an iterator the observer would leave nothing.
            return cover(original, list(grads), *args, **kwargs)

        return apply

    def _apply(self, optimizer: Any, grads: list[Any], trainable_variables: Any = None) -> _Around:
        if self._watching() is None:
            yield
            return
        variables = trainable_variables
        variables = list(optimizer._trainable_variables if variables is None else variables)
        found = self._weights_of(variables, grads)
        for probe, weights in found:
            with probe.guard:
                probe.parts_before(weights)
        self._local.optimizing = True
        try:
            yield
        finally:
            self._local.optimizing = False
        scale = _backend.loss_scale_of(optimizer)
        for probe, weights in found:
            for weight in weights:
                weight.gradient, weight.scale = self._global_gradient(weight, scale)
            self._local.weights += [(probe, weight) for weight in weights]

    def _global_gradient(self, weight: Weight, scale: Any) -> tuple[Any, Any]:
        """The gradient summed over replicas, where the optimizer has summed it."""
        reduced = self._local.reduced.get(_key_of(weight.variable))
        reduced = None if reduced is None else _backend.reachable_gradient(reduced)
        return (weight.gradient, scale) if reduced is None else (reduced, 1.0)

    def _reduced(self, grads_and_vars: Any) -> _Around:
        reduced = yield
        if getattr(self._local, "optimizing", False) and _backend.is_replicated(self._model):
            self._local.reduced.update({_key_of(v): g for g, v in reduced if g is not None})

    def _weights_of(self, variables: list[Any], grads: list[Any]) -> list[tuple[Probe, list]]:
        found = []
        gradient_of = {id(variable): grad for variable, grad in zip(variables, grads, strict=True)}
        for probe in self._probes:
            weights: list[Weight] = []
            with probe.guard:
                if probe.settings.watches_weights and _is_looking(probe):
                    weights = probe.rows.weights_in(variables, gradient_of, self._local.calls or [])
            found.append((probe, weights))
        return found

    # --- covers of a functional step -----------------------------------------------------------

    def _model_call(self, *args: Any, **kwargs: Any) -> _Around:
        yield
        calls = self._watching()
        if calls:
            self._local.calls, self._local.past = None, calls
            for probe in self._probes:
                probe.finish_call(calls)

    def _remat_model(self, *args: Any, **kwargs: Any) -> _Around:
        made = yield
        return functools.partial(self._observed(self._model_call), made)

    def _functional_step(self, state: Any, *args: Any, **kwargs: Any) -> _Around:
        self._local.calls, self._local.weights, self._local.past = [], [], []
        before = list(state[1])
        try:
            logs, after = yield
        finally:
            self._local.calls = None
        variables = list(after[1])
        for probe in self._probes:
            weights = [weight for owner, weight in self._local.weights if owner is probe]
            probe.finish_state(variables, before, weights)
        return logs, (after[0], variables, *after[2:])

    def _stateless(
        self, optimizer: Any, optimizer_variables: Any, grads: Any, values: Any
    ) -> _Around:
        outputs = yield
        if getattr(self._local, "past", None) is None:
            return
        scale = _backend.loss_scale_of(optimizer, optimizer_variables)
        variables = list(optimizer._trainable_variables)
        place = {id(variable): k for k, variable in enumerate(variables)}
        self._local.calls = self._local.past
        for probe, weights in self._weights_of(variables, list(grads)):
            most = probe.settings.max_elements
            with probe.guard:
                for weight in weights:
                    k = place[id(weight.variable)]
                    weight.scale = scale
                    weight.before = part_of(weight, values[k], most)
                    if "updates" in probe.settings.watch:
                        weight.after = part_of(weight, outputs[0][k], most)
            self._local.weights += [(probe, weight) for weight in weights]
        self._local.calls = None


def _call_of(layer: Any, args: tuple, kwargs: dict, outputs: Any, before: list[Any]) -> Call:
    first = args[0] if args else next(iter(kwargs.values()), None)
    inputs = [each for each in _backend.flat_tensors(first) if each is not None]
    return Call(layer, inputs, first_float(outputs), before[0] if before else None)


def _is_looking(probe: Probe) -> bool:
    """Whether to collect for a probe: a compiled step decides for itself, in the step."""
    return not probe.guard.ended and (not probe.eager or bool(probe.is_due()))


def _key_of(variable: Any) -> int:
    return id(variable.value if isinstance(variable, keras.Variable) else variable)
