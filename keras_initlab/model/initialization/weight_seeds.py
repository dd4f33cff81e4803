"""A stream of random numbers for each weight, from one seed and the weight's place in the model."""

import hashlib
import random
from collections.abc import Iterator
from typing import Any

from keras_initlab import _backend

__all__ = ["paths_of", "seed_for"]


def paths_of(model: Any) -> dict[int, str]:
    """A path for each variable, by `id`, that is the same whenever the model is built.

    Keras numbers unnamed layers by how many it has made in this process (`dense_7`). Here an
    unnamed layer is numbered among the layers of its class in the same parent.
    """
    found: dict[int, str] = {}
    for path, layer in _places(model, ""):
        for variable in _backend.own_weights(layer):
            found.setdefault(id(variable), f"{path}{variable.name}")
    return found


def _places(layer: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, layer
    counts: dict[str, int] = {}
    for child in _backend.own_sublayers(layer):
        kind = _backend.automatic_name(child)
        name = child.name
        if name == kind or name.removeprefix(f"{kind}_").isdigit():
            counts[kind] = counts.get(kind, 0) + 1
            name = f"{kind}:{counts[kind]}"
        yield from _places(child, f"{path}{name}/")


def seed_for(seed: int | None, path: str) -> int:
    """The seed of one weight; fresh at every call if `seed` is `None`."""
    number = random.getrandbits(64) if seed is None else int(seed)
    digest = hashlib.blake2b(f"{number}|{path}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1
