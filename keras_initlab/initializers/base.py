"""The base classes of all schemes: configuration, seeds, and tensors of the backend."""

import dataclasses
import numbers
import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_initlab import _backend
from keras_initlab._version import __version__
from keras_initlab.initializers.arguments import Axes, KindLike, Seed
from keras_initlab.initializers.catalogue import PACKAGE, arguments_of
from keras_initlab.initializers.checks import (
    checked_axes,
    checked_float,
    checked_kind,
    checked_seed,
    kind_of,
)
from keras_initlab.initializers.places import Place
from keras_initlab.sampling import Drawing, Part, Stream, fill_parts
from keras_initlab.theory import Fans, Kind, Law, keras_name_of

__all__ = [
    "ArrayScheme",
    "AxesScheme",
    "RandomScheme",
    "Scheme",
    "VarianceScheme",
    "at_center",
]


class Scheme(keras.initializers.Initializer):
    """An initializer whose configuration is read back from its own signature."""

    seed: Seed = None

    def __call__(
        self,
        shape: int | Sequence[int],
        dtype: Any = None,
        layout: Any = None,
        *,
        partition_shape: Sequence[int] | None = None,
        partition_offset: Sequence[int] | None = None,
    ) -> Any:
        """The weights for a shape, or the requested part of them.

        Independent values are drawn straight into the tensor's memory on the CPU; elsewhere they
        are copied to it once. A part drawn alone has the same values as in the whole.

        Args:
            shape: Integers, the shape of the whole weight.
            dtype: A float dtype, `None` for Keras's default; random halves are drawn in float32
                and rounded. `Zeros` and `Constant` take any dtype.
            layout: `keras.distribution.TensorLayout` or a sharding of JAX: the weight is spread
                over devices, and each process makes only its own shards.
            partition_shape: Shape of one part of the weight, as TensorFlow's
                `ParameterServerStrategy` requests it.
            partition_offset: Place of that part's first element, one integer for each axis.

        Returns:
            A tensor of the backend.

        Raises:
            ValueError: If the shape, dtype, seed, layout or part is not supported.
        """
        return self._at(Place.of(shape, layout, partition_shape, partition_offset), dtype)

    def _at(self, place: Place, dtype: Any) -> Any:
        """Values at a place, for a dtype as the caller has given it."""
        raise AssertionError("abstract")

    def get_config(self) -> dict[str, Any]:
        """Arguments by name, and under `keras_initlab` the version that wrote them.

        Keras's own class of the same name refuses that key. So a file fails to load where this
        package was not imported, instead of silently becoming Keras's namesake.
        """
        arguments = {name: _plain(getattr(self, name)) for name in arguments_of(type(self))}
        return {PACKAGE: __version__, **keras.saving.serialize_keras_object(arguments)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Scheme":
        """The scheme that `get_config` described.

        Raises:
            TypeError: If the configuration has an argument that this version does not know.
        """
        arguments = dict(config)
        version = arguments.pop(PACKAGE, None)
        unknown = set(arguments) - set(arguments_of(cls))
        if unknown:
            raise TypeError(
                f"`{cls.__name__}` of {PACKAGE} {__version__} does not know {sorted(unknown)}; "
                f"the configuration was written by {PACKAGE} {version}. Received: config={config}. "
                f"Try `pip install -U {PACKAGE}`."
            )
        return cls(**{name: _revived(value) for name, value in arguments.items()})

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in arguments_of(type(self)))
        return f"{type(self).__name__}({shown})"

    def _integer_seed(self) -> int | None:
        """A number to draw from; `None` where only the backend can draw."""
        if self.seed is None:
            # Python's generator, so that `keras.utils.set_random_seed` governs it, as in Keras.
            return random.getrandbits(64)
        if isinstance(self.seed, keras.random.SeedGenerator):
            words = _backend.concrete(self.seed.next())
            return None if words is None else int.from_bytes(words.tobytes(), "little")
        return int(self.seed) if isinstance(self.seed, numbers.Integral) else None


