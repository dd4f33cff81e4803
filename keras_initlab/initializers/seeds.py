"""Other seeds for a scheme and for those inside it."""

import copy
import hashlib
import numbers
from typing import Any

import keras

from keras_initlab.initializers.catalogue import scheme_of

__all__ = ["reseeded", "seeded"]


def reseeded(initializer: Any, part: str) -> Any:
    """The initializer, and each one inside it, with a stream of its own for one part of a weight.

    An integer seed becomes another that depends on it and on `part`; no seed and a
    `SeedGenerator` are fresh at every call anyway.
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
            digest = hashlib.blake2b(f"{int(value)}|{part}".encode(), digest_size=4).digest()
            twin.seed = int.from_bytes(digest, "little") >> 1
    return twin


def seeded(initializer: Any, seed: Any) -> Any:
    """The initializer, and each one inside it, with this seed."""
    twin = copy.copy(initializer)
    for name, value in vars(initializer).items():
        if isinstance(value, keras.initializers.Initializer):
            setattr(twin, name, seeded(value, seed))
        elif name == "parts":
            twin.parts = [seeded(scheme_of(inner), seed) for inner in value]
        elif name == "seed":
            twin.seed = seed
    return twin
