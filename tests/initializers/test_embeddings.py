import math

import keras
import numpy as np
import pytest
from grids import over

import keras_initlab as kil

# Fourth over squared second moment; of a normal inside two standard deviations 1.4162 / 0.7737**2.
KURTOSIS = {"normal": 3.0, "uniform": 1.8, "truncated_normal": 2.366}
NAMES = ["UnitLookup", "TiedEmbedding", "DLRMUniform", "EmbeddingColumnNormal", "BagEmbedding"]
ROWS, DIMENSIONS = 4_000, 50


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def table_of(scheme, rows=ROWS, dimensions=DIMENSIONS):
    layer = keras.layers.Embedding(rows, dimensions, embeddings_initializer=scheme)
    layer.build()
    return layer, numpy_of(layer.embeddings).astype("float64")


def made(name, **arguments):
    needed = {"bag_size": 4} if name == "BagEmbedding" else {}
    return getattr(kil, name)(**{**needed, **arguments})


def assert_variance(values, variance, draw):
    """Mean square within five standard errors, for independent values."""
    ratio = (np.asarray(values) ** 2).mean() / variance
    assert abs(ratio - 1) < 5 * math.sqrt((KURTOSIS[draw] - 1) / np.size(values))


def combined(table, bags, combiner):
    """A bag by hand: the rows of each bag as a sum, its mean, or the sum over its root."""
    sums = table[bags].sum(axis=1)
    size = bags.shape[1]
    return {"sum": sums, "mean": sums / size, "sqrtn": sums / math.sqrt(size)}[combiner]


@pytest.mark.parametrize("factor", [1.03, 0.97])
def test_assertion_on_variance_refuses_another(factor):
    values = np.random.default_rng(0).normal(0, math.sqrt(factor), (ROWS, DIMENSIONS))

    with pytest.raises(AssertionError):
        assert_variance(values, 1.0, "normal")


@over(
    [
        (kil.UnitLookup(seed=1), 1.0, "normal"),
        (kil.UnitLookup(distribution="truncated_normal", seed=1), 1.0, "truncated_normal"),
        # 1 / 50
        (kil.TiedEmbedding(seed=1), 0.02, "normal"),
        (kil.TiedEmbedding(distribution="truncated_normal", seed=1), 0.02, "truncated_normal"),
        # (2 / sqrt(4000))**2 / 12 = 1 / 12000
        (kil.DLRMUniform(seed=1), 1 / 12_000, "uniform"),
        # 0.7737413 / 50: the deviation 1 / sqrt(50) is the one before the cut
        (kil.EmbeddingColumnNormal(seed=1), 0.015474826, "truncated_normal"),
        (kil.BagEmbedding(bag_size=4, seed=1), 0.25, "normal"),
        (kil.BagEmbedding(combiner="mean", bag_size=2.5, seed=1), 2.5, "normal"),
    ]
)
def test_embedding_layer_gets_the_variance_of_the_table(scheme, variance, draw):
    _, table = table_of(scheme)

    assert_variance(table, variance, draw)


def test_looked_up_vectors_are_rows_of_variance_one():
    layer, table = table_of(kil.UnitLookup(seed=1))
    ids = np.random.default_rng(0).permutation(ROWS)[:2_000]

    vectors = numpy_of(layer(ids))

    np.testing.assert_array_equal(vectors, table[ids].astype("float32"))
    assert_variance(vectors, 1.0, "normal")


@pytest.mark.parametrize(("name", "rows"), [("UnitLookup", 200), ("TiedEmbedding", 200)])
def test_vocabulary_does_not_change_the_variance(name, rows):
    _, small = table_of(made(name, seed=1), rows=rows)
    _, large = table_of(made(name, seed=1), rows=20 * rows)

    variance = 1.0 if name == "UnitLookup" else 0.02
    assert_variance(small, variance, "normal")
    assert_variance(large, variance, "normal")


def test_tied_logits_have_the_variance_of_the_hidden_state():
    _, table = table_of(kil.TiedEmbedding(seed=1))
    hidden = np.random.default_rng(0).normal(0, 3, DIMENSIONS)

    logits = table @ hidden

    # Given the state each logit is normal with variance |hidden|**2 / 50, and rows are independent.
    assert_variance(logits, (hidden**2).mean(), "normal")


