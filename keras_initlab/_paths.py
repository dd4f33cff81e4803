"""Where modules are looked for while a command reads a file: not where the command was started.

Keras, its backends and `rich` import by name what may not be installed, and Keras what a model file
names (`keras_hub`, say). A folder of someone else's may hold a module of such a name.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["elsewhere", "here"]

# Where this package was imported from; what lies beside it is trusted as much as it is.
_HOME = os.path.realpath(os.path.join(os.path.dirname(__file__), os.pardir))


@contextmanager
def elsewhere() -> Iterator[None]:
    """Look nowhere in the current directory, whatever had put it on the path."""
    kept = list(sys.path)
    start = os.path.realpath(os.getcwd())
    if start != _HOME:
        sys.path[:] = [each for each in kept if os.path.realpath(each or os.curdir) != start]
    try:
        yield
    finally:
        sys.path[:] = kept


@contextmanager
def here() -> Iterator[None]:
    """Look in the current directory too, after all other places."""
    start = os.getcwd()
    sys.path.append(start)
    try:
        yield
    finally:
        sys.path.reverse()
        sys.path.remove(start)
        sys.path.reverse()
