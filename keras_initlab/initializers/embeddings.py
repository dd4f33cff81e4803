"""Schemes for tables of vectors that are looked up by row."""

from typing import Any, Literal, get_args

from keras_initlab.initializers.arguments import BellDistribution, Seed
from keras_initlab.initializers.base import RandomScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import (
    checked_choice,
    checked_normal,
    checked_number,
    checked_seed,
    known_count,
)
from keras_initlab.theory import STANDARD_VARIANCE, spread_of

__all__ = ["BagEmbedding", "DLRMUniform", "EmbeddingColumnNormal", "TiedEmbedding", "UnitLookup"]

_Combiner = Literal["sum", "mean", "sqrtn"]
_BAG = "counts the rows that are combined to one vector"


class _TableScheme(RandomScheme):
    """A scheme for a table `(rows, dimensions)`; subclasses say the variance in `_variance`."""

    def _variance(self, rows: int, dimensions: int) -> float:
        raise AssertionError("abstract")

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        variance = self._variance(*_sizes(type(self).__name__, shape))
        return self.distribution, 0.0, spread_of(self.distribution, variance)


class _NormalTable(_TableScheme):
    """A table with a Gaussian that may be truncated."""

    def __init__(self, *, distribution: BellDistribution = "normal", seed: Seed = None):
        self.distribution = checked_normal(distribution)
        self.seed = checked_seed(seed)


@scheme
class UnitLookup(_NormalTable):
    """Gaussian vectors whose entries have variance 1, whatever the vocabulary.

    For tables whose vectors feed a layer that expects inputs of variance 1, as Xavier, He and LeCun
    weights do. The variance schemes are wrong here: they treat the rows as inputs that are summed,
    so a table of 10,000 rows gives a signal whose variance is 10,000 times too small.

    Shape:
        `(rows, dimensions)`, as in `keras.layers.Embedding`.

    Source:
        A lookup is a product with a one-hot row, so its fan in is 1: LeCun et al. 1998, eq. 16,
        http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf. It is the default of
        `torch.nn.Embedding`; `keras.layers.Embedding` draws from U(-0.05, 0.05), of variance
        8.3e-4. Where dot products of two vectors are the output (matrix factorization), their
        variance is `dimensions`: use `TiedEmbedding` there.

    Example:
        >>> table = UnitLookup(seed=0)((1000, 16))
        >>> tuple(table.shape)
        (1000, 16)
    """

    def _variance(self, rows: int, dimensions: int) -> float:
        return 1.0


@scheme
class TiedEmbedding(_NormalTable):
    """Gaussian vectors of length 1 on average: logits against them have variance 1.

    For a table that is also the output layer (`ReversibleEmbedding`, tied language models, two
    towers, matrix factorization): `hidden @ table.T` has the variance of `hidden`'s entries. The
    variance is `1 / dimensions`.

    Shape:
        `(rows, dimensions)`, as in `keras.layers.Embedding`.

    Source:
        The tying: Press and Wolf 2017, https://arxiv.org/abs/1608.05859. As an input the vectors
        are then too small by `sqrt(dimensions)`, hence the factor of that size after the lookup in
        Vaswani et al. 2017, section 3.4, https://arxiv.org/abs/1706.03762. `fan_out` of a
        `keras.initializers.VarianceScaling` gives the same variance.

    Example:
        >>> table = TiedEmbedding(seed=0)((1000, 16))
        >>> tuple(table.shape)
        (1000, 16)
    """

    def _variance(self, rows: int, dimensions: int) -> float:
        return 1 / dimensions


@scheme
class DLRMUniform(_TableScheme):
    """Uniform vectors that shrink with the vocabulary, as in the recommender DLRM.

    The bound is `sqrt(1 / rows)`: rare features of a large table start almost silent, and the few
    rows of a small table start loud.

    Shape:
        `(rows, dimensions)`, as in `keras.layers.Embedding`.

    Source:
        Naumov et al. 2019, https://arxiv.org/abs/1906.00091, as in their code
        https://github.com/facebookresearch/dlrm (`create_emb` of dlrm_s_pytorch.py). The variance
        is `1 / (3 rows)`, a third of what `fan_in` of a `keras.initializers.VarianceScaling` gives.

    Example:
        >>> table = DLRMUniform(seed=0)((100, 16))
        >>> tuple(table.shape)
        (100, 16)
    """

    distribution = "uniform"

    def __init__(self, *, seed: Seed = None):
        self.seed = checked_seed(seed)

    def _variance(self, rows: int, dimensions: int) -> float:
        return 1 / (3 * rows)


