"""Functions put in front of methods, on instances alone, and taken away again."""

import contextlib
import functools
from collections.abc import Callable, Generator, Iterable
from typing import Any

from keras_initlab import _backend
from keras_initlab.signal.guard import Guard

__all__ = ["Cover", "Hooks", "Observer", "observed"]

# An object, the name of one of its methods, and what runs instead: `wrapper(original, *args)`.
Cover = tuple[Any, str, Callable]

# Takes what the method takes, yields once, is sent what the method gives, and may return something
# else in its place.
Observer = Callable[..., Generator[None, Any, Any]]


def observed(observer: Observer, guard: Guard | None = None) -> Callable:
    """A wrapper that calls the original once, whatever happens in the observer around the call.

    Args:
        observer: What runs before and after.
        guard: Catches errors of the observer, not those of the original; `None` lets all pass.
    """
    around: Any = contextlib.nullcontext() if guard is None else guard

    def cover(original: Callable, *args: Any, **kwargs: Any) -> Any:
        watching = None
        if guard is None or not guard.ended:
            with around:
                started = observer(*args, **kwargs)
                next(started)
                watching = started
        if watching is None:
            return original(*args, **kwargs)
        try:
            outputs = original(*args, **kwargs)
        except BaseException:
            with around:
                watching.close()
            raise
        with around:
            return _ended(watching, outputs, guard)
        return outputs

    return cover


def _ended(watching: Generator, outputs: Any, guard: Guard | None) -> Any:
    """What the observer makes of the outputs."""
    if guard is not None and guard.ended:
        watching.close()
        return outputs
    try:
        watching.send(outputs)
    except StopIteration as stop:
        return outputs if stop.value is None else stop.value
    raise RuntimeError("An observer must yield once.")


class Hooks:
    """A set of covers that come off together and uncover what was there before."""

    def __init__(self) -> None:
        self._covered: set[tuple[int, str]] = set()
        self._undo = contextlib.ExitStack()

    def add(self, covers: Iterable[Cover]) -> None:
        """Put covers on; a method that this set covers already, or that is not there, is left."""
        for target, name, wrapper in covers:
            original = getattr(target, name, None)
            if original is None or (id(target), name) in self._covered:
                continue
            self._covered.add((id(target), name))
            cover = functools.wraps(original)(functools.partial(wrapper, original))
            self.put(target, name, cover)

    def put(self, target: Any, name: str, value: Any) -> None:
        """Set an attribute of an object until the covers come off."""
        before = target.__dict__.get(name, self)
        if before is self:
            self.later(_backend.remove_session_hook, target, name)
        else:
            self.later(_backend.add_session_hook, target, name, before)
        _backend.add_session_hook(target, name, value)

    def later(self, function: Callable, *args: Any) -> None:
        """Call a function when the covers come off, the last one first."""
        self._undo.callback(function, *args)

    def remove(self) -> None:
        """Take all of them off, also where one fails."""
        undo, self._undo, self._covered = self._undo, contextlib.ExitStack(), set()
        undo.close()
