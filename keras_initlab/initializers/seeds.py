"""Seeds of a scheme and of the schemes inside it."""

import copy
import hashlib
import numbers
from typing import Any

import keras

from keras_initlab.initializers.catalogue import scheme_of
from keras_initlab.initializers.checks import checked_seed

__all__ = ["keras_seed", "reseeded", "seeded"]


def keras_seed(seed: Any) -> Any:
    """A seed that an initializer of Keras accepts on every backend.

    Our seeds can be negative or larger than 32 bits, which backends refuse in different ways. Such
    seeds are replaced by others; all others stay.
    """
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool):
        return seed
    number = int(seed)
    return number if 0 <= number < 2**32 else _digest_of(str(number))


def _digest_of(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def reseeded(initializer: Any, part: str) -> Any:
    """The initializer and those inside it, with a stream of their own for one part of a weight.

    An integer seed is replaced by one that depends on it and on `part`. `None` and a
    `SeedGenerator` give fresh numbers at every call anyway.
    """
    twin = copy.copy(initializer)
    for name, value in vars(initializer).items():
        if isinstance(value, keras.initializers.Initializer):
            setattr(twin, name, reseeded(value, part))
        elif isinstance(value, list) and name == "parts":
            twin.parts = [
                reseeded(inner, part) if hasattr(inner, "get_config") else inner for inner in value
            ]
        elif name == "seed" and isinstance(value, numbers.Integral):
            twin.seed = _digest_of(f"{int(value)}|{part}")
    return twin


def seeded(initializer: Any, seed: Any) -> Any:
    """The initializer and those inside it, with this seed.

    Raises:
        TypeError: If `seed` is not a seed.
    """
    checked_seed(seed)
    twin = copy.copy(initializer)
    for name, value in vars(initializer).items():
        if isinstance(value, keras.initializers.Initializer):
            setattr(twin, name, seeded(value, seed))
        elif name == "parts":
            twin.parts = [seeded(scheme_of(inner), seed) for inner in value]
        elif name == "seed":
            twin.seed = seed
    return twin
