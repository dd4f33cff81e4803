"""Functions of the rooms that run in the user's step, each made to fail in turn."""

import importlib
import inspect
import pkgutil
import sys
import threading
from contextlib import contextmanager

from keras_initlab import _backend, monitor, signal

# What catches errors and takes covers off cannot itself be caught, what speaks to the user is not
# part of a step, and sinks have tests of their own.
_TRUSTED = {
    *("guard", "hooks", "callback", "arguments", "judge", "printing", "schedule"),
    *("report", "training_report"),
    *("sinks", "events", "event_file"),
}
_LAST_RESORT = {"uncover", "add_session_hook", "remove_session_hook"}


def targets():
    """All functions and methods, as `(owner, name)`, by a label."""
    names = [
        f"{package.__name__}.{module.name}"
        for package in (monitor, signal)
        for module in pkgutil.iter_modules(package.__path__)
        if module.name not in _TRUSTED
    ]
    rooms = [importlib.import_module(name) for name in names]
    found = {}
    for room in rooms:
        for owner in [room, *_own(room, inspect.isclass)]:
            for name, value in vars(owner).items():
                if _can_fail(owner, name, value, room):
                    found[f"{owner.__name__.rsplit('.', 1)[-1]}.{name}"] = owner, name
    for name in set(_backend.__all__) - _LAST_RESORT:
        if inspect.isfunction(getattr(_backend, name)):
            found[f"_backend.{name}"] = _backend, name
    return dict(sorted(found.items()))


def _own(room, kind):
    return [
        value for value in vars(room).values() if kind(value) and value.__module__ == room.__name__
    ]


def _can_fail(owner, name, value, room):
    if name in _LAST_RESORT or name in ("__eq__", "__repr__", "__hash__", "__replace__"):
        return False
    if isinstance(value, property):
        return owner is not room
    return inspect.isfunction(value) and (owner is not room or value.__module__ == room.__name__)


def called_among(labelled, train):
    """The labels of the functions that a training calls, so that no other is tried in vain."""
    codes = {
        _code(inspect.getattr_static(owner, name)): label
        for label, (owner, name) in labelled.items()
    }
    found = set()

    def note(frame, event, argument):
        if event == "call" and frame.f_code in codes:
            found.add(codes[frame.f_code])

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        train()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return sorted(found)


def _code(value):
    value = value.fget if isinstance(value, property) else value
    return getattr(inspect.unwrap(value), "__code__", None)


@contextmanager
def failing(owner, name):
    """A context in which a function raises wherever it is known; gives the list of its calls."""
    calls = []

    def fail(*args, **kwargs):
        calls.append(name)
        raise RuntimeError(f"{name} was made to fail")

    original = inspect.getattr_static(owner, name)
    patched = [owner]
    if inspect.isfunction(original) and not inspect.isclass(owner):
        ours = [mod for key, mod in list(sys.modules.items()) if key.startswith("keras_initlab")]
        patched += [mod for mod in ours if mod is not owner and vars(mod).get(name) is original]
    for holder in patched:
        setattr(holder, name, property(fail) if isinstance(original, property) else fail)
    try:
        yield calls
    finally:
        for holder in patched:
            setattr(holder, name, original)
