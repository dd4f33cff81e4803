"""Covers layers, optimizers and the training step, and collects what the probes measure."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.monitor.probe import Probe
from keras_initlab.signal.calls import Call
from keras_initlab.signal.guard import Guard
from keras_initlab.signal.hooks import Cover
from keras_initlab.signal.parameters import Weight, part_of
from keras_initlab.signal.recording import Around, Now, Recording

__all__ = ["Recorder"]


class _Step(Now):
    """What was collected of the step that runs in a thread.

    Attributes:
        weights: The weights that the optimizers update, with the probe that wants them.
        reduced: By key of the variable, its gradient summed over replicas.
        optimizing: Whether an optimizer's update is running.
        past: On JAX the calls of the forward pass, once it is over.
    """

    def __init__(self) -> None:
        self.weights: list[tuple[Probe, Weight]] = []
        self.reduced: dict[int, Any] = {}
        self.optimizing = False
        self.past: list[Call] | None = None


class Recorder(Recording):
    """Collects the calls of layers and the weights of one training step, for all probes at once.

    It collects only inside a covered `train_step`, in the thread that runs it. Elsewhere the covers
    call the original methods and do nothing else.

    Args:
        model: The model.
        probes: The open probes, a list that the session changes.
        guard: Keeps errors of the covers away from the training; `None` lets them pass.
    """

    def __init__(self, model: Any, probes: list[Probe], guard: Guard | None = None):
        super().__init__(guard)
        self._now = _Step()
        self._model = model
        self._probes = probes

    def covers(self, layers: list[Any]) -> Iterator[Cover]:
        """The methods to cover, and their covers; the session covers `train_step` itself."""
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
        """The cover of the model's `train_step`."""
        functional = _backend.is_functional_step()
        return self._observed(self._functional_step if functional else self._step)

    def _wants_before(self, layer: Any) -> bool:
        if super()._wants_before(layer):
            return True
        flats = [probe.rows.flat_of(layer) for probe in self._probes]
        return any(flat is not None and flat.of == "input" for flat in flats)

    # --- covers of a stateful step -------------------------------------------------------------

    def _step(self, *args: Any, **kwargs: Any) -> Around:
        looking = [probe for probe in self._probes if _is_looking(probe)]
        # The rows looked up in tables are noted at every step.
        collects = looking or any(probe.touched.states for probe in self._probes)
        self._now.calls, self._now.weights = [] if collects else None, []
        self._now.reduced = {}
        known = _backend.variables_in_trace(self._model)
        try:
            yield
            calls, weights = self._now.calls or [], self._now.weights
        finally:
            self._now.calls = None
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
            # The observer exhausts an iterator, so it gets a list.
            return cover(original, list(grads), *args, **kwargs)

        return apply

    def _apply(self, optimizer: Any, grads: list[Any], trainable_variables: Any = None) -> Around:
        if self._watching() is None:
            yield
            return
        variables = trainable_variables
        variables = list(optimizer._trainable_variables if variables is None else variables)
        found = self._weights_of(variables, grads)
        for probe, weights in found:
            with probe.guard:
                probe.parts_before(weights)
        self._now.optimizing = True
        try:
            yield
        finally:
            self._now.optimizing = False
        scale = _backend.loss_scale_of(optimizer)
        for probe, weights in found:
            for weight in weights:
                weight.gradient, weight.scale = self._global_gradient(weight, scale)
            self._now.weights += [(probe, weight) for weight in weights]

    def _global_gradient(self, weight: Weight, scale: Any) -> tuple[Any, Any]:
        """The gradient summed over replicas, where the optimizer has summed it."""
        reduced = self._now.reduced.get(_key_of(weight.variable))
        reduced = None if reduced is None else _backend.reachable_gradient(reduced)
        return (weight.gradient, scale) if reduced is None else (reduced, 1.0)

    def _reduced(self, grads_and_vars: Any) -> Around:
        reduced = yield
        if self._now.optimizing and _backend.is_replicated(self._model):
            self._now.reduced.update({_key_of(v): g for g, v in reduced if g is not None})

    def _weights_of(self, variables: list[Any], grads: list[Any]) -> list[tuple[Probe, list]]:
        found = []
        gradient_of = {id(variable): grad for variable, grad in zip(variables, grads, strict=True)}
        for probe in self._probes:
            weights: list[Weight] = []
            with probe.guard:
                if probe.settings.watches_weights and _is_looking(probe):
                    weights = probe.rows.weights_in(variables, gradient_of, self._now.calls or [])
            found.append((probe, weights))
        return found

    # --- covers of a functional step -----------------------------------------------------------

    def _model_call(self, *args: Any, **kwargs: Any) -> Around:
        yield
        calls = self._watching()
        if calls:
            self._now.calls, self._now.past = None, calls
            for probe in self._probes:
                probe.finish_call(calls)

    def _remat_model(self, *args: Any, **kwargs: Any) -> Around:
        made = yield
        return functools.partial(self._observed(self._model_call), made)

    def _functional_step(self, state: Any, *args: Any, **kwargs: Any) -> Around:
        self._now.calls, self._now.weights, self._now.past = [], [], []
        before = list(state[1])
        try:
            logs, after = yield
        finally:
            self._now.calls = None
        variables = list(after[1])
        for probe in self._probes:
            weights = [weight for owner, weight in self._now.weights if owner is probe]
            probe.finish_state(variables, before, weights)
        return logs, (after[0], variables, *after[2:])

    def _stateless(
        self, optimizer: Any, optimizer_variables: Any, grads: Any, values: Any
    ) -> Around:
        outputs = yield
        if self._now.past is None:
            return
        scale = _backend.loss_scale_of(optimizer, optimizer_variables)
        variables = list(optimizer._trainable_variables)
        place = {id(variable): k for k, variable in enumerate(variables)}
        self._now.calls = self._now.past
        for probe, weights in self._weights_of(variables, list(grads)):
            most = probe.settings.max_elements
            with probe.guard:
                for weight in weights:
                    k = place[id(weight.variable)]
                    weight.scale = scale
                    weight.before = part_of(weight, values[k], most)
                    if "updates" in probe.settings.watch:
                        weight.after = part_of(weight, outputs[0][k], most)
            self._now.weights += [(probe, weight) for weight in weights]
        self._now.calls = None


def _is_looking(probe: Probe) -> bool:
    """Whether to collect for a probe; a compiled step decides inside the step."""
    return not probe.guard.ended and (not probe.eager or bool(probe.is_due()))


def _key_of(variable: Any) -> int:
    return id(variable.value if isinstance(variable, keras.Variable) else variable)
