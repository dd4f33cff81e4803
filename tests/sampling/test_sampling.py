import itertools
import math
import zlib

import ml_dtypes
import numpy as np
import pytest
from grids import over
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from keras_initlab.sampling import BLOCK, DRAWS, Desk, Drawing, Stream, fill, fill_parts

pytestmark = pytest.mark.once

KINDS = list(DRAWS)
SHAPE = (700, 1000)
LAWS = {
    "uniform": stats.uniform(-1, 2),
    "normal": stats.norm(),
    "truncated_normal": stats.truncnorm(-2, 2),
}
DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


def drawn(kind, dtype=np.float32, *, shape=SHAPE, seed=1, scheme="test", threads=None, **options):
    out = np.empty(shape, dtype)
    fill(out, Drawing(Stream(seed, scheme, shape), kind, **options), threads=threads)
    return out


@over(kind=KINDS, dtype=[np.float32, np.float64])
def test_bits_do_not_depend_on_threads(kind, dtype):
    one, two, seven = (drawn(kind, dtype, threads=threads) for threads in (1, 2, 7))

    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, seven)


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from(KINDS),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 699_999),
    st.integers(1, 3 * BLOCK),
)
def test_slice_drawn_alone_equals_the_slice_of_the_whole(kind, dtype, start, size):
    size = min(size, 700_000 - start)
    part = np.empty(size, dtype)

    fill(part, Drawing(Stream(1, "test", SHAPE), kind), start=start)

    whole = drawn(kind, dtype).reshape(-1)
    np.testing.assert_array_equal(part, whole[start : start + size])


PLACES = [
    ((700, 1000), [(0, 250), (0, 1000)]),
    ((700, 1000), [(0, 700), (999, 1000)]),
    ((700, 1000), [(133, 660), (17, 801)]),
    ((3, 200_000), [(0, 3), (66_000, 199_000)]),
    ((5, 40, 7, 300), [(0, 5), (11, 30), (0, 7), (0, 300)]),
    ((5, 40, 7, 300), [(1, 4), (0, 40), (2, 3), (0, 300)]),
    ((5, 40, 7, 300), [(1, 4), (3, 9), (2, 6), (250, 300)]),
    ((90_000,), [(65_535, 65_537)]),
    ((), []),
]


@over(PLACES, kind=KINDS, dtype=[np.float32, ml_dtypes.bfloat16])
def test_part_drawn_alone_equals_that_part_of_the_whole(shape, bounds, kind, dtype):
    index = tuple(slice(*ends) for ends in bounds)
    part = np.empty([high - low for low, high in bounds], dtype)

    fill_parts([(part, index)], shape, Drawing(Stream(1, "test", shape), kind, spread=0.25))

    np.testing.assert_array_equal(part, drawn(kind, dtype, shape=shape, spread=0.25)[index])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_parts_that_cover_a_weight_are_the_weight(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=4)))
    cuts = [
        sorted({0, size, *data.draw(st.lists(st.integers(0, size), max_size=2))}) for size in shape
    ]
    bounds = itertools.product(*map(itertools.pairwise, cuts))
    places = [tuple(slice(*pair) for pair in pairs) for pairs in bounds]
    parts = [(np.empty([s.stop - s.start for s in place], np.float32), place) for place in places]

    fill_parts(parts, shape, Drawing(Stream(1, "test", shape), "normal"), threads=2)

    whole = drawn("normal", shape=shape)
    for part, place in parts:
        np.testing.assert_array_equal(part, whole[place])


def test_empty_part_draws_nothing():
    empty = np.empty((0, 4), np.float32)

    fill_parts([(empty, (slice(3, 3), slice(0, 4)))], (9, 4), None)


@over(kind=KINDS, dtype=DTYPES)
def test_values_follow_the_exact_law(kind, dtype):
    values = drawn(kind, dtype, spread=0.25).astype("float64").ravel() / 0.25

    # Rounding to 8 or 11 bits moves a value by at most 2**-8 of it: the mean distance stays below.
    statistic = stats.kstest(values, LAWS[kind].cdf).statistic
    coarse = {np.float16: 2.0**-11, ml_dtypes.bfloat16: 2.0**-8}.get(dtype, 0.0)
    # P(sqrt(n) D > 2.8) = 2 exp(-2 * 2.8**2) = 3e-7, below five standard errors' 5.7e-7.
    assert statistic < 2.8 / math.sqrt(values.size) + coarse


@pytest.mark.parametrize(("kind", "wrong"), [("normal", 1.02), ("uniform", 1.02)])
def test_distance_to_the_law_sees_a_wrong_spread(kind, wrong):
    values = drawn(kind, spread=wrong).ravel()

    statistic = stats.kstest(values, LAWS[kind].cdf).statistic

    assert statistic > 2.8 / math.sqrt(values.size)


