"""Schemes of structured weights: sparse, on a sphere, on sine waves."""

import math

import numpy as np

from keras_initlab.initializers.arguments import Axes, Seed
from keras_initlab.initializers.base import ArrayScheme, AxesScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_count, checked_number
from keras_initlab.sampling import Stream, drawn
from keras_initlab.theory import fans_of

__all__ = ["Sinusoidal", "Sparse", "UnitNormColumns"]


class _MatrixScheme(ArrayScheme, AxesScheme):
    """A scheme for the matrix `(all inputs of a unit, units)` that a kernel of any rank is."""

    def check(self, shape: tuple[int, ...]) -> None:
        fans_of(shape, input_axes=self.input_axes, output_axes=self.output_axes)

    def _matrix(self, sizes: tuple[int, int], stream: Stream, kind: np.dtype) -> np.ndarray:
        raise AssertionError("abstract")

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        order = self._order(shape)
        count = len(self._inputs(shape))
        sizes = [shape[axis] for axis in order]
        matrix = self._matrix((math.prod(sizes[:count]), math.prod(sizes[count:])), stream, kind)
        return matrix.reshape(sizes).transpose(np.argsort(order))

    def _inputs(self, shape: tuple[int, ...]) -> list[int]:
        # Channels before the window, as torch flattens a filter: the waves count on the order.
        if self.input_axes is None or self.output_axes is None:
            return [len(shape) - 2, *range(len(shape) - 2)]
        return [axis % len(shape) for axis in self.input_axes]

    def _order(self, shape: tuple[int, ...]) -> list[int]:
        inputs = self._inputs(shape)
        return inputs + [axis for axis in range(len(shape)) if axis not in inputs]


@scheme
class Sparse(_MatrixScheme):
    """Gaussian weights on a few inputs of each unit, zeros on all others.

    Units differ from one another and their total input does not grow with the layer's width, even
    with weights of size one; made for deep nets of sigmoid and tanh units.

    Args:
        connections: Inputs that each output unit reads (count); a unit that has fewer inputs reads
            them all.
        stddev: Standard deviation of the weights that are not zero (unitless), positive.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given. A
        unit of a convolution draws its connections from the whole window. For `DepthwiseConv2D`
        give `input_axes=[0, 1], output_axes=[2, 3]`; for `Conv2DTranspose` `[0, 1, 3]` and `[2]`.

    Source:
        Martens 2010, section 5, https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf:
        15 incoming weights per unit; from N(0, 1), Sutskever et al. 2013, section 3,
        https://proceedings.mlr.press/v28/sutskever13.html. `torch.nn.init.sparse_` differs: it
        takes a fraction of zeros, `sparsity`, has the standard deviation 0.01, and thins out the
        weights that leave an input instead of those that enter a unit.

    Example:
        >>> weights = Sparse(seed=0)((64, 32))
        >>> int((keras.ops.convert_to_numpy(weights) != 0).sum())
        480
    """

    def __init__(
        self,
        *,
        connections: int = 15,
        stddev: float = 1.0,
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        meaning = "counts the inputs that a unit reads"
        self.connections = checked_count(connections, "connections", meaning)
        self.stddev = checked_number(stddev, "stddev", "is a standard deviation", positive=True)
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _matrix(self, sizes: tuple[int, int], stream: Stream, kind: np.dtype) -> np.ndarray:
        inputs, units = sizes
        count = min(self.connections, inputs)
        keys = drawn((inputs, units), stream.part("places"), "uniform", kind)
        # The smallest keys of a column are a fair sample without replacement.
        places = np.argsort(keys, axis=0, kind="stable")[:count]
        matrix = np.zeros(sizes, kind)
        values = drawn((count, units), stream.part("values"), "normal", kind)
        np.put_along_axis(matrix, places, kind.type(self.stddev) * values, axis=0)
        return matrix


@scheme
class UnitNormColumns(_MatrixScheme):
    """Weights of every unit on a sphere: random directions, all of one length.

    No unit starts louder than another, however few inputs it has. The mean square of a unit's
    weights is exactly `norm**2 / fan_in`; `norm=2**0.5` is He's size.

    Args:
        norm: Euclidean length of the weights that enter one unit (unitless), positive.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given. The
        length of a convolution's unit is over all its inputs in the window. For `DepthwiseConv2D`
        give `input_axes=[0, 1], output_axes=[2, 3]`; for `Conv2DTranspose` `[0, 1, 3]` and `[2]`.

    Source:
        A Gaussian vector divided by its length is uniform on the sphere: Muller 1959, A note on a
        method for generating points uniformly on n-dimensional spheres,
        https://doi.org/10.1145/377939.377946. In reinforcement learning known as `normc` from
        https://github.com/openai/baselines, which sums over the first axis alone.

    Example:
        >>> weights = UnitNormColumns(seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(
        self,
        *,
        norm: float = 1.0,
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.norm = checked_number(norm, "norm", "is the length of a unit's weights", positive=True)
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    def _matrix(self, sizes: tuple[int, int], stream: Stream, kind: np.dtype) -> np.ndarray:
        matrix = drawn(sizes, stream, "normal", kind)
        matrix /= np.linalg.norm(matrix, axis=0, keepdims=True) / kind.type(self.norm)
        return matrix


@scheme
class Sinusoidal(_MatrixScheme):
    """Weights on sine waves, a frequency for each unit: nothing is random.

    Input j of n meets unit i of m with `a sin(2 pi i (j/n + 1/m))`, j from 0 and i from 1. The
    amplitude a makes the sample variance of all weights `2 / (n + m)`. The weights of a unit sum to
    zero, except that unit i is constant where n divides i. Where n and m both divide 2i, unit i is
    all zero, so dead before ReLU: the middle and the last unit of a square layer of even width.
    Equal shapes get equal weights.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given, and
        more than two inputs or outputs: with fewer all waves are zero.

    Raises:
        ValueError: On call, if the shape has fewer than two axes, or at most two inputs and at most
            two outputs.

    Source:
        Fernandez-Hernandez et al. 2025, https://arxiv.org/abs/2505.12909, in the form of the
        authors' code (https://github.com/jmiravet/Sinusoidal-Initialization), which counts j from
        0, takes the sample variance, and for a convolution counts j over channels, then window.
        Angles are reduced exactly here; in the code rounding leaves 1e-6 where zero belongs.

    Example:
        >>> weights = Sinusoidal()((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(self, *, input_axes: Axes = None, output_axes: Axes = None):
        super().__init__(seed=0, input_axes=input_axes, output_axes=output_axes)

    def check(self, shape: tuple[int, ...]) -> None:
        super().check(shape)
        count = len(self._inputs(shape))
        sizes = [shape[axis] for axis in self._order(shape)]
        if 0 in shape or max(math.prod(sizes[:count]), math.prod(sizes[count:])) <= 2:
            raise ValueError(
                "`Sinusoidal` needs more than two inputs or outputs: in a smaller kernel all waves "
                f"are zero. Received: shape={shape}. Try `XavierNormal`."
            )

    def _matrix(self, sizes: tuple[int, int], stream: Stream, kind: np.dtype) -> np.ndarray:
        inputs, units = sizes
        turns = np.arange(inputs)[:, None] * units + inputs
        turns = turns * np.arange(1, units + 1) % (inputs * units)
        waves = np.sin(2 * np.pi / (inputs * units) * turns)
        waves[2 * turns % (inputs * units) == 0] = 0.0
        amplitude = math.sqrt(2 / ((inputs + units) * waves.var(ddof=1)))
        return (amplitude * waves).astype(kind)
