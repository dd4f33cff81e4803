"""Functions of the rooms that run in the user's step, each made to fail in turn."""

import importlib
import inspect
import pkgutil
import sys
from contextlib import contextmanager

from keras_initlab import _backend
from keras_initlab.monitor import assemble, health, prediction, step, watcher

# What catches errors and takes covers off cannot itself be caught.
_TRUSTED = ("guard", "hooks")
_LAST_RESORT = {"uncover", "add_session_hook", "remove_session_hook"}


def targets():
    """All functions and methods, as `(owner, name)`, by a label."""
    names = [module.name for module in pkgutil.iter_modules(step.__path__)]
    names = [name for name in names if name not in _TRUSTED]
    rooms = [importlib.import_module(f"{step.__name__}.{name}") for name in names]
    found = {}
    for room in [*rooms, watcher, assemble, health, prediction]:
        for owner in [room, *_own(room, inspect.isclass)]:
            for name, value in vars(owner).items():
                if _can_fail(owner, name, value, room):
                    found[f"{owner.__name__.rsplit('.', 1)[-1]}.{name}"] = owner, name
    for name in set(_backend.__all__) - _LAST_RESORT:
        if inspect.isfunction(getattr(_backend, name)):
            found[f"_backend.{name}"] = _backend, name
    return dict(sorted(found.items()))


def _own(room, kind):
    return [each for each in vars(room).values() if kind(each) and each.__module__ == room.__name__]


def _can_fail(owner, name, value, room):
    if name in _LAST_RESORT or name in ("__eq__", "__repr__", "__hash__", "__replace__"):
        return False
    if isinstance(value, property):
        return owner is not room
    return inspect.isfunction(value) and (owner is not room or value.__module__ == room.__name__)


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
    for each in patched:
        setattr(each, name, property(fail) if isinstance(original, property) else fail)
    try:
        yield calls
    finally:
        for each in patched:
            setattr(each, name, original)
