"""The random bits of a weight."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["BLOCK", "Stream"]

BLOCK = 1 << 16


@dataclass(frozen=True)
class Stream:
    """Random bits that depend on (seed, scheme, shape) alone, in blocks of 65,536 elements.

    Each block has a generator of its own (SFC64, keyed through `numpy.random.SeedSequence` by a
    digest and the block's number), so any block can be drawn without the ones before it.

    Args:
        seed: Any integer.
        scheme: Name of the scheme and its distribution.
        shape: Shape of the weight.

    Example:
        >>> Stream(0, "HeNormal", (64, 32)).key == Stream(0, "HeNormal", (32, 64)).key
        False
    """

    seed: int
    scheme: str
    shape: Sequence[int]

    @property
    def key(self) -> int:
        """128-bit digest of the three."""
        text = f"{int(self.seed)}|{self.scheme}|{tuple(int(size) for size in self.shape)}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")

    def part(self, name: str) -> "Stream":
        """Independent bits for one part of the weight."""
        return replace(self, scheme=f"{self.scheme}/{name}")

    def generator(self, block: int) -> np.random.Generator:
        """Random numbers of one block, from its start."""
        sequence = np.random.SeedSequence(self.key, spawn_key=(block,))
        return np.random.Generator(np.random.SFC64(sequence))
