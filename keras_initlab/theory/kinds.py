"""How a layer uses its kernel, which the shape alone does not show."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from keras_initlab.theory.fans import Fans, fans_of

__all__ = ["KINDS", "Kind"]

KINDS = ("dense", "depthwise", "transposed", "lookup")


@dataclass(frozen=True)
class Kind:
    """How a layer uses its kernel.

    Args:
        name: `"dense"` for dense and convolution kernels `(*window, inputs, outputs)`;
            `"depthwise"` for `(*window, channels, multiplier)` of `DepthwiseConv` and the first
            kernel of `SeparableConv`; `"transposed"` for `(*window, outputs, inputs)` of
            `ConvTranspose`; `"lookup"` for `(rows, dimensions)` of `Embedding`.
        strides: Stride of the convolution, one number per axis of the window or one for all.
        groups: Independent groups of a grouped convolution, or the experts or fields of an
            `EinsumDense` whose kernel has batch axes.
        gates: Gates side by side in the last axis: 4 in LSTM, 3 in GRU.

    Raises:
        ValueError: If `name` is not one of these, or a number is not positive.

    Source:
        He et al. 2015, section 2.2, https://arxiv.org/abs/1502.01852, counts the connections of a
        dense convolution; the others are counted the same way.

    Example:
        >>> Kind("transposed", strides=2).fans((4, 4, 16, 64))
        Fans(fan_in=256.0, fan_out=256)
        >>> Kind(gates=4).fans((128, 512))
        Fans(fan_in=128, fan_out=128.0)
    """

    name: str = "dense"
    strides: int | Sequence[int] = 1
    groups: int = 1
    gates: int = 1

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise ValueError(
                f"`kind` must be one of {', '.join(KINDS)}, or a `Kind` with strides, groups or "
                f"gates. Received: kind={self.name!r}."
            )
        strides = self.strides if isinstance(self.strides, (list, tuple)) else [self.strides]
        numbers = {"groups": [self.groups], "gates": [self.gates], "strides": strides}
        for name, values in numbers.items():
            if not all(isinstance(value, int) and 1 <= value <= sys.maxsize for value in values):
                raise ValueError(
                    f"`{name}` of a `Kind` must be whole, from 1 to {sys.maxsize}. "
                    f"Received: {name}={getattr(self, name)!r}."
                )

    def fans(
        self,
        shape: Sequence[int],
        *,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> Fans:
        """Connections of a kernel of this kind.

        Args:
            shape: Shape of the kernel.
            input_axes: Axes that are summed over, as in `EinsumDense`.
            output_axes: Axes that remain in the output.

        Raises:
            ValueError: If the shape does not fit the kind.
        """
        if self.name == "dense":
            fans = fans_of(shape, input_axes=input_axes, output_axes=output_axes)
        else:
            fans = self._special(shape)
        steps = self._steps(len(shape) - 2)
        # A stride leaves that share of the outputs that one input reaches; in a transposed
        # convolution, of the inputs that one output sees.
        outputs, inputs = self.groups * self.gates, 1
        if self.name == "transposed":
            inputs *= steps
        else:
            outputs *= steps
        return Fans(_over(fans.fan_in, inputs), _over(fans.fan_out, outputs))

    def _special(self, shape: Sequence[int]) -> Fans:
        layouts = {
            "depthwise": ("(*window, channels, multiplier)", "DepthwiseConv2D", 3),
            "transposed": ("(*window, outputs, inputs)", "Conv2DTranspose", 3),
            "lookup": ("(rows, dimensions)", "Embedding", 2),
        }
        layout, layer, least = layouts[self.name]
        if len(shape) < least or (self.name == "lookup" and len(shape) != 2):
            raise ValueError(
                f"A {self.name} kernel has shape `{layout}`, as `{layer}` makes it. "
                f"Received: shape={tuple(shape)}."
            )
        window = math.prod(shape[:-2])
        return {
            "depthwise": Fans(window, window * shape[-1]),
            "transposed": Fans(window * shape[-1], window * shape[-2]),
            # One row is looked up, nothing is summed; as tied logits the dimensions are summed.
            "lookup": Fans(1, shape[-1]),
        }[self.name]

    def _steps(self, axes: int) -> int:
        if isinstance(self.strides, int):
            return math.prod([self.strides] * max(0, axes))
        if len(self.strides) != axes:
            raise ValueError(
                "`strides` of a `Kind` must be one number, or one for each axis of the window. "
                f"Received: strides={tuple(self.strides)} for a window of {axes} axes."
            )
        return math.prod(int(stride) for stride in self.strides)


def _over(fan: float, share: int) -> float:
    return fan if share == 1 else fan / share
