"""What every scheme shares: checks, configuration, seeds, and handing values to the backend."""

import inspect
import math
import numbers
import random
from typing import Any

import keras
import numpy as np

from keras_initlab import _backend
from keras_initlab._version import __version__
from keras_initlab.initializers.catalogue import PACKAGE
from keras_initlab.sampling import Stream, fill
from keras_initlab.theory import Law, fans_of

__all__ = [
    "RandomScheme",
    "Scheme",
    "VarianceScheme",
    "checked_normal",
    "checked_number",
    "checked_seed",
    "checked_shape",
]

_FLOATS = ("float16", "bfloat16", "float32", "float64")


class Scheme(keras.initializers.Initializer):
    """An initializer whose configuration is read back from its own signature."""

    def get_config(self) -> dict[str, Any]:
        """Arguments by name, and the version that wrote them under `keras_initlab`.

        Keras's own class of the same name refuses that key, so a file that is loaded where this
        package was not imported fails loudly instead of reviving as Keras's namesake.
        """
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        arguments = {name: getattr(self, name) for name in names}
        return {PACKAGE: __version__, **keras.saving.serialize_keras_object(arguments)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Scheme":
        """The scheme that `get_config` described.

        Raises:
            TypeError: If the configuration has an argument that this version does not know.
        """
        arguments = dict(config)
        version = arguments.pop(PACKAGE, None)
        unknown = set(arguments) - set(inspect.signature(cls.__init__).parameters)
        if unknown:
            raise TypeError(
                f"`{cls.__name__}` of {PACKAGE} {__version__} does not know {sorted(unknown)}; "
                f"the configuration was written by {PACKAGE} {version}. Received: config={config}. "
                f"Try `pip install -U {PACKAGE}`."
            )
        if isinstance(arguments.get("seed"), dict):
            arguments["seed"] = keras.saving.deserialize_keras_object(arguments["seed"])
        return cls(**arguments)

    def __repr__(self) -> str:
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({shown})"


class RandomScheme(Scheme):
    """A scheme whose values are drawn; subclasses say from what in `_law_for(shape)`."""

    seed: Any
    distribution: str

    def _law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        """Draw, center and spread for a weight of this shape."""
        raise AssertionError("abstract")

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Weights for a shape.

        Args:
            shape: Integers, the shape of the weight.
            dtype: `"float16"`, `"bfloat16"`, `"float32"`, `"float64"` or
                `None` for Keras's default.

        Returns:
            A tensor of the backend. On the CPU the values are drawn straight into its memory
            (on JAX: in float32 and float16); elsewhere they are copied to it once.

        Raises:
            ValueError: If the shape or the dtype cannot be served.
        """
        shape = checked_shape(shape)
        dtype = checked_float(dtype)
        draw, center, spread = self._law_for(shape)
        if _backend.in_symbolic_scope():
            return keras.ops.zeros(shape, dtype)
        seed = self._integer_seed()
        if seed is None:
            return self._drawn_by_keras(shape, dtype, draw, center, spread)
        stream = Stream(seed, f"{type(self).__name__}/{draw}", shape)
        return _backend.filled_tensor(
            shape, dtype, lambda out: fill(out, stream, draw, center=center, spread=spread)
        )

    def _integer_seed(self) -> int | None:
        if self.seed is None:
            # Python's generator, so that `keras.utils.set_random_seed` governs it, as in Keras.
            return random.getrandbits(64)
        if isinstance(self.seed, keras.random.SeedGenerator):
            words = _backend.concrete(self.seed.next())
            return None if words is None else int.from_bytes(words.tobytes(), "little")
        return int(self.seed) if isinstance(self.seed, numbers.Integral) else None

    def _drawn_by_keras(
        self, shape: tuple[int, ...], dtype: str, draw: str, center: float, spread: float
    ) -> Any:
        # The seed is a traced value or a backend key: only the backend can draw from it.
        seed = self.seed
        if not isinstance(seed, keras.random.SeedGenerator):
            seed = _backend.KeySeed(seed)
        if draw == "uniform":
            return keras.random.uniform(
                shape, center - spread, center + spread, dtype=dtype, seed=seed
            )
        drawn = {"normal": keras.random.normal, "truncated_normal": keras.random.truncated_normal}
        return drawn[draw](shape, center, spread, dtype=dtype, seed=seed)


class VarianceScheme(RandomScheme, keras.initializers.VarianceScaling):
    """A scheme that is one row, its `law`: variance `scale / fan` from a named distribution.

    It is a `keras.initializers.VarianceScaling` because `EinsumDense` and `MultiHeadAttention`
    tell only those which axes of their kernel are inputs and which are outputs.
    """

    law: Law

    def __init__(self, *, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        self.seed = checked_seed(seed)
        self.input_axes = checked_axes(input_axes, "input_axes")
        self.output_axes = checked_axes(output_axes, "output_axes")

    def _law(self) -> Law:
        return self.law

    def _law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        law = self._law()
        fans = fans_of(shape, input_axes=self.input_axes, output_axes=self.output_axes)
        return law.draw, 0.0, law.spread(fans)


def checked_number(value: Any, name: str, meaning: str, *, positive: bool = False) -> Any:
    """The value unchanged, if it is one finite real number (and positive, where asked)."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"`{name}` {meaning}, so it must be a number. Received: {name}={value!r}.")
    if not math.isfinite(value) or (positive and value <= 0):
        allowed = "positive and finite" if positive else "finite"
        raise ValueError(
            f"`{name}` {meaning}, so it must be {allowed}. Received: {name}={value!r}."
        )
    return value


def checked_normal(distribution: Any) -> str:
    """The distribution unchanged, if it is one of the two normals."""
    if distribution not in ("normal", "truncated_normal"):
        raise ValueError(
            "`distribution` must be 'normal' or 'truncated_normal'. "
            f"Received: distribution={distribution!r}."
        )
    return distribution


def checked_seed(seed: Any) -> Any:
    """The seed unchanged, if it is `None`, an integer or a `keras.random.SeedGenerator`."""
    integer = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if seed is None or integer or isinstance(seed, keras.random.SeedGenerator):
        return seed
    raise TypeError(
        "`seed` must be an integer (repeatable weights), `None` (fresh weights at every call) or a "
        f"`keras.random.SeedGenerator`. Received: seed={seed!r}."
    )


def checked_axes(axes: Any, name: str) -> Any:
    """The axes unchanged, if they are `None` or integers."""
    if axes is None or (
        isinstance(axes, (list, tuple)) and all(isinstance(axis, numbers.Integral) for axis in axes)
    ):
        return axes
    raise TypeError(f"`{name}` lists axes of the kernel as integers. Received: {name}={axes!r}.")


def checked_shape(shape: Any) -> tuple[int, ...]:
    """The shape as a tuple of plain integers."""
    sizes = (shape,) if isinstance(shape, numbers.Integral) else tuple(shape)
    if not all(isinstance(size, (int, np.integer)) and size >= 0 for size in sizes):
        raise ValueError(
            "Every axis of a weight needs a size known before training, an integer of at least 0. "
            f"Received: shape={sizes}. Try to build the layer on a fully known feature shape."
        )
    return tuple(int(size) for size in sizes)


def checked_float(dtype: Any) -> str:
    """The dtype's name, if random weights exist in it."""
    name = keras.backend.standardize_dtype(dtype)
    if name not in _FLOATS:
        raise ValueError(
            f"Random weights need a float dtype, one of {', '.join(_FLOATS)}. "
            f"Received: dtype={name}."
        )
    return name