@scheme
class EmbeddingColumnNormal(_TableScheme):
    """Truncated Gaussian vectors, as TensorFlow's embedding columns draw them.

    For models ported from `tf.feature_column.embedding_column` that must start as they did there.
    The standard deviation before the cut is `1 / sqrt(dimensions)`, after it 0.8796 of that.

    Shape:
        `(rows, dimensions)`, as in `keras.layers.Embedding`.

    Source:
        `initializer` in https://www.tensorflow.org/api_docs/python/tf/feature_column/embedding_column;
        Cheng et al. 2016 used such columns, https://arxiv.org/abs/1606.07792. As there, the
        variance is not corrected for the cut; `TiedEmbedding(distribution="truncated_normal")` is.

    Example:
        >>> table = EmbeddingColumnNormal(seed=0)((1000, 16))
        >>> tuple(table.shape)
        (1000, 16)
    """

    distribution = "truncated_normal"

    def __init__(self, *, seed: Seed = None):
        self.seed = checked_seed(seed)

    def _variance(self, rows: int, dimensions: int) -> float:
        return STANDARD_VARIANCE["truncated_normal"] / dimensions


@scheme
class BagEmbedding(_TableScheme):
    """Gaussian vectors that have variance 1 after a bag of them is combined.

    For features with several values: `EmbeddingBag`, `EmbedReduce`, a pooled embedding. The
    variance of each row is `1 / bag_size` before a sum, `bag_size` before a mean and 1 before
    `"sqrtn"`, a sum divided by the root of the number of rows.

    Args:
        combiner: `"sum"`, `"mean"` or `"sqrtn"`, as the layer combines the rows of a bag.
        bag_size: Rows in a bag (count), at least 1; need not be whole. If bags differ in size, give
            the mean size for a sum, and the harmonic mean, `1 / mean(1 / size)`, for a mean. Must
            be given, except for `"sqrtn"`, which fits any size.

    Shape:
        `(rows, dimensions)`, as in `keras.layers.Embedding`.

    Raises:
        ValueError: If an argument's value is not allowed; on call, if `bag_size` was not given or
            the shape does not have two axes.

    Source:
        The variance of a sum of independent rows with weights 1; the combiners are those of
        https://www.tensorflow.org/api_docs/python/tf/nn/embedding_lookup_sparse. A row that a bag
        holds twice counts as `2**2`, not as two. `keras.initializers` has no scheme for it: with
        vectors of variance 1 a sum of ten rows has variance 10 and their mean 0.1.

    Example:
        >>> table = BagEmbedding(combiner="mean", bag_size=10, seed=0)((1000, 16))
        >>> tuple(table.shape)
        (1000, 16)
    """

    def __init__(
        self,
        *,
        combiner: _Combiner = "sum",
        bag_size: float | None = None,
        distribution: BellDistribution = "normal",
        seed: Seed = None,
    ):
        self.combiner = checked_choice(combiner, "combiner", get_args(_Combiner))
        self.bag_size = bag_size if bag_size is None else _checked_bag(bag_size)
        self.distribution = checked_normal(distribution)
        self.seed = checked_seed(seed)

    def _variance(self, rows: int, dimensions: int) -> float:
        if self.combiner == "sqrtn":
            return 1.0
        size = float(known_count(self.bag_size, "bag_size", _BAG))
        return size if self.combiner == "mean" else 1 / size


def _checked_bag(bag_size: Any) -> Any:
    if checked_number(bag_size, "bag_size", _BAG) < 1:
        raise ValueError(
            f"`bag_size` {_BAG}, so it must be at least 1. Received: bag_size={bag_size!r}."
        )
    return bag_size


def _sizes(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and dimensions; an axis of size zero counts as one, for there is nothing to draw."""
    if len(shape) != 2:
        raise ValueError(
            f"`{name}` initializes a table `(rows, dimensions)`, as `embeddings_initializer` of a "
            f"`keras.layers.Embedding`. Received: shape={shape}."
        )
    return max(1, shape[0]), max(1, shape[1])
