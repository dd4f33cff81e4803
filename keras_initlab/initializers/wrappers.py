"""Schemes made of other schemes."""

import copy
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_initlab import _backend
from keras_initlab.initializers.arguments import Axes, InitializerLike, Seed
from keras_initlab.initializers.base import ArrayScheme, AxesScheme, Scheme
from keras_initlab.initializers.catalogue import label_of, scheme, scheme_of
from keras_initlab.initializers.checks import checked_count, checked_number
from keras_initlab.initializers.seeds import keras_seed, reseeded, seeded
from keras_initlab.sampling import Stream

__all__ = ["Composite", "PerGate", "Scaled"]


class _Wrapper(ArrayScheme, AxesScheme):
    """A scheme whose values come from others, which keep their seeds unless it has one."""

    def _known_seed(self) -> int:
        return 0

    @property
    def label(self) -> str:
        """Its name in tables: the class, and its inner schemes."""
        return f"{type(self).__name__}({', '.join(self._parts())})"

    def _parts(self) -> tuple[str, ...]:
        raise AssertionError("abstract")

    def _drawn(
        self,
        inner: InitializerLike,
        part: str,
        shape: tuple[int, ...],
        kind: np.dtype,
        *,
        axes: bool = True,
    ) -> np.ndarray:
        """Values of an inner initializer, which gets a stream for its part, and the axes."""
        initializer = scheme_of(inner)
        if self.seed is not None:
            initializer = seeded(initializer, self.seed)
        twin = reseeded(initializer, part) if part else copy.copy(initializer)
        if not isinstance(twin, Scheme) and hasattr(twin, "seed"):
            twin.seed = keras_seed(twin.seed)
        takes = axes and isinstance(twin, keras.initializers.VarianceScaling)
        if takes and (twin.input_axes is None or twin.output_axes is None):
            twin.input_axes, twin.output_axes = self.input_axes, self.output_axes
        with _backend.eager_scope():
            return np.asarray(keras.ops.convert_to_numpy(twin(shape, dtype=kind.name)), kind)


@scheme
class Composite(_Wrapper):
    """A different scheme for each slice of one weight: gates, heads or experts.

    Each slice is drawn as a weight of its own shape, so its fans are right, and from a stream of
    its own, so no two slices are equal.

    Args:
        parts: Initializers, one for each slice: schemes, names or those of Keras.
        axis: Axis that is cut (an integer).
        sizes: Length of each slice along the axis; `None` cuts it evenly.
        squeeze: Whether a slice of length 1 loses the axis before it is drawn, as an expert of an
            `EinsumDense` should: `(1, inputs, outputs)` becomes `(inputs, outputs)`.
        seed: Integer that takes the place of the inner seeds; `None` leaves them as they are.
        input_axes: Axes of the kernel that are summed over; `EinsumDense` fills them in, and they
            are passed to the parts unless the slices are squeezed.

    Shape:
        Any that the parts support, with `axis` cut as `sizes` says.

    Raises:
        ValueError: If `parts` is empty or does not match `sizes`; on call, if the axis cannot be
            cut that way.

    Source:
        Definition. Keras draws gates, heads and experts as one weight with the fans of the whole.

    Example:
        >>> weights = Composite(["zeros", "ones"], axis=0)((4, 3))
        >>> float(weights[0, 0]), float(weights[3, 0])
        (0.0, 1.0)
    """

    def __init__(
        self,
        parts: Sequence[InitializerLike],
        *,
        axis: int = -1,
        sizes: Sequence[int] | None = None,
        squeeze: bool = False,
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        if not isinstance(parts, (list, tuple)) or not parts:
            raise ValueError(
                f"`parts` lists one initializer for each slice. Received: parts={parts!r}."
            )
        self.parts = [_checked_initializer(part, "parts") for part in parts]
        self.axis = checked_count(axis, "axis", "names an axis", least=-8)
        self.sizes = sizes
        self.squeeze = squeeze
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)
        for size in sizes or ():
            checked_count(size, "sizes", "gives the length of each part")
        if sizes is not None and len(sizes) != len(parts):
            raise ValueError(
                "`sizes` gives the length of each part. "
                f"Received: {len(parts)} parts, sizes={sizes!r}."
            )

    def check(self, shape: tuple[int, ...]) -> None:
        self._sizes(shape)

    def _sizes(self, shape: tuple[int, ...]) -> list[int]:
        count = len(self.parts)
        if self.sizes is None:
            return [_share_of(shape, self.axis, count)] * count
        length = _length_of(shape, self.axis)
        if sum(self.sizes) != length:
            raise ValueError(
                f"The axis of a `Composite` must hold its {count} parts. "
                f"Received: axis={self.axis}, sizes={list(self.sizes)}, shape={shape}."
            )
        return list(self.sizes)

    def _parts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(label_of(part) for part in self.parts))

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        axis, drawn = self.axis % len(shape), []
        for number, (part, size) in enumerate(zip(self.parts, self._sizes(shape), strict=True)):
            whole = (*shape[:axis], size, *shape[axis + 1 :])
            squeezed = self.squeeze and size == 1
            inner = (*shape[:axis], *shape[axis + 1 :]) if squeezed else whole
            values = self._drawn(part, f"part {number}", inner, kind, axes=not squeezed)
            drawn.append(values.reshape(whole))
        return np.concatenate(drawn, axis=axis)


