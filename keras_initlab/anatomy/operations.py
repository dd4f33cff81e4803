"""What the calls in a model's graph do to a signal, by the traits of their layers."""

from collections.abc import Callable
from typing import Any

from keras_initlab.anatomy.traits import traits_of

__all__ = [
    "Test",
    "is_adding",
    "is_bending",
    "is_comparing",
    "is_counting",
    "is_dot",
    "is_joining",
    "is_norm",
    "is_pairing",
    "is_product",
    "is_scaling",
    "is_shaping",
    "is_showing",
    "is_sum",
    "is_summing",
    "is_weightless",
]

Test = Callable[[Any], bool]


def _has(trait: str) -> Test:
    return lambda node: bool(getattr(traits_of(node.operation), trait))


is_norm, is_scaling, is_shaping = _has("normalizes"), _has("keeps_scale"), _has("shapes")
is_sum, is_adding, is_product = _has("adds"), _has("merges"), _has("multiplies")
is_dot, is_pairing, is_joining = _has("dots"), _has("pairs"), _has("joins")
is_comparing = _has("compares")


def is_summing(node: Any) -> bool:
    """Whether what a call gives is a sum, a row or the activation of what it takes."""
    return is_showing(node) or traits_of(node.operation).linear


def is_showing(node: Any) -> bool:
    """Whether it is the activation, the shape or a sum of what it takes."""
    traits = traits_of(node.operation)
    return traits.activates or traits.shapes or traits.adds


def is_bending(node: Any) -> bool:
    """Whether it is the activation or the shape of what it takes."""
    traits = traits_of(node.operation)
    return traits.activates or traits.shapes


def is_counting(node: Any) -> bool:
    """Whether the layer has a vocabulary, as `CategoryEncoding` has."""
    return hasattr(node.operation, "num_tokens")


def is_weightless(node: Any) -> bool:
    """Whether the call has no weights."""
    return not getattr(node.operation, "weights", None)