@pytest.mark.parametrize(("name", "bound"), [("DLRMUniform", 0.1), ("EmbeddingColumnNormal", 0.5)])
def test_values_fill_the_range_up_to_the_bound(name, bound):
    # 100 rows of 16: sqrt(1 / 100), and two standard deviations 2 / sqrt(16).
    tables = [numpy_of(made(name, seed=seed)((100, 16))) for seed in range(125)]

    largest = np.abs(tables).max()

    # A value lies beyond 0.98 of it with a chance of 0.0047 or more: all within, 0.9953**200,000.
    assert 0.98 * bound < largest <= bound


@over(combiner=["sum", "mean", "sqrtn"], size=[1, 4, 10], draw=["normal", "truncated_normal"])
def test_bag_has_variance_one_after_it_is_combined(combiner, size, draw):
    scheme = kil.BagEmbedding(combiner=combiner, bag_size=size, distribution=draw, seed=1)
    _, table = table_of(scheme)
    bags = np.random.default_rng(0).permutation(ROWS).reshape(-1, size)

    vectors = combined(table, bags, combiner)

    # Bags share no row, so their vectors are independent; at most normal in kurtosis.
    assert_variance(vectors, 1.0, "normal")


@pytest.mark.parametrize("combiner", ["sum", "mean"])
def test_bags_of_several_sizes_take_the_mean_the_docstring_names(combiner):
    sizes = (2, 8)
    # Mean 5 for a sum; 1 / mean(1/2, 1/8) = 3.2 for a mean.
    scheme = kil.BagEmbedding(
        combiner=combiner, bag_size=5 if combiner == "sum" else 3.2, distribution="normal", seed=1
    )
    _, table = table_of(scheme)
    first, second = np.split(np.random.default_rng(0).permutation(ROWS), [800])

    bags = [first.reshape(-1, sizes[0]), second.reshape(-1, sizes[1])]
    small, large = (combined(table, rows, combiner) for rows in bags)

    # 400 bags of each size; variances 2/5 and 8/5 for a sum, 3.2/2 and 3.2/8 for a mean.
    expected = (0.4, 1.6) if combiner == "sum" else (1.6, 0.4)
    assert len(small) == len(large) == 400
    assert_variance(small, expected[0], "normal")
    assert_variance(large, expected[1], "normal")
    assert sum(expected) / 2 == 1


def test_sqrtn_bag_needs_no_size():
    _, table = table_of(kil.BagEmbedding(combiner="sqrtn", seed=1))

    assert_variance(table, 1.0, "normal")


def test_bag_size_is_asked_for_when_the_combiner_needs_it():
    with pytest.raises(ValueError, match=r"Received: bag_size=None\. Try `bag_size="):
        kil.BagEmbedding(combiner="mean")((10, 4))


@over(bag_size=[0, 0.5, -3, float("nan"), float("inf")])
def test_bag_size_below_one_is_refused(bag_size):
    with pytest.raises(ValueError, match="Received: bag_size="):
        kil.BagEmbedding(bag_size=bag_size)


@pytest.mark.parametrize("bag_size", ["4", True, [4]], ids=repr)
def test_bag_size_of_another_type_is_refused(bag_size):
    with pytest.raises(TypeError, match="Received: bag_size="):
        kil.BagEmbedding(bag_size=bag_size)


def test_unknown_combiner_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"'sum', 'mean', 'sqrtn'\. Received: combiner='max'"):
        kil.BagEmbedding(combiner="max", bag_size=2)


@pytest.mark.parametrize("name", ["UnitLookup", "TiedEmbedding", "BagEmbedding"])
def test_uniform_tables_are_refused(name):
    with pytest.raises(ValueError, match="Received: distribution='uniform'"):
        made(name, distribution="uniform")


@over(name=NAMES, shape=[(), (5,), (3, 4, 5)])
def test_other_ranks_are_refused_with_the_layer_that_fits(name, shape):
    with pytest.raises(ValueError, match=r"`keras\.layers\.Embedding`.* Received: shape=\("):
        made(name)(shape)


@over(name=NAMES, shape=[(0, 4), (4, 0)])
def test_empty_table_is_allowed(name, shape):
    assert tuple(made(name)(shape).shape) == shape