@scheme
class PerGate(_Wrapper):
    """One scheme drawn once for every gate of a recurrent kernel, with its own fans.

    Keras draws the gates of LSTM and GRU as one wide kernel: its default recurrent kernel is
    orthogonal as a whole, so each gate passes 1/4 or 1/3 of the state's mean square.

    Args:
        scheme: The initializer of one gate: a scheme, a name or one of Keras.
        gates: Number of gates side by side in the last axis: 4 for LSTM and ConvLSTM, 3 for GRU.
        seed: Integer that takes the place of the inner seed; `None` keeps that one.
        input_axes: Axes of the kernel that are summed over, passed to the inner scheme.

    Shape:
        `(*window, inputs, gates * units)`.

    Raises:
        ValueError: If `gates` is below 1; on call, if the last axis does not hold that many gates.

    Source:
        Definition; gates in the order of Keras: i, f, c, o in LSTM and z, r, h in GRU. torch's
        `nn.LSTM` draws its whole kernel from one uniform of bound `1 / sqrt(units)` instead.

    Example:
        >>> weights = PerGate("orthogonal", gates=4)((16, 64))
        >>> tuple(weights.shape)
        (16, 64)
    """

    def __init__(
        self,
        scheme: InitializerLike,
        *,
        gates: int,
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.scheme = _checked_initializer(scheme, "scheme")
        self.gates = checked_count(gates, "gates", "counts gates side by side")
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _parts(self) -> tuple[str, ...]:
        return (label_of(self.scheme),)

    def check(self, shape: tuple[int, ...]) -> None:
        # Before a list of as many gates as a file may ask for is made.
        _share_of(shape, -1, self.gates)

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        return self._composite().values_for(shape, stream, kind)

    def _composite(self) -> Composite:
        return Composite(
            [self.scheme] * self.gates,
            seed=self.seed,
            input_axes=self.input_axes,
            output_axes=self.output_axes,
        )


@scheme
class Scaled(_Wrapper):
    """Another scheme's weights times a factor, for residual branches and small heads.

    Args:
        scheme: The initializer to scale: a scheme, a name or one of Keras.
        factor: Multiplies the weights (unitless), so their variance is multiplied by its square.
        seed: Integer that takes the place of the inner seed; `None` keeps that one.
        input_axes: Axes of the kernel that are summed over; `EinsumDense` fills them in, and they
            are passed to the inner scheme.

    Shape:
        Any that the inner scheme supports.

    Raises:
        ValueError: If `factor` is NaN or infinite; on call, if the inner scheme raises one.

    Source:
        Definition.

    Example:
        >>> float(Scaled("ones", factor=0.5)((1,))[0])
        0.5
    """

    def __init__(
        self,
        scheme: InitializerLike,
        factor: float,
        *,
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.scheme = _checked_initializer(scheme, "scheme")
        self.factor = checked_number(factor, "factor", "multiplies the weights")
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _parts(self) -> tuple[str, ...]:
        return (label_of(self.scheme), f"{self.factor:.3g}")

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        return self._drawn(self.scheme, "", shape, kind) * kind.type(self.factor)


def _length_of(shape: tuple[int, ...], axis: int) -> int:
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"`axis` names an axis of the weight. Received: axis={axis}, shape={shape}."
        )
    return shape[axis]


def _share_of(shape: tuple[int, ...], axis: int, count: int) -> int:
    """Length of each of equal parts along an axis."""
    share, left = divmod(_length_of(shape, axis), count)
    if left:
        raise ValueError(
            f"The axis of a `Composite` or `PerGate` must hold its {count} parts, as the last "
            "axis of an LSTM kernel `(inputs, 4 * units)` does. "
            f"Received: axis={axis}, shape={shape}."
        )
    return share


def _checked_initializer(value: Any, name: str) -> Any:
    """The value unchanged: a name stays a name, so that each call makes it anew."""
    try:
        initializer = scheme_of(value)
    except ValueError as error:
        raise ValueError(
            f"`{name}` must be an initializer or the name of one. Received: {name}={value!r}."
        ) from error
    if not isinstance(initializer, keras.initializers.Initializer):
        raise TypeError(
            f"`{name}` must be an initializer or the name of one. Received: {name}={value!r}."
        )
    return value
