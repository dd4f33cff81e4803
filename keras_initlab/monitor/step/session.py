"""Covers on one model, shared by all loggers that watch it, and the training function they make."""

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from keras_initlab import _backend
from keras_initlab.monitor.step.hooks import Cover, Hooks
from keras_initlab.monitor.step.probe import Probe
from keras_initlab.monitor.step.recorder import Recorder

__all__ = ["Session", "session_of"]

_sessions: "weakref.WeakKeyDictionary[Any, Session]" = weakref.WeakKeyDictionary()


def session_of(model: Any) -> "Session":
    """The session of a model, made at the first request."""
    if model not in _sessions:
        _sessions[model] = Session(model)
    return _sessions[model]


class Session:
    """Covers methods on instances while probes are open; outside a watched step they only pass on.

    The training function that runs the covered step is kept beside the plain one and used again
    as long as Keras has not made a new plain one, so that a model which is fitted again and again
    is traced once. When the last probe closes, the plain function is back in its place.

    If `fit` raises, nobody says so. An error inside the step is seen here and everything is taken
    off at once; otherwise the next use of the model finds no `fit` of it running and does so.
    """

    def __init__(self, model: Any):
        self._model = weakref.ref(model)
        self._probes: list[Probe] = []
        self._recorder = Recorder(model, self._probes)
        self._momentary = False
        self._hooks = Hooks()
        self._plain: Any = None
        self._functions: dict[tuple[int, ...], Any] = {}
        self._keys: list[Probe] = []
        self._fit: Any = None

    @property
    def model(self) -> Any:
        """The model."""
        return self._model()

    # --- opening and closing -------------------------------------------------------------------

    def open(self, probe: Probe) -> None:
        """Let a probe watch the training steps from now on."""
        self.close_leftover()
        if not self._probes:
            running = _backend.running_fit(self.model)
            self._fit = None if running is None else weakref.ref(running)
            if self._plain is not self.model.train_function or self._plain is None:
                self._functions, self._keys = {}, []
                self.model.make_train_function()
                self._plain = self.model.train_function
        self._probes.append(probe)
        for state in probe.states:
            state.attach()
        self._hooks.add(self._own_covers())
        self._use_watched_function()

    def close(self, probe: Probe) -> None:
        """Let a probe go; with the last one all covers go."""
        if probe not in self._probes:
            return
        _backend.sync_state(self.model)
        self._probes.remove(probe)
        for state in probe.states:
            state.detach()
        if self._probes:
            return
        self._hooks.remove()
        self.model.train_function = self._plain

    def is_open(self, probe: Probe) -> bool:
        """Whether the probe watches."""
        return probe in self._probes

    def forget(self, probe: Probe) -> None:
        """Drop the training functions that were made for a probe."""
        self._functions = {key: f for key, f in self._functions.items() if id(probe) not in key}
        self._keys = [kept for kept in self._keys if kept is not probe]

    def close_leftover(self) -> None:
        """Take everything off if the `fit` that we were opened in is no longer running."""
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
        layers = list({id(each): each for p in self._probes for each in p.layers}.values())
        self._momentary = _backend.step_is_compiled_by_torch(self.model)
        if not self._momentary:
            self._hooks.add(self._recorder.covers(layers))
        key = tuple(id(probe) for probe in self._probes)
        if key not in self._functions:
            self._make(force=True)
            self._functions[key] = self._guarded(self.model.train_function, layers)
            self._keys += self._probes
        self.model.train_function = self._functions[key]

    def _make(self, **options: Any) -> None:
        type(self.model).make_train_function(self.model, **options)

    def _guarded(self, function: Callable, layers: list[Any]) -> Callable:
        run = function
        if self._momentary:
            run = functools.partial(self._run_momentarily, layers)

        @functools.wraps(function)
        def train_function(*args: Any) -> Any:
            try:
                return run(*args)
            except BaseException as error:
                if not _backend.is_end_of_data(error):
                    self.close_all()
                raise

        return train_function

    def _run_momentarily(self, layers: list[Any], *args: Any) -> Any:
        """Under `torch.compile`: looked-at steps run as plain Python, all others untouched."""
        if not any(probe.is_due() for probe in self._probes):
            for probe in self._probes:
                probe.skip()
            return self._plain(*args)
        hooks = Hooks()
        hooks.add(self._recorder.covers(layers))
        try:
            return _backend.uncompiled_step(self.model, *args)
        finally:
            hooks.remove()

    # --- covers --------------------------------------------------------------------------------

    def _own_covers(self) -> Iterator[Cover]:
        """Places where Keras comes by when a model is used again, or saved."""
        for name in ("make_test_function", "make_predict_function", "compile"):
            yield self.model, name, self._checked
        yield self.model, "make_train_function", self._made
        for name in ("save", "export"):
            yield self.model, name, self._without_states

    def _checked(self, original: Callable, *args: Any, **kwargs: Any) -> Any:
        self.close_leftover()
        return original(*args, **kwargs)

    def _made(self, original: Callable, force: bool = False) -> Any:
        self.close_leftover()
        if not self._probes or not force:
            return self._make(force=force)
        # Somebody wants the step traced anew, after thawing layers say.
        probes = list(self._probes)
        self.close_all()
        self._make(force=True)
        for probe in probes:
            self.open(probe)
        return None

    def _without_states(self, original: Callable, *args: Any, **kwargs: Any) -> Any:
        self.close_leftover()
        _backend.sync_state(self.model)
        states = [state for probe in self._probes for state in probe.states]
        for state in states:
            state.detach()
        try:
            return original(*args, **kwargs)
        finally:
            for state in states:
                state.attach()
