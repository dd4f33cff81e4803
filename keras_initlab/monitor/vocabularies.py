"""Notices that the ids of a trained model's tables have come to mean something else."""

import hashlib
import weakref
from collections.abc import Iterator
from typing import Any

from keras_initlab import _backend
from keras_initlab.anatomy.wiring import layers_in

__all__ = ["changed_vocabularies"]

# Longer vocabularies are not compared: making a list of their tokens takes seconds.
_MOST = 200_000

# How many tokens a lookup had when a training with it began, and their digest.
_trained_with: weakref.WeakKeyDictionary[Any, tuple[int, str]] = weakref.WeakKeyDictionary()


def changed_vocabularies(model: Any) -> list[str]:
    """Warnings about lookups whose tokens have moved since a training with them began.

    Tokens added at the end move none. The current tokens are remembered for the next training.

    Args:
        model: A model that will be trained.
    """
    trained = _backend.updates_done(model) > 0
    told = []
    for lookup in dict.fromkeys(_lookups_in(model)):
        tokens = [str(token) for token in lookup.get_vocabulary()]
        count, digest = _trained_with.get(lookup, (0, ""))
        if trained and count and _digest_of(tokens[:count]) != digest:
            told.append(
                f"The vocabulary of the lookup {lookup.name!r} has changed since the model was "
                "trained, so rows of its tables now stand for different tokens. Build a "
                "new model with the new vocabulary, and try keras_initlab.tables.carry_over(old, "
                "new), which moves rows by token."
            )
        _trained_with[lookup] = (len(tokens), _digest_of(tokens))
    return told


def _lookups_in(model: Any) -> Iterator[Any]:
    for layer in layers_in(model):
        size = getattr(layer, "vocabulary_size", None)
        if callable(size) and hasattr(layer, "get_vocabulary") and 0 < size() <= _MOST:
            yield layer


def _digest_of(tokens: list[str]) -> str:
    return hashlib.sha256("\0".join(tokens).encode()).hexdigest()