class RandomScheme(Scheme):
    """A scheme with independent values; subclasses define their law in `law_for(shape)`."""

    distribution: str

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        """Draw, center and spread for a weight of this shape."""
        raise AssertionError("abstract")

    def _at(self, place: Place, dtype: Any) -> Any:
        dtype = checked_float(dtype)
        draw, center, spread = self.law_for(place.shape)
        if _backend.in_symbolic_scope():
            return keras.ops.zeros(place.size, dtype)
        seed = self._integer_seed()
        if seed is None:
            return place.taken(self._drawn_by_keras(place.shape, dtype, draw, center, spread))
        drawing = self.drawing(place.shape, seed)
        return place.tensor(dtype, lambda parts: fill_parts(parts, place.shape, drawing))

    def drawing(self, shape: tuple[int, ...], seed: int) -> Drawing:
        """The source of the values of a weight of this shape, from which any part can be drawn."""
        draw, center, spread = self.law_for(shape)
        return Drawing(Stream(seed, f"{type(self).__name__}/{draw}", shape), draw, center, spread)

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


class ArrayScheme(Scheme):
    """A scheme with dependent values, which subclasses compute in `values_for`.

    Parts and shards are cut out of the whole weight.
    """

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        """The whole weight as an array of dtype `kind` (float32, or float64 if asked for)."""
        raise AssertionError("abstract")

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse a shape that the scheme does not support."""

    def _at(self, place: Place, dtype: Any) -> Any:
        dtype = checked_float(dtype)
        self.check(place.shape)
        if _backend.in_symbolic_scope():
            return keras.ops.zeros(place.size, dtype)
        stream = Stream(self._known_seed(), type(self).__name__, place.shape)
        kind = np.dtype("float64" if dtype == "float64" else "float32")

        def write(parts: list[Part]) -> None:
            if 0 in place.shape:
                return
            values = self.values_for(place.shape, stream, kind)
            for out, index in parts:
                out[...] = values[index]

        return place.tensor(dtype, write)

    def _known_seed(self) -> int:
        if "seed" not in arguments_of(type(self)):
            # Nothing is drawn, so the generator of unseeded schemes must not advance.
            return 0
        seed = self._integer_seed()
        if seed is None:
            raise ValueError(
                f"`{type(self).__name__}` computes its values on the host, so `seed` must be known "
                f"when the weight is made. Received: seed={self.seed!r}. "
                "Try an integer, or build the layer outside the traced function."
            )
        return seed


class AxesScheme(Scheme, keras.initializers.VarianceScaling):
    """A scheme that knows which axes of its kernel are inputs and which are outputs.

    It is a `keras.initializers.VarianceScaling` because `EinsumDense` and `MultiHeadAttention`
    set the axes of no other initializer.
    """

    def __init__(self, *, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None):
        self.seed = checked_seed(seed)
        self.input_axes = checked_axes(input_axes, "input_axes")
        self.output_axes = checked_axes(output_axes, "output_axes")


class VarianceScheme(RandomScheme, AxesScheme):
    """A scheme defined by its `law`: variance `scale / fan` from a named distribution."""

    law: Law

    def __init__(
        self,
        *,
        kind: KindLike = "dense",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.kind = checked_kind(kind)
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _law(self) -> Law:
        return self.law

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        law = self._law()
        return law.draw, 0.0, law.spread(self._fans(shape))

    def _fans(self, shape: tuple[int, ...]) -> Fans:
        axes = {"input_axes": self.input_axes, "output_axes": self.output_axes}
        return kind_of(self.kind).fans(shape, **axes)


def at_center(block: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel that is zero except at the center of its window, which holds the block."""
    values = np.zeros(shape, block.dtype)
    values[tuple((size - 1) // 2 for size in shape[:-2])] = block
    return values


def _plain(value: Any) -> Any:
    """A value that Keras can write as JSON and read again."""
    if isinstance(value, Kind):
        strides = value.strides if isinstance(value.strides, int) else list(value.strides)
        return {**dataclasses.asdict(value), "strides": strides}
    name = keras_name_of(value)
    return value if name is None else name


def _revived(value: Any) -> Any:
    """Serialized objects inside a configuration, as they were."""
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value)
    if isinstance(value, (list, tuple)):
        return [_revived(item) for item in value]
    return value
