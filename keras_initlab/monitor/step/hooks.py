"""Functions put in front of methods, on instances alone, and taken away again."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from keras_initlab import _backend

__all__ = ["Cover", "Hooks"]

# An object, the name of one of its methods, and what runs instead: `wrapper(original, *args)`.
Cover = tuple[Any, str, Callable]


class Hooks:
    """A set of covers that come off together and uncover what was there before."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, str], tuple[Any, str, Any]] = {}

    def add(self, covers: Iterable[Cover]) -> None:
        """Put covers on; a method that this set covers already, or that is not there, is left."""
        for target, name, wrapper in covers:
            original = getattr(target, name, None)
            if original is None or (id(target), name) in self._held:
                continue
            self._held[id(target), name] = target, name, target.__dict__.get(name)
            cover = functools.wraps(original)(functools.partial(wrapper, original))
            _backend.add_session_hook(target, name, cover)

    def remove(self) -> None:
        """Take all of them off."""
        for target, name, before in self._held.values():
            if before is None:
                _backend.remove_session_hook(target, name)
            else:
                _backend.add_session_hook(target, name, before)
        self._held = {}
