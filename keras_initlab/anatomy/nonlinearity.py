"""The activation of a layer: its name, and the function with the constants that it holds."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import FunctionType, MethodType
from typing import Any

import keras
import numpy as np

from keras_initlab.anatomy.traits import traits_of
from keras_initlab.theory import (
    ACTIVATIONS,
    Activation,
    CriticalPoint,
    activation_of,
    critical_point,
    keras_name_of,
)

__all__ = ["LINEAR", "Nonlinearities", "Nonlinearity"]

# Where two functions are compared.
_PLACES = np.linspace(-8.0, 8.0, 65)

# A function that turns so often between these places is a wave, whose length its weights decide.
_SWINGS, _PLACES_OF_SWINGS = 4, np.linspace(-20.0, 20.0, 4001)


@dataclass(frozen=True)
class Nonlinearity:
    """The function that a layer applies to each of its sums.

    Args:
        name: Its name, empty if there is none.
        function: A name, a callable or a layer, as in `activation_of`; `None` if there is none.
    """

    name: str
    function: Any = None

    @property
    def is_linear(self) -> bool:
        """Whether there is none."""
        return self.name in ("", "linear")

    @cached_property
    def curve(self) -> Activation | None:
        """The pointwise function, with its own constants; `None` if it is not pointwise."""
        try:
            return activation_of(None if self.is_linear else _held_weakly(self.function))
        except (TypeError, ValueError):
            return None

    @cached_property
    def swings(self) -> bool:
        """Whether it rises and falls again and again, as a sine does."""
        if self.is_linear or self.curve is None:
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            steps = np.diff(self.curve(_PLACES_OF_SWINGS))
        steps = steps[np.isfinite(steps)]
        signs = np.sign(steps[np.abs(steps) > 1e-6 * np.abs(steps).max(initial=0.0)])
        return int((signs[1:] != signs[:-1]).sum()) >= _SWINGS

    @cached_property
    def point(self) -> CriticalPoint | None:
        """The critical point of a deep stack; `None` if there is none, or none is needed."""
        if self.is_linear or self.curve is None:
            return None
        try:
            return critical_point(self.curve)
        except ValueError:
            return None


LINEAR = Nonlinearity("")


class Nonlinearities:
    """The activations of the layers of one model, each worked out once.

    Example:
        >>> import keras
        >>> Nonlinearities().of(keras.layers.Dense(4, "tanh")).name
        'tanh'
        >>> half = Nonlinearities().of(keras.layers.LeakyReLU(negative_slope=0.5))
        >>> half.name, float(half.curve(np.array(-2.0)))
        ('LeakyReLU', -1.0)
    """

    def __init__(self) -> None:
        self._known: dict[int, Nonlinearity] = {}

    def of(self, operation: Any) -> Nonlinearity:
        """The activation that a layer has, or that a layer or an operation is."""
        traits = traits_of(operation)
        if traits.loops:
            return LINEAR
        if traits.activation:
            return self._once(operation, lambda: _known_as(traits.activation, operation))
        held = getattr(operation, "activation", None)
        if held is None or not callable(held):
            return LINEAR
        if isinstance(held, keras.layers.Layer) and traits_of(held).activates:
            return self.of(held)
        name = keras_name_of(held)
        return self._once(held, lambda: _called(held)) if name is None else _named(name)

    def _once(self, key: Any, make: Callable[[], Nonlinearity]) -> Nonlinearity:
        # The layers of a model keep what they hold alive, and with it its number.
        if id(key) not in self._known:
            self._known[id(key)] = make()
        return self._known[id(key)]


@lru_cache(maxsize=64)
def _named(name: str) -> Nonlinearity:
    return Nonlinearity(name, name)


def _called(function: Any) -> Nonlinearity:
    return Nonlinearity(getattr(function, "__name__", type(function).__name__), function)


def _known_as(name: str, operation: Any) -> Nonlinearity:
    """Of a layer that is an activation: by a name, if its constants are those of the name."""
    if name not in ACTIVATIONS:
        return _named(name)
    if not isinstance(operation, keras.layers.Layer):
        # Its twin knows no graph.
        operation = type(operation).from_config(operation.get_config())
    own = _called(operation)
    if own.curve is None:
        return own
    same = np.allclose(own.curve(_PLACES), ACTIVATIONS[name](_PLACES), atol=1e-5)
    return _named(name) if same else own


def _held_weakly(function: Any) -> Any:
    """A function that theory may remember without keeping the model alive that it belongs to."""
    is_free = isinstance(function, FunctionType) and function.__closure__ is None
    if is_free or isinstance(function, (str, keras.layers.Layer)):
        return function
    try:
        method = isinstance(function, MethodType)
        held = weakref.WeakMethod(function) if method else weakref.ref(function)
    except TypeError:
        return function

    def called(x: np.ndarray) -> Any:
        original = held()
        if original is None:
            raise ReferenceError(f"{called.__name__} is gone")
        return original(x)

    called.__name__ = str(getattr(function, "__name__", type(function).__name__))
    return called
