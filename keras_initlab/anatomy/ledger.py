"""What `initialize` has drawn, kept as long as the layers exist."""

import weakref
from dataclasses import dataclass, field
from typing import Any

__all__ = ["note_scheme", "note_values", "scheme_noted", "was_given"]


@dataclass
class _Entry:
    """Of one layer.

    Args:
        scheme: What its kernel was drawn from; empty if only other weights were.
        digests: Digest of the values by name of the variable.
    """

    scheme: str = ""
    digests: dict[str, bytes] = field(default_factory=dict)


# An entry holds no layer, or none would ever be let go.
_entries: "weakref.WeakKeyDictionary[Any, _Entry]" = weakref.WeakKeyDictionary()


def note_scheme(layer: Any, name: str) -> None:
    """Record from which scheme a layer's kernel was drawn after the layer was built."""
    _entries.setdefault(layer, _Entry()).scheme = name


def scheme_noted(layer: Any) -> str:
    """The scheme that a layer's kernel was drawn from since it was built; empty if it was not."""
    entry = _entries.get(layer)
    return "" if entry is None else entry.scheme


def note_values(layer: Any, name: str, digest: bytes) -> None:
    """Record the values that were freshly drawn for a variable of a layer.

    Args:
        layer: The layer.
        name: Name of the variable.
        digest: Of its values.
    """
    _entries.setdefault(layer, _Entry()).digests[name] = digest


def was_given(layer: Any, name: str, digest: bytes) -> bool:
    """Whether a variable of a layer was last given these values."""
    entry = _entries.get(layer)
    return entry is not None and entry.digests.get(name) == digest
