"""The list of schemes, from which every other list is derived."""

import inspect
import sys
from typing import Any, TypeVar

import keras

from keras_initlab import _backend
from keras_initlab._docstrings import completed

__all__ = [
    "CATALOGUE",
    "PACKAGE",
    "arguments_of",
    "families",
    "label_of",
    "list_schemes",
    "scheme",
    "scheme_of",
]

PACKAGE = "keras_initlab"

CATALOGUE: dict[str, type] = {}


_Class = TypeVar("_Class", bound=type)


def scheme(cls: _Class) -> _Class:
    """Enter a class into the catalogue and register it with Keras as `keras_initlab>Name`.

    Its docstring gets the entries of `Args` and `Raises` that all schemes share.
    """
    if cls.__doc__:
        cls.__doc__ = completed(cls.__doc__, arguments_of(cls))
    CATALOGUE[cls.__name__] = cls
    _backend.name_initializer(f"{PACKAGE}>{cls.__name__}", cls)
    keras.saving.register_keras_serializable(PACKAGE)(cls)
    return cls


def arguments_of(cls: type) -> list[str]:
    """Names of a scheme's arguments, in the order of its signature."""
    return list(inspect.signature(cls).parameters)


def scheme_of(scheme: Any) -> Any:
    """An initializer from an object or a name: ours by the names of classes, others as Keras does.

    Args:
        scheme: An initializer, a key of the catalogue, or what `keras.initializers.get` takes.

    Raises:
        ValueError: If there is no such scheme.
        TypeError: If it needs arguments, so that its name is not enough.

    Example:
        >>> from keras_initlab import XavierNormal
        >>> isinstance(scheme_of("XavierNormal"), XavierNormal)
        True
    """
    cls = CATALOGUE.get(scheme.removeprefix(f"{PACKAGE}>")) if isinstance(scheme, str) else None
    if cls is None:
        return keras.initializers.get(scheme)
    wanted = [
        name
        for name, argument in inspect.signature(cls).parameters.items()
        if argument.default is argument.empty and argument.kind is not argument.VAR_KEYWORD
    ]
    if wanted:
        raise TypeError(
            f"The scheme {cls.__name__} needs {' and '.join(f'`{name}`' for name in wanted)}, so "
            f"its name does not say all. Received: {scheme!r}. "
            f"Try `{cls.__name__}({', '.join(f'{name}=...' for name in wanted)})`."
        )
    return cls()


def label_of(scheme: Any) -> str:
    """The name of an initializer in tables: its class, and its inner schemes.

    Args:
        scheme: An initializer, what `scheme_of` takes, or a function.

    Example:
        >>> from keras_initlab import HeNormal, Scaled
        >>> label_of("he_normal"), label_of(Scaled(HeNormal(), 0.5))
        ('HeNormal', 'Scaled(HeNormal, 0.5)')
    """
    if isinstance(scheme, (str, dict)):
        scheme = scheme_of(scheme)
    return getattr(scheme, "label", getattr(scheme, "__name__", type(scheme).__name__))


def list_schemes() -> list[str]:
    """Names of all schemes, family by family.

    Example:
        >>> "HeNormal" in list_schemes()
        True
    """
    return list(CATALOGUE)


def families() -> dict[str, list[str]]:
    """Names of the schemes by what their module says it holds.

    Example:
        >>> families()["Schemes for ReLU and its relatives."]
        ['HeUniform', 'HeNormal']
    """
    grouped: dict[str, list[str]] = {}
    for name, cls in CATALOGUE.items():
        title = str(sys.modules[cls.__module__].__doc__).partition("\n")[0]
        grouped.setdefault(title, []).append(name)
    return grouped
