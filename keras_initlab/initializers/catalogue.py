"""The list of schemes, from which every other list is derived."""

import keras

__all__ = ["CATALOGUE", "PACKAGE", "list_schemes", "scheme"]

PACKAGE = "keras_initlab"

CATALOGUE: dict[str, type] = {}


def scheme(cls: type) -> type:
    """Enter a class into the catalogue and register it with Keras as `keras_initlab>Name`."""
    CATALOGUE[cls.__name__] = cls
    return keras.saving.register_keras_serializable(PACKAGE)(cls)


def list_schemes() -> list[str]:
    """Names of all schemes, in the order of the catalogue.

    Example:
        >>> list_schemes()[0]
        'Zeros'
    """
    return list(CATALOGUE)
