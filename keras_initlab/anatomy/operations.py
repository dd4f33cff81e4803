"""What the calls in a model's graph do to a signal, by the names of their layers."""

import re
from collections.abc import Callable
from typing import Any

__all__ = [
    "ACTIVATIONS",
    "Test",
    "is_adding",
    "is_counting",
    "is_dot",
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

_NORM = re.compile(r"\w*(Batch|Layer|Group|RMS|Unit)Normalization")

# The scale of what they take is that of what they give, or nearly so.
_SCALING = re.compile(
    r"(Global)?(Average|Max)Pooling\dD|(ZeroPadding|Cropping|UpSampling|SpatialDropout)\dD"
    r"|(Alpha|Gaussian)?Dropout|GaussianNoise|Flatten|Reshape|Permute|RepeatVector|Identity"
    r"|Activation|ReLU|LeakyReLU|PReLU|ELU|Concatenate|InputLayer"
)

_ADDING = re.compile("Add|Subtract|Multiply|Average")

# Layers that are an activation, and operations of `keras.ops`.
ACTIVATIONS = {
    **{"ReLU": "relu", "ELU": "elu", "LeakyReLU": "leaky_relu"},
    **{"Relu": "relu", "Elu": "elu", "LeakyRelu": "leaky_relu", "Gelu": "gelu", "Silu": "silu"},
    **{"Tanh": "tanh", "Sigmoid": "sigmoid", "Softplus": "softplus", "Selu": "selu"},
    **{"Softmax": "softmax", "Softsign": "softsign"},
}

# What they give has the distribution of what they take, but for a factor.
_SHAPING = re.compile(
    r"(Alpha|Gaussian)?Dropout|SpatialDropout\dD|GaussianNoise|Flatten|Reshape|Permute|Identity"
    r"|ExpandDims|Squeeze|Transpose|Cast|InputLayer"
)

# Products of vectors.
_DOT = "Dot|Matmul|Einsum|Tensordot"

# What they give is a sum, or a row, of what they take.
_LINEAR = re.compile("Add|Sum|Stack|Concatenate|GetItem|Mean|Average|Subtract")


def _named(pattern: re.Pattern) -> Test:
    return lambda node: bool(pattern.fullmatch(type(node.operation).__name__))


is_norm, is_scaling, is_adding = _named(_NORM), _named(_SCALING), _named(_ADDING)
is_sum, is_shaping = _named(re.compile("Add")), _named(_SHAPING)
is_product = _named(re.compile("Multiply"))
is_dot = _named(re.compile(_DOT))
is_pairing = _named(re.compile(f"{_DOT}|DotInteraction|Multiply|Square"))


def is_summing(node: Any) -> bool:
    """Whether what a call gives is a sum, a row or the activation of what it takes."""
    return is_showing(node) or bool(_LINEAR.fullmatch(type(node.operation).__name__))


def is_showing(node: Any) -> bool:
    """Whether it is the activation, the shape or a sum of what it takes."""
    activates = type(node.operation).__name__ in ("Activation", *ACTIVATIONS)
    return activates or is_shaping(node) or is_sum(node)


def is_counting(node: Any) -> bool:
    """Whether the layer has a vocabulary, as `CategoryEncoding` has."""
    return hasattr(node.operation, "num_tokens")


def is_weightless(node: Any) -> bool:
    """Whether the call has no weights."""
    return not getattr(node.operation, "weights", None)
