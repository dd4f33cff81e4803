"""Pointwise activations as NumPy functions that know where they bend."""

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from keras_initlab.theory.kinks import MOST_INTERVALS, kinks_of
from keras_initlab.theory.layers import constants_in, is_layer, pointwise_of, settings_of

__all__ = ["ACTIVATIONS", "Activation", "activation_of", "keras_name_of"]

Function = Callable[[np.ndarray], Any]

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

# With more bends than this a function is tried again as one whose values are less precise.
_MOST_PLACES, _PRECISIONS = 4, (2.0**-44, 2.0**-36, 2.0**-20)

_NOT_POINTWISE = ("softmax", "log_softmax", "sparsemax", "glu")


@dataclass(frozen=True)
class Activation:
    """A pointwise function, smooth except at its kinks.

    Args:
        name: What to call it in messages.
        function: From a float64 array to an array of the same shape.
        kinks: Where a derivative jumps, ascending.
        precision: Relative rounding error of the values (unitless).
        jumps: Where the value itself jumps, so that the derivative has no mean square.
    """

    name: str
    function: Function
    kinks: tuple[float, ...] = ()
    precision: float = 2.0**-52
    jumps: tuple[float, ...] = ()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values at `x`, in float64."""
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(self.function(x), dtype=np.float64)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    values: np.ndarray = 0.5 * (1 + np.tanh(0.5 * x))
    return values


def _softplus(x: np.ndarray) -> np.ndarray:
    values: np.ndarray = np.logaddexp(0.0, x)
    return values


def _erf(x: np.ndarray) -> np.ndarray:
    values = np.fromiter(map(math.erf, x.reshape(-1).tolist()), np.float64, x.size)
    return values.reshape(x.shape)


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


def _selu(x: np.ndarray) -> np.ndarray:
    return _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))


def _gelu(x: np.ndarray) -> np.ndarray:
    values: np.ndarray = 0.5 * x * (1 + _erf(x / math.sqrt(2)))
    return values


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    values: np.ndarray = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return values


def _hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(x / 6 + 0.5, 0.0, 1.0)


def _sparse_plus(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 1, x, np.where(x <= -1, 0.0, 0.25 * (x + 1) ** 2))


def _tanh_shrink(x: np.ndarray) -> np.ndarray:
    # The difference of two near numbers has few digits left where x is small.
    y = np.minimum(x * x, 0.01)
    near = y * (1 / 3 - y * (2 / 15 - y * (17 / 315 - y * (62 / 2835 - y * (1382 / 155925)))))
    return np.where(np.abs(x) < 0.1, x * near, x - np.tanh(x))


# Keras's names and defaults; `kinks` beside each.
_TABLE: dict[str, tuple[Function, tuple[float, ...]]] = {
    "linear": (lambda x: x, ()),
    "relu": (lambda x: np.maximum(x, 0.0), (0.0,)),
    "leaky_relu": (lambda x: np.maximum(x, 0.2 * x), (0.0,)),
    "relu6": (lambda x: np.clip(x, 0.0, 6.0), (0.0, 6.0)),
    "elu": (_elu, (0.0,)),
    "celu": (_elu, (0.0,)),
    "selu": (_selu, (0.0,)),
    "tanh": (np.tanh, ()),
    "sigmoid": (_sigmoid, ()),
    "hard_sigmoid": (_hard_sigmoid, (-3.0, 3.0)),
    "hard_tanh": (lambda x: np.clip(x, -1.0, 1.0), (-1.0, 1.0)),
    "softsign": (lambda x: x / (1 + np.abs(x)), (0.0,)),
    "erf": (_erf, ()),
    "gelu": (_gelu, ()),
    "gelu_tanh": (_gelu_tanh, ()),
    "silu": (lambda x: x * _sigmoid(x), ()),
    "swish": (lambda x: x * _sigmoid(x), ()),
    "hard_silu": (lambda x: x * _hard_sigmoid(x), (-3.0, 3.0)),
    "hard_swish": (lambda x: x * _hard_sigmoid(x), (-3.0, 3.0)),
    "mish": (lambda x: x * np.tanh(_softplus(x)), ()),
    "softplus": (_softplus, ()),
    "sparse_plus": (_sparse_plus, (-1.0, 1.0)),
    "sparse_sigmoid": (lambda x: np.clip(0.5 * (x + 1), 0.0, 1.0), (-1.0, 1.0)),
    "soft_shrink": (lambda x: x - np.clip(x, -0.5, 0.5), (-0.5, 0.5)),
    "log_sigmoid": (lambda x: -_softplus(-x), ()),
    "exponential": (np.exp, ()),
    "tanh_shrink": (_tanh_shrink, ()),
    "squareplus": (lambda x: 0.5 * (x + np.sqrt(x * x + 4)), ()),
    "sin": (np.sin, ()),
}

_PRECISION_OF = {"tanh_shrink": 2.0**-42}

ACTIVATIONS: dict[str, Activation] = {
    name: Activation(name, function, kinks, _PRECISION_OF.get(name, 2.0**-52))
    for name, (function, kinks) in _TABLE.items()
}


def activation_of(activation: str | Function | Activation | None) -> Activation:
    """The activation behind a name or a callable.

    Args:
        activation: A name of `ACTIVATIONS`, one of Keras's own activation functions, any callable
            from an array to an array of the same shape, or `None` for linear. The kinks of a
            callable are found by a search; an `Activation` lists its own. A layer object is not
            changed: a copy of it is called.

    Raises:
        TypeError: If it is neither a name nor a callable.
        ValueError: If the name is unknown, the callable is not a pointwise real function, or the
            weights of a layer differ between units.

    Example:
        >>> activation_of("relu6").kinks
        (0.0, 6.0)
        >>> activation_of(lambda x: abs(x - 1)).kinks
        (1.0,)
    """
    if activation is None:
        return ACTIVATIONS["linear"]
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        return _by_name(activation)
    if not callable(activation):
        raise TypeError(
            "`activation` must be the name of an activation or a callable. "
            f"Received: activation={activation!r}."
        )
    if is_layer(activation):
        return _by_layer(activation)
    # Keras's own functions are known exactly; their values can be float32.
    name = keras_name_of(activation)
    return _by_search(activation) if name is None else _by_name(name)


def keras_name_of(function: object) -> str | None:
    """The name of one of Keras's own activation functions, else `None`.

    Example:
        >>> import keras
        >>> keras_name_of(keras.activations.gelu)
        'gelu'
    """
    module = str(getattr(function, "__module__", "")).split(".")
    if module[0] == "keras" and "activations" in module and callable(function):
        return getattr(function, "__name__", None)
    return None


def _by_name(name: str) -> Activation:
    spelled = name if name in ACTIVATIONS else _SPELLINGS.get(_bare(name), name)
    if spelled in ACTIVATIONS:
        return ACTIVATIONS[spelled]
    if name in _NOT_POINTWISE:
        reason = "it mixes units, so no moments of one unit exist"
    else:
        reason = f"known are {', '.join(ACTIVATIONS)}"
    near = difflib.get_close_matches(_bare(name), _SPELLINGS, n=2)
    question = f" Did you mean {' or '.join(_SPELLINGS[bare] for bare in near)}?" if near else ""
    raise ValueError(
        f"`activation` must be a pointwise activation; {reason}. Received: activation={name!r}."
        f"{question} Try a callable, such as `lambda x: x * np.tanh(x)`."
    )


def _bare(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


# `ReLU`, `LeakyReLU` and `hardtanh` are the spellings of classes and of torch.
_SPELLINGS = {_bare(name): name for name in ACTIVATIONS}


# By class, configuration and constants: a layer itself, and with it its model, is not remembered.
_of_layers: dict[tuple[type, str, tuple[float, ...] | None], Activation] = {}
_MOST_LAYERS = 64


def _by_layer(layer: Any) -> Activation:
    settings, constants = settings_of(layer), constants_in(layer)
    if settings is None:
        return _searched(pointwise_of(layer, constants))
    form = type(layer), repr({**settings, "name": ""}), constants
    if form not in _of_layers:
        if len(_of_layers) >= _MOST_LAYERS:
            _of_layers.clear()
        _of_layers[form] = _searched(pointwise_of(layer, constants))
    return _of_layers[form]


@lru_cache(maxsize=64)
def _by_search(function: Function) -> Activation:
    return _searched(function)


def _searched(function: Function) -> Activation:
    name = str(getattr(function, "__name__", type(function).__name__))
    values = _tried(function, np.linspace(-8.0, 8.0, 65), name)
    half = values.dtype.itemsize <= 4
    precision = 2.0**-23 if half else 2.0**-52
    for assumed in (precision, *_PRECISIONS):
        checked = Activation(name, function, precision=assumed)
        kinks, jumps = kinks_of(checked, assumed)
        # TensorFlow's float64 `elu` has 13 digits: what seem bends by the dozen are its rounding.
        if len(kinks) + len(jumps) <= _MOST_PLACES:
            return Activation(name, function, kinks, assumed, jumps)
    kinks, jumps = kinks_of(Activation(name, function, precision=precision), precision)
    if len(kinks) > MOST_INTERVALS:
        return Activation(name, function, (), precision)
    return Activation(name, function, kinks, precision, jumps)


def _tried(function: Function, x: np.ndarray, name: str) -> np.ndarray:
    """Values at `x`, if they are those of a pointwise real function."""
    try:
        values, again = np.asarray(function(x)), np.asarray(function(x[:40]))
    except Exception as error:
        raise ValueError(
            "`activation` must take a float64 NumPy array and return an array of the same shape. "
            f"Received: activation={name}, which raised {type(error).__name__}: {error}."
        ) from error
    if values.shape != x.shape or values.dtype.kind not in "fiu":
        raise ValueError(
            "`activation` must return one real number for each input. Received: "
            f"activation={name}, which made {values.dtype} of shape {values.shape} from {x.shape}."
        )
    if not np.isfinite(values).all():
        raise ValueError(
            "`activation` must be finite everywhere. Received: "
            f"activation={name}, which is not at x={x[~np.isfinite(values)][0]}."
        )
    if not np.allclose(values[:40], again, rtol=1e-3, atol=1e-5):
        raise ValueError(
            "`activation` must be pointwise and repeatable: the value of a unit must depend on its "
            f"input alone. Received: activation={name}, whose values change with the other inputs."
        )
    return values
