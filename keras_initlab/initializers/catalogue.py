"""The list of schemes, from which every other list is derived."""

import inspect
from typing import Any, TypeVar

import keras

from keras_initlab import _backend
from keras_initlab._docstrings import completed
from keras_initlab._schemes import STRINGS, did_you_mean, in_order, spelled

__all__ = [
    "CATALOGUE",
    "PACKAGE",
    "arguments_of",
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
    written = [text for text, name in STRINGS.items() if name == cls.__name__]
    for text in (f"{PACKAGE}>{cls.__name__}", f"{PACKAGE}.{cls.__name__}", *written):
        _backend.name_initializer(text, cls)
    keras.saving.register_keras_serializable(PACKAGE)(cls)
    return cls


def arguments_of(cls: type) -> list[str]:
    """Names of a scheme's arguments, in the order of its signature."""
    return list(inspect.signature(cls).parameters)


def scheme_of(scheme: Any) -> Any:
    """An initializer from an object or a name: class names mean our schemes, others Keras's.

    A string that Keras knows means Keras's: `"he_normal"`. Any other spelling means ours:
    `"HeNormal"`, `"kaiming_normal"`, `"xavier_uniform"`, `"keras_initlab.HeNormal"`.

    Args:
        scheme: An initializer, the name of a scheme, or what `keras.initializers.get` takes.

    Raises:
        ValueError: If there is no such scheme.
        TypeError: If it needs arguments, so that its name is not enough.

    Example:
        >>> from keras_initlab import XavierNormal
        >>> isinstance(scheme_of("XavierNormal"), XavierNormal)
        True
    """
    cls = _named(scheme) if isinstance(scheme, str) else None
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
            f"its name alone is not enough. Received: {scheme!r}. "
            f"Try `{cls.__name__}({', '.join(f'{name}=...' for name in wanted)})`."
        )
    return cls()


def _named(name: str) -> type | None:
    """Our class of a name, `None` where the name is Keras's."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    ours = spelled(name, CATALOGUE)
    if not name.startswith(PACKAGE):
        try:
            keras.initializers.get(name)
        except (ValueError, TypeError):
            pass
        else:
            return None
    if ours is None:
        advice = did_you_mean(name, CATALOGUE) or " Try `keras-initlab list`."
        raise ValueError(f"There is no scheme {name!r}, here or in Keras.{advice}")
    return CATALOGUE[ours]


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
    """Names of all schemes, family by family, the basic ones first.

    Example:
        >>> "HeNormal" in list_schemes()
        True
    """
    modules = in_order(dict.fromkeys(cls.__module__ for cls in CATALOGUE.values()))
    return [
        name for module in modules for name, cls in CATALOGUE.items() if cls.__module__ == module
    ]
