"""The way through a training step that changes variables in place: TensorFlow and torch."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from keras_initlab import _backend
from keras_initlab.monitor.recorder import Recorder, batch_of, is_looking
from keras_initlab.monitor.undo import Undo
from keras_initlab.monitor.updated import Updated
from keras_initlab.signal.hooks import Cover
from keras_initlab.signal.parameters import Weight
from keras_initlab.signal.recording import Around

__all__ = ["StatefulStep"]


class StatefulStep(Recorder):
    """Collects in a step whose optimizer changes the variables itself."""

    def _model_covers(self) -> Iterator[Cover]:
        yield self._model, "compute_loss", self._observed(self._loss)

    def _optimizer_covers(self, optimizer: Any) -> Iterator[Cover]:
        yield optimizer, "apply", self._apply_cover(optimizer)
        yield optimizer, "_all_reduce_sum_gradients", self._observed(self._reduced)

    def _loss(self, *args: Any, **kwargs: Any) -> Around:
        loss = yield
        if self._watching() is not None and _backend.reachable(loss) is not None:
            self._now.losses.append(loss)

    def _step(self, *args: Any, **kwargs: Any) -> Around:
        looking = [probe for probe in self._probes if is_looking(probe)]
        self._now.calls, self._now.weights = [], []
        self._now.reduced, self._now.losses, self._now.updated = {}, [], Updated()
        self._now.data = batch_of(args[0]) if args else ((), (), ())
        known = _backend.variables_in_trace(self._model)
        undo = self._undo(args)
        try:
            logs = yield
            calls, weights = self._now.calls or [], self._now.weights
        finally:
            self._now.calls = None
        if known != _backend.variables_in_trace(self._model):
            # TensorFlow throws this trace away and makes another one, without new variables.
            return None
        now, bad = self._now, None
        if undo is not None:
            now.updated = undo.widened(now.updated)
            bad = undo.is_bad(now.losses, now.updated)
        undone = bad
        for probe in self._probes:
            probe.check(now.losses, now.updated, now.data, calls, bad)
            if probe.skips is not None:
                undone = ops.logical_or(undone, probe.skips.note(probe.now()[0], bad))
            if probe in looking:
                own = [weight for owner, weight in weights if owner is probe]
                probe.finish(calls, own, now.data)
            else:
                probe.skip(calls)
        return None if undo is None else undo.put_back(undone, logs)

    def _undo(self, args: tuple) -> Undo | None:
        """The state before this step, if a logger wants bad steps taken back."""
        if not any(probe.skips is not None for probe in self._probes):
            return None
        if _backend.step_is_eager(self._model) and args:
            _backend.build_for_step(self._model, args[0])
        return Undo(self._model)

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
        self._now.updated.variables += variables
        self._now.updated.gradients += grads
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


def _key_of(variable: Any) -> int:
    return id(variable.value if isinstance(variable, keras.Variable) else variable)
