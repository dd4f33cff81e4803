"""Covers one model for all loggers that watch it, and keeps its training functions."""

import contextlib
import functools
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

from keras_initlab import _backend
from keras_initlab.anatomy.selection import Selection
from keras_initlab.monitor.functional import FunctionalStep
from keras_initlab.monitor.probe import Probe
from keras_initlab.monitor.settings import Settings
from keras_initlab.monitor.stateful import StatefulStep
from keras_initlab.signal.guard import Guard
from keras_initlab.signal.hooks import Cover, Hooks, observed

__all__ = ["Session"]

# Training functions to keep, one for each set of probes: a logger alone, and beside another one.
_MOST_FUNCTIONS = 2


class _TraceAgainError(Exception):
    """Ends a trace that must not run; Keras's functions are traced before they take a batch."""


class Session:
    """Covers methods on instances while probes are open; outside a watched step covers do nothing.

    The training function of the covered step is kept beside the plain one. It is used again until
    Keras makes a new plain one, so a model that is fitted several times is traced once. When the
    last probe closes, the plain function is back in its place.

    Keras does not report an error in `fit`. An error inside the step is seen here, and all covers
    come off at once. After any other error they come off at the next use of the model, when no
    `fit` of it is running.

    An error of ours ends the watching. If TensorFlow was tracing the step, it traces it again
    without covers, so nothing of ours is left in it.

    Args:
        model: The model, which holds the session.
    """

    def __init__(self, model: Any):
        self.guard = Guard()
        self.model = model
        self._probes: list[Probe] = []
        self._idle: list[Probe] = []
        way = FunctionalStep if _backend.is_functional_step() else StatefulStep
        self._recorder = way(model, self._probes, self.guard)
        self._momentary = False
        self.hooks = Hooks()
        self._plain: Any = None
        # By the ids of the probes, which are held too so that the ids stay theirs.
        self._functions: dict[tuple[int, ...], tuple[list[Probe], Any]] = {}
        self._fit: Any = None
        self._unbuilt: tuple[int, ...] = ()
        self._may_trace_again = False

    # --- opening and closing -------------------------------------------------------------------

    def probe_for(self, selection: Selection, settings: Settings) -> Probe:
        """A probe for a logger: that of an earlier logger if it fits, else a new one."""
        if self.guard.ended:
            self.guard = self._recorder.guard = Guard()
            self._functions = {}
        for probe in self._idle:
            if probe.serves(self.model, selection, settings):
                self._idle = []
                probe.reset()
                return probe
        return Probe(self.model, selection, settings)

    def open(self, probe: Probe) -> None:
        """Let a probe watch the training steps from now on."""
        self.close_leftover()
        if not self._probes:
            running = _backend.running_fit(self.model)
            self._fit = None if running is None else weakref.ref(running)
            if self._plain is not self.model.train_function or self._plain is None:
                self._functions = {}
                self.model.make_train_function()
                self._plain = self.model.train_function
            self.hooks.later(setattr, self.model, "train_function", self._plain)
        self._idle = [idle for idle in self._idle if idle is not probe]
        self._probes.append(probe)
        probe.guard.follow(self.guard)
        self._unbuilt = _backend.unbuilt_layers(self.model)
        for state in probe.states:
            self.hooks.later(state.detach)
            state.attach()
        self.hooks.add(self._own_covers())
        self._use_watched_function()

    def close(self, probe: Probe) -> None:
        """Let a probe go; the last one takes all covers with it."""
        if probe not in self._probes:
            return
        # Whatever fails, the rest is taken off.
        with contextlib.ExitStack() as endings:
            endings.callback(self._let_go, probe)
            endings.callback(_backend.sync_state, self.model)

    def _let_go(self, probe: Probe) -> None:
        self._probes.remove(probe)
        probe.guard.leave(self.guard)
        probe.on_growth = None
        # The last probe waits for a logger with the same settings.
        self._idle = [] if probe.guard.ended else [probe]
        with contextlib.ExitStack() as endings:
            if not self._probes:
                endings.callback(self.hooks.remove)
            for state in probe.states:
                endings.callback(state.detach)

    def is_open(self, probe: Probe) -> bool:
        """Whether the probe watches."""
        return probe in self._probes

    def close_leftover(self) -> None:
        """Take everything off if the `fit` in which we were opened has ended."""
        if not self._probes or self._fit is None:
            return
        running = _backend.running_fit(self.model)
        if running is None or running is not self._fit():
            self.close_all()

    def close_all(self) -> None:
        """Let every probe go."""
        for probe in list(self._probes):
            self.close(probe)

    # --- the training function -----------------------------------------------------------------

    def _use_watched_function(self) -> None:
        layers = list(
            {id(layer): layer for probe in self._probes for layer in probe.layers}.values()
        )
        self._momentary = _backend.step_is_compiled_by_torch(self.model)
        if not self._momentary:
            self.hooks.add(self._step_covers(layers))
        key = tuple(id(probe) for probe in self._probes)
        probes, function = self._functions.pop(key, (list(self._probes), None))
        if function is None:
            self._make(force=True)
            function = self._guarded(self.model.train_function, layers)
        self._functions[key] = probes, function
        self._functions = dict(list(self._functions.items())[-_MOST_FUNCTIONS:])
        self.model.train_function = function

    def _step_covers(self, layers: list[Any]) -> Iterator[Cover]:
        yield from self._recorder.covers(layers)
        cover = self._recorder.step_cover()

        def train_step(original: Callable, *args: Any, **kwargs: Any) -> Any:
            if self.guard.run(self._must_trace_again):
                raise _TraceAgainError
            known = self.guard.run(_backend.variables_in_trace, self.model)
            outputs = cover(original, *args, **kwargs)
            # TensorFlow sets the variables that a trace makes after the trace, which must finish.
            made = known != self.guard.run(_backend.variables_in_trace, self.model)
            if not made and self.guard.run(self._must_trace_again):
                raise _TraceAgainError
            return outputs

        yield self.model, "train_step", train_step

    def _must_trace_again(self) -> bool:
        """Whether a probe has ended, or the model has got layers or weights, in a trace."""
        if not self._may_trace_again or not _backend.is_tracing_step():
            return False
        self._may_trace_again = not (self._has_ended() or self._has_grown())
        return not self._may_trace_again

    def _make(self, **options: Any) -> None:
        type(self.model).make_train_function(self.model, **options)

    def _guarded(self, function: Callable, layers: list[Any]) -> Callable:
        run = function
        if self._momentary:
            run = functools.partial(self._run_momentarily, layers)

        @functools.wraps(function)
        def train_function(*args: Any) -> Any:
            self._may_trace_again = True
            try:
                outputs = run(*args)
            except _TraceAgainError:
                self.guard.run(self._settle)
                now = self.model.train_function
                return (self._plain if now is train_function else now)(*args)
            except BaseException as error:
                self.guard.run(self._close_after, error)
                raise
            self.guard.run(self._settle)
            return outputs

        return train_function

    def _close_after(self, error: BaseException) -> None:
        if not _backend.is_end_of_data(error):
            self.close_all()

    def _has_ended(self) -> bool:
        return any(probe.guard.ended for probe in self._probes)

    def _has_grown(self) -> bool:
        return bool(self._unbuilt) and self._unbuilt != _backend.unbuilt_layers(self.model)

    def _settle(self) -> None:
        """Close the probes that have ended, and let the others see how the model has grown.

        On JAX the running `fit` carries the state of the probes to its end.
        """
        grown, self._unbuilt = self._has_grown(), ()
        if self._has_ended() and not _backend.is_functional_step():
            for probe in [probe for probe in self._probes if probe.guard.ended]:
                self.close(probe)
            if self._probes:
                self._use_watched_function()
        for probe in list(self._probes) if grown else []:
            if probe.on_growth is not None:
                probe.on_growth()

    def _run_momentarily(self, layers: list[Any], *args: Any) -> Any:
        """Under `torch.compile`: steps with a look run as plain Python, the others untouched."""
        if self.guard.ended or not self.guard.run(self._is_due_now):
            return self._plain(*args)
        hooks = Hooks()
        self.guard.run(hooks.add, self._step_covers(layers))
        try:
            return _backend.uncompiled_step(self.model, *args)
        finally:
            self.guard.run(hooks.remove)

    def _is_due_now(self) -> bool:
        if any(probe.is_due() for probe in self._probes):
            return True
        for probe in self._probes:
            probe.skip()
        return False

    # --- covers --------------------------------------------------------------------------------

    def _own_covers(self) -> Iterator[Cover]:
        """Covers of the methods that Keras calls when a model is used again, or saved."""
        for name in ("make_test_function", "make_predict_function", "compile"):
            yield self.model, name, observed(self._checked, self.guard)
        yield self.model, "make_train_function", observed(self._made, self.guard)
        for name in ("save", "export"):
            yield self.model, name, observed(self._without_states, self.guard)

    def _checked(self, *args: Any, **kwargs: Any) -> Generator[None, Any, None]:
        self.close_leftover()
        yield

    def _made(self, force: bool = False) -> Generator[None, Any, None]:
        self.close_leftover()
        if not self._probes or not force:
            yield
            return
        # The user wants the step traced anew, for example after unfreezing layers.
        probes = list(self._probes)
        self.close_all()
        yield
        for probe in probes:
            self.open(probe)

    def _without_states(self, *args: Any, **kwargs: Any) -> Generator[None, Any, None]:
        self.close_leftover()
        _backend.sync_state(self.model)
        states = [state for probe in self._probes for state in probe.states]
        for state in states:
            state.detach()
        try:
            yield
        finally:
            for state in states:
                state.attach()
