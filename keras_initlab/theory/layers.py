"""Layer objects as pointwise functions of a number; the layers themselves stay unchanged."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

__all__ = ["constants_in", "is_layer", "pointwise_of", "settings_of"]

# The most axes of a layer's input, those of `Conv3D`.
_MOST_AXES = 5

# Units on which a layer is tried: side by side they show whether it mixes them.
_UNITS = 3


def is_layer(function: object) -> bool:
    """Whether a callable is a layer object, which may have weights of its own."""
    wanted = ("get_config", "weights", "built")
    return callable(function) and all(hasattr(function, name) for name in wanted)


def constants_in(layer: Any) -> tuple[float, ...] | None:
    """The number that each weight of a layer holds, `None` before it is built.

    Raises:
        ValueError: If a weight differs between units, so that there is no one function.
    """
    if not layer.built:
        return None
    constants = []
    for weight in layer.weights:
        values = _array(weight)
        if not values.size or np.ptp(values):
            raise ValueError(
                "`activation` must be one function for all units, but a weight of this layer "
                f"differs between them. Received: activation={type(layer).__name__}, weight "
                f"{weight.name!r} from {values.min(initial=np.inf):.3g} to "
                f"{values.max(initial=-np.inf):.3g}. Try an untrained `PReLU` with one slope."
            )
        constants.append(float(values.reshape(-1)[0]))
    return tuple(constants)


def pointwise_of(
    layer: Any, constants: Sequence[float] | None
) -> Callable[[np.ndarray], np.ndarray]:
    """The function that a layer applies to one unit: a copy of the layer is built and called.

    Args:
        layer: A layer object.
        constants: What `constants_in` found in it.

    Raises:
        ValueError: If the layer is not an activation.
    """
    name = type(layer).__name__
    call, axes = _copied(layer, constants)

    def called(columns: np.ndarray) -> np.ndarray:
        return _array(call(columns.reshape(-1, *[1] * (axes - 2), _UNITS))).reshape(-1, _UNITS)

    def function(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, np.float64)
        return called(np.repeat(x.reshape(-1, 1), _UNITS, axis=1))[:, 0].reshape(x.shape)

    x = np.linspace(-8.0, 8.0, 65)
    alone, beside = function(x), called(np.stack([x, x[::-1], np.roll(x, 7)], axis=1))[:, 0]
    if not np.allclose(alone, beside, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise _refusal(name, "its units depend on one another")
    function.__name__ = name
    return function


def _copied(layer: Any, constants: Sequence[float] | None) -> tuple[Callable[[Any], Any], int]:
    """The function of a layer, without its state, and how many axes its input has."""
    reasons: list[str] = []
    own = settings_of(layer)
    if own is None:
        reasons.append("it does not know its own configuration")
    # In float32 `exp(x) - 1` is zero where a small signal is. JAX has no float64 by default.
    configs = [] if own is None else [{**own, "dtype": "float64"}, own]
    # Shared axes, or the kind of window, show how many axes a layer needs.
    for axes in range(2, _MOST_AXES + 1):
        for config in configs:
            twin = _tried(reasons, partial(type(layer).from_config, config))
            made = None if twin is None else _made_by(twin, twin, axes, reasons)
            if made is not None and (made.dtype == np.float64 or config is own):
                _hold(twin, constants)
                return twin, axes
    # The configuration of a `Lambda` or of a user's layer can be incomplete.
    if not layer.weights and _made_by(layer, layer.call, 2, reasons) is not None:
        return layer.call, 2
    raise _refusal(type(layer).__name__, f"it cannot be called on numbers ({reasons[0]})")


def settings_of(layer: Any) -> dict[str, Any] | None:
    """The configuration of a layer; `None` of one that does not know its own."""
    try:
        config: dict[str, Any] = layer.get_config()
    except NotImplementedError:
        return None
    return config


def _made_by(
    layer: Any, call: Callable[[Any], Any], axes: int, reasons: list[str]
) -> np.ndarray | None:
    """What a layer makes of ones with this many axes; `None` if it does not take them."""
    shape, name = (4, *[1] * (axes - 2), _UNITS), type(layer).__name__
    made: np.ndarray | None = _tried(reasons, lambda: _array(call(np.ones(shape, "float32"))))
    if made is not None and made.shape != shape:
        raise _refusal(name, f"it makes {made.shape} from {shape}")
    return made


def _tried(reasons: list[str], make: Callable[[], Any]) -> Any:
    try:
        with warnings.catch_warnings():
            # JAX goes on in float32 where float64 is asked for, and says so.
            warnings.simplefilter("ignore")
            return make()
    # Layers raise errors of any class on an input of the wrong shape.
    except Exception as error:
        reasons.append(f"{type(error).__name__}: {(str(error).strip() or '-').splitlines()[0]}")
        return None


def _hold(twin: Any, constants: Sequence[float] | None) -> None:
    """Give the weights of a copy the numbers of the layer."""
    # Untrained weights of a trainable layer are statistics.
    twin.trainable = True
    if twin.non_trainable_weights:
        raise _refusal(type(twin).__name__, "it keeps statistics of its input")
    for weight, value in zip(twin.weights, constants or (), strict=constants is not None):
        dtype = "float64" if weight.dtype == "float64" else "float32"
        weight.assign(np.full(tuple(weight.shape), value, dtype))


def _refusal(name: str, reason: str) -> ValueError:
    return ValueError(
        "`activation` as a layer must be pointwise and must not depend on statistics, as "
        "`keras.layers.LeakyReLU` and `keras.layers.PReLU` are. "
        f"Received: activation={name}, but {reason}."
    )


def _array(tensor: Any) -> np.ndarray:
    # A tensor of torch can need a gradient, or be on an accelerator.
    tensor = getattr(tensor, "value", tensor)
    tensor = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    return np.asarray(tensor)
