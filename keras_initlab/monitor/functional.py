"""The way through a training step that takes the state and returns it: JAX."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from keras import ops

from keras_initlab import _backend
from keras_initlab.monitor.recorder import Recorder, batch_of
from keras_initlab.monitor.undo import chosen, is_broken
from keras_initlab.monitor.updated import Updated
from keras_initlab.signal.hooks import Cover
from keras_initlab.signal.parameters import part_of
from keras_initlab.signal.recording import Around

__all__ = ["FunctionalStep"]


class FunctionalStep(Recorder):
    """Collects in a step whose model and optimizer are functions of their state.

    Tensors of the forward pass belong to a trace of their own, so the probes write the rows of the
    calls at the end of the model's call, and those of the weights at the end of the step.
    """

    def _model_covers(self) -> Iterator[Cover]:
        if _backend.remat_mode(self._model):
            yield self._model, "rematerialized_call", self._observed(self._remat_model)
        else:
            yield self._model, "call", self._observed(self._model_call)
        yield self._model, "compute_loss_and_updates", self._observed(self._forward)

    def _optimizer_covers(self, optimizer: Any) -> Iterator[Cover]:
        yield optimizer, "stateless_apply", self._observed(self._stateless, optimizer)

    def step_cover(self) -> Callable:
        """The cover of the model's `train_step`."""
        cover, complete = super().step_cover(), self._observed(self._completing)

        def train_step(original: Callable, *args: Any, **kwargs: Any) -> Any:
            return cover(functools.partial(complete, original), *args, **kwargs)

        return train_step

    def _model_call(self, *args: Any, **kwargs: Any) -> Around:
        yield
        calls = self._watching()
        if calls:
            self._now.calls, self._now.past = None, calls
            for probe in self._probes:
                probe.finish_call(calls)

    def _forward(self, *args: Any, **kwargs: Any) -> Around:
        outputs = yield
        if self._now.past is None:
            return None
        data = [args[place] if len(args) > place else () for place in (3, 4, 5)]
        loss, (unscaled, predictions, variables, *rest) = outputs
        variables = list(variables)
        for probe in self._probes:
            probe.check_forward(variables, _backend.reachable(unscaled), data, self._now.past)
        return loss, (unscaled, predictions, variables, *rest)

    def _remat_model(self, *args: Any, **kwargs: Any) -> Around:
        made = yield
        return functools.partial(self._observed(self._model_call), made)

    def _step(self, state: Any, *args: Any, **kwargs: Any) -> Around:
        self._now.calls, self._now.weights, self._now.past = [], [], []
        self._now.updated = Updated(values=[])
        before, data = list(state[1]), batch_of(args[0]) if args else ((), (), ())
        start = [list(part) for part in state]
        try:
            logs, after = yield
        finally:
            self._now.calls = None
        variables, updated, bad = list(after[1]), self._now.updated, None
        if any(probe.skips is not None for probe in self._probes):
            updated, bad = self._judged(start, (after[0], variables, *after[2:]))
        undone = bad
        for probe in self._probes:
            weights = [weight for owner, weight in self._now.weights if owner is probe]
            if probe.skips is not None:
                step = before[probe.clock.place()][0]
                undone = ops.logical_or(undone, probe.skips.note_in(variables, step, bad))
            probe.finish_state(variables, before, weights, updated, data, bad)
        if bad is None:
            return logs, (after[0], variables, *after[2:])
        return self._put_back(undone, start, (after[0], variables, *after[2:]), logs)

    def _judged(self, before: Any, after: Any) -> tuple[Updated, Any]:
        """What the step did to the model, and whether it was finite."""
        optimizer = self._model.optimizer
        held = [
            self._model.trainable_variables,
            self._model.non_trainable_variables,
            optimizer.variables if optimizer is not None else [],
        ]
        flat = [
            (variable, old, new)
            for variables, was, now in zip(held, before, after, strict=False)
            for variable, old, new in zip(variables, was, now, strict=True)
            if _backend.is_float(new)
        ]
        ours = {id(state.state) for probe in self._probes for state in probe.states}
        flat = [triple for triple in flat if id(triple[0]) not in ours]
        variables, old, new = (list(column) for column in zip(*flat, strict=True))
        updated = self._now.updated.with_others(variables, new)
        values = {id(variable): value for variable, value in zip(variables, old, strict=True)}
        known = [values.get(id(variable)) for variable in updated.variables]
        skipping = [probe for probe in self._probes if probe.skips is not None]
        bad = is_broken([], known, updated)
        for probe in skipping:
            place = probe.nonfinite.held.place()
            bad = ops.logical_or(bad, probe.nonfinite.loss_was_wrong(after[1][place]))
        return updated, bad

    def _put_back(self, undone: Any, before: Any, after: Any, logs: Any) -> Any:
        """What the step returns: its own state, or the state before it."""
        ours = {state.place() for probe in self._probes for state in probe.states}
        none: set[int] = set()
        kept = [
            chosen(undone, was, list(now), ours if part == 1 else none)
            for part, (was, now) in enumerate(zip(before, after, strict=True))
        ]
        again = _backend.metric_logs(self._model, logs, kept[3])
        logs = logs if again is logs else _backend.when(undone, lambda: again, logs)
        return logs, tuple(kept)

    def _stateless(
        self, optimizer: Any, optimizer_variables: Any, grads: Any, values: Any
    ) -> Around:
        outputs = yield
        if self._now.past is None:
            return
        scale = _backend.loss_scale_of(optimizer, optimizer_variables)
        variables = list(optimizer._trainable_variables)
        now = self._now.updated
        self._now.updated = Updated(
            [*now.variables, *variables],
            [*now.gradients, *grads],
            [*now.parts(), *outputs[0]],
        )
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

    def _completing(self, *args: Any, **kwargs: Any) -> Around:
        """Put our state back where a step of the user's has built the state without it."""
        logs, state = outputs = yield
        before = args[0][1] if args else kwargs["state"][1]
        variables = list(state[1])
        places = [held.place() for probe in self._probes for held in probe.states]
        if len(variables) + len(places) != len(before):
            return outputs
        for place in sorted(places):
            variables.insert(place, before[place])
        return logs, (state[0], variables, *state[2:])
