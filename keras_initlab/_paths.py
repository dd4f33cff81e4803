"""The search path while a command reads a file: without the current directory.

Keras, its backends and `rich` import packages that may be missing. Keras also imports packages that
a model file names (`keras_hub`, say). A foreign folder can hold a module of the same name.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Where this package was imported from; modules beside it are trusted as it is.
_HOME = os.path.realpath(os.path.join(os.path.dirname(__file__), os.pardir))


@contextmanager
def elsewhere() -> Iterator[None]:
    """Import nothing from the current directory, even if it is on the path."""
    kept = list(sys.path)
    start = os.path.realpath(os.getcwd())
    if start != _HOME:
        sys.path[:] = [folder for folder in kept if os.path.realpath(folder or os.curdir) != start]
    try:
        yield
    finally:
        sys.path[:] = kept


@contextmanager
def here() -> Iterator[None]:
    """Import from the current directory too, after all other places."""
    start = os.getcwd()
    sys.path.append(start)
    try:
        yield
    finally:
        sys.path.reverse()
        sys.path.remove(start)
        sys.path.reverse()