@over(
    [(0.0, 0.1), (0.3, 0.1), (-5.0, 0.7)],
    dtype=DTYPES,
    kind=[kind for kind in KINDS if DRAWS[kind].bound],
)
def test_no_value_lies_outside_its_bound(center, spread, dtype, kind):
    bound = {"uniform": 1.0, "truncated_normal": 2.0}[kind]
    values = drawn(kind, dtype, center=center, spread=spread).astype("float64")

    assert np.isfinite(values).all()
    assert values.min() >= center - bound * spread
    assert values.max() <= center + bound * spread


@over(
    kind=[kind for kind in KINDS if DRAWS[kind].bound], dtype=[np.float32, np.float64], end=[-1, 1]
)
def test_largest_values_are_strictly_inside_however_they_are_scaled(kind, dtype, end):
    desk, draw = Desk(np.dtype(dtype)), DRAWS[kind]
    limits = np.iinfo(f"i{desk.itemsize}")
    # The 65,536 outermost words, as dense as they differ in the value.
    steps = np.arange(BLOCK) << (8 * desk.itemsize - np.finfo(dtype).nmant - 1 - 7)
    words = limits.max - steps if end > 0 else limits.min + steps
    desk.words[0] = words.astype(limits.dtype)

    for spread in [1.0, *np.random.default_rng(0).uniform(0.5, 1.0, 200)]:
        draw.fill(desk, 1, 0, BLOCK, spread * draw.unit[desk.itemsize], desk.values)
        largest = float(abs(desk.values).max())
        assert largest < draw.bound if spread == 1 else largest <= spread * draw.bound


@over(kind=KINDS, other=[{"seed": 2}, {"scheme": "other"}, {"shape": (1000, 700)}, {"seed": -1}])
def test_streams_of_different_purpose_are_uncorrelated(kind, other):
    values, others = drawn(kind).ravel(), drawn(kind, **other).ravel()

    product = (values * others).astype("float64") / LAWS[kind].var()

    assert abs(product.mean()) < 5 / math.sqrt(product.size)


@over(kind=KINDS)
def test_blocks_are_uncorrelated(kind):
    blocks = drawn(kind).ravel()[: 10 * BLOCK].reshape(10, BLOCK) / LAWS[kind].std()

    correlation = np.corrcoef(blocks)[np.triu_indices(10, 1)]

    assert abs(correlation).max() < 5 / math.sqrt(BLOCK)


@pytest.mark.parametrize(
    ("kind", "crc"), [("uniform", 1657844319), ("truncated_normal", 1676171214)]
)
def test_bits_are_those_of_every_backend_and_machine(kind, crc):
    assert zlib.crc32(drawn(kind, shape=(100, 30)).tobytes()) == crc


def test_normal_values_are_those_of_every_backend_and_machine():
    expected = [
        0.6065559387207031,
        -0.11333059519529343,
        1.837843418121338,
        2.387669086456299,
        1.8029918670654297,
        -0.5787186026573181,
    ]
    # NumPy's log, sin and cos may differ in the last bit between processors.
    np.testing.assert_allclose(drawn("normal", shape=(100, 30)).ravel()[:6], expected, rtol=1e-6)


@over(kind=KINDS, dtype=[np.float32, np.float64])
def test_a_tiny_spread_keeps_its_digits(kind, dtype):
    # A power of two, so that nothing but its exponent may change.
    spread = 2.0 ** (np.finfo(dtype).minexp + 4)
    tiny, plain = drawn(kind, dtype, spread=spread), drawn(kind, dtype)

    large = abs(plain) > 0.1
    np.testing.assert_array_equal(tiny[large] / spread, plain[large])


def standard(kind, dtype):
    """Standard values of one block, the same words for every draw."""
    desk = Desk(np.dtype(dtype))
    desk.lay(0, np.random.default_rng(0), BLOCK)
    draw = DRAWS[kind]
    draw.fill(desk, 1, 0, BLOCK, draw.unit[desk.itemsize], desk.values)
    return desk.values[0]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3.5e-6), (np.float64, 3e-15)])
def test_truncated_normal_inverts_the_distribution_function(dtype, tolerance):
    words = np.random.default_rng(0).integers(0, 2**64 - 1, BLOCK, np.uint64, endpoint=True)
    words = words.view(f"i{np.dtype(dtype).itemsize}")[:BLOCK]
    position = words * 2.0 ** (1 - 8 * words.itemsize)
    values = standard("truncated_normal", dtype)

    exact = math.sqrt(2) * special.erfinv(position * special.erf(math.sqrt(2)))
    np.testing.assert_allclose(values, exact, rtol=tolerance)
