"""Schemes that start attention near the identity, as in trained models."""

import math
from dataclasses import replace

import numpy as np

from keras_initlab.initializers.arguments import Seed
from keras_initlab.initializers.base import ArrayScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_number, checked_seed
from keras_initlab.sampling import Stream, drawn

__all__ = ["MimeticKey", "MimeticOutput", "MimeticQuery", "MimeticValue"]


class _Mimetic(ArrayScheme):
    """One kernel of a pair: the product is drawn, then factored, and each takes its factor."""

    layout: str
    side: int

    def __init__(self, alpha: float, beta: float, seed: Seed):
        self.alpha = checked_number(alpha, "alpha", "multiplies the noise")
        self.beta = checked_number(beta, "beta", "multiplies the identity")
        self.seed = checked_seed(seed)

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or 0 in shape:
            raise ValueError(
                f"`{type(self).__name__}` initializes the kernel `{self.layout}` of a "
                f"`keras.layers.MultiHeadAttention`. Received: shape={shape}."
            )
        features, rank = self._ranks(shape)
        if rank > features:
            raise ValueError(
                f"A product of {features} x {features} features has at most that rank, so "
                f"`{type(self).__name__}` cannot fill a kernel `{self.layout}` of inner size "
                f"{rank}. Received: shape={shape}."
            )

    def _ranks(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Size of the representations, and inner size of the product."""
        raise AssertionError("abstract")

    def _factor(
        self, stream: Stream, sign: int, features: int, rank: int, kind: np.dtype
    ) -> np.ndarray:
        """Our side of `alpha Z + sign beta I`, cut to its `rank` largest singular values."""
        noise = drawn((features, features), stream, "normal", kind).astype("float64")
        target = self.alpha / math.sqrt(features) * noise + sign * self.beta * np.eye(features)
        left, sizes, right = np.linalg.svd(target)
        # LAPACKs differ in the signs of singular vectors, which both sides of the pair must share.
        peaks = np.take_along_axis(left, np.abs(left).argmax(axis=0)[None], axis=0)[0]
        vectors = (left, right.T)[self.side] * np.where(peaks < 0, -1.0, 1.0)
        return vectors[:, :rank] * np.sqrt(sizes[:rank])


class _QueryOrKey(_Mimetic):
    layout = "(features, heads, key_dim)"

    def __init__(self, *, alpha: float = 0.7, beta: float = 0.7, seed: Seed = None):
        super().__init__(alpha, beta, seed)

    def _ranks(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return shape[0], shape[2]

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        features, heads, key_dim = shape
        pair = replace(stream, scheme="Mimetic/query key")
        parts = [pair.part(str(head)) for head in range(heads)]
        factors = [self._factor(part, 1, features, key_dim, kind) for part in parts]
        return np.stack(factors, axis=1).astype(kind)


class _ValueOrOutput(_Mimetic):
    def __init__(self, *, alpha: float = 0.4, beta: float = 0.4, seed: Seed = None):
        super().__init__(alpha, beta, seed)

    def _pair(self, stream: Stream, sizes: tuple[int, int, int], kind: np.dtype) -> np.ndarray:
        features, heads, value_dim = sizes
        pair = replace(stream, scheme="Mimetic/value output", shape=sizes)
        return self._factor(pair, -1, features, heads * value_dim, kind).astype(kind)


@scheme
class MimeticQuery(_QueryOrKey):
    """Query kernels that make each token attend to tokens like itself.

    With `MimeticKey` of the same integer seed, each head's `W_query @ W_key.T` is
    `alpha Z + beta I`, cut to rank `key_dim`, with noise Z of variance `1 / features`: the pattern
    seen in trained vision transformers. Give each layer its own seed. Assign query and key by hand,
    `layer.query_dense.kernel.assign(MimeticQuery(seed=1)(kernel.shape))`, because
    `MultiHeadAttention` has one `kernel_initializer` for all four kernels.

    Args:
        alpha: Weight of the noise (unitless).
        beta: Weight of the identity (unitless).
        seed: The integer that `MimeticKey` gets too. With `None` or a `SeedGenerator` the two
            kernels are independent, and their product is noise.

    Shape:
        `(features, heads, key_dim)` with `key_dim` at most `features`, as in the query kernel of
        `keras.layers.MultiHeadAttention`.

    Source:
        Trockman and Kolter 2023, section 3, https://arxiv.org/abs/2305.09828, with the strengths
        0.7 and 0.7 of their experiments. Factored by singular values, half of each on either side.
        Implementations that scale Z by `1 / features` instead of its root have hardly any noise.

    Example:
        >>> weights = MimeticQuery(seed=1)((64, 4, 16))
        >>> tuple(weights.shape)
        (64, 4, 16)
    """

    side = 0


@scheme
class MimeticKey(_QueryOrKey):
    """Key kernels that make each token attend to tokens like itself.

    The other half of `MimeticQuery`, which explains how to use both.

    Args:
        alpha: Weight of the noise (unitless), the same as for the query.
        beta: Weight of the identity (unitless), the same as for the query.
        seed: The integer that `MimeticQuery` gets too.

    Shape:
        `(features, heads, key_dim)` with `key_dim` at most `features`, as in the key kernel of
        `keras.layers.MultiHeadAttention`; the query must have as many features.

    Source:
        Trockman and Kolter 2023, section 3, https://arxiv.org/abs/2305.09828.

    Example:
        >>> weights = MimeticKey(seed=1)((64, 4, 16))
        >>> tuple(weights.shape)
        (64, 4, 16)
    """

    side = 1


@scheme
class MimeticValue(_ValueOrOutput):
    """Value kernels that, with the output kernel, subtract a little of each token.

    With `MimeticOutput` of the same integer seed, the product over all heads
    `W_value @ W_output` is `alpha Z - beta I`, with noise Z of variance `1 / features`. A negative
    `beta` gives the positive diagonal seen in language models.

    Args:
        alpha: Weight of the noise (unitless).
        beta: Weight of the subtracted identity (unitless).
        seed: The integer that `MimeticOutput` gets too. With `None` or a `SeedGenerator` the two
            kernels are independent, and their product is noise.

    Shape:
        `(features, heads, value_dim)` with `heads * value_dim` at most `features`, as in the value
        kernel of `keras.layers.MultiHeadAttention`.

    Source:
        Trockman and Kolter 2023, section 3, https://arxiv.org/abs/2305.09828, with the strengths
        0.4 and 0.4 of their experiments.

    Example:
        >>> weights = MimeticValue(seed=1)((64, 4, 16))
        >>> tuple(weights.shape)
        (64, 4, 16)
    """

    layout = "(features, heads, value_dim)"
    side = 0

    def _ranks(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return shape[0], shape[1] * shape[2]

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        features, heads, value_dim = shape
        return self._pair(stream, (features, heads, value_dim), kind).reshape(shape)


@scheme
class MimeticOutput(_ValueOrOutput):
    """Output kernels that, with the value kernel, subtract a little of each token.

    The other half of `MimeticValue`, which explains what both do.

    Args:
        alpha: Weight of the noise (unitless), the same as for the value.
        beta: Weight of the subtracted identity (unitless), the same as for the value.
        seed: The integer that `MimeticValue` gets too.

    Shape:
        `(heads, value_dim, features)` with `heads * value_dim` at most `features`, as in the kernel
        of `output_dense` in `keras.layers.MultiHeadAttention`.

    Source:
        Trockman and Kolter 2023, section 3, https://arxiv.org/abs/2305.09828.

    Example:
        >>> weights = MimeticOutput(seed=1)((4, 16, 64))
        >>> tuple(weights.shape)
        (4, 16, 64)
    """

    layout = "(heads, value_dim, features)"
    side = 1

    def _ranks(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return shape[2], shape[0] * shape[1]

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        heads, value_dim, features = shape
        return self._pair(stream, (features, heads, value_dim), kind).T.reshape(shape)
