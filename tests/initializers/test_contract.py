import inspect
import json
import math
import re

import keras
import numpy as np
import pytest
from grids import over
from paper import ATTENTION, CONV, DENSE, ROWS, VARIANTS
from scipy import stats

import keras_initlab
from keras_initlab.initializers.catalogue import CATALOGUE
from keras_initlab.theory import Fans

LAWS = ("uniform", "normal", "truncated")
# Each value drawn alone; any scheme that takes a seed; one whose variance follows the fans.
DRAWN = [name for name, row in ROWS.items() if row.law in LAWS]
SEEDED = [name for name in ROWS if "seed" in inspect.signature(CATALOGUE[name]).parameters]
AXED = [
    name for name, cls in CATALOGUE.items() if issubclass(cls, keras.initializers.VarianceScaling)
]
FANNED = [name for name in AXED if ROWS[name].attention is not None]
DTYPES = ["float16", "bfloat16", "float32"]
if keras.backend.backend() != "jax":
    DTYPES.append("float64")


def make(name, **arguments):
    if name in SEEDED:
        arguments.setdefault("seed", 7)
    return CATALOGUE[name](**{**ROWS[name].arguments, **arguments})


def draws_of(initializer, shape, elements=200_000):
    """Many weights of one shape, flat: fresh seeds until there are enough elements."""
    config = initializer.get_config()
    kernels = [
        numpy_of(type(initializer).from_config({**config, "seed": seed})(shape))
        for seed in range(math.ceil(elements / math.prod(shape)))
    ]
    return np.concatenate([kernel.ravel() for kernel in kernels]).astype("float64")


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def law_of(kind, variance):
    std = math.sqrt(variance)
    if kind == "uniform":
        return stats.uniform(-math.sqrt(3) * std, 2 * math.sqrt(3) * std)
    if kind == "normal":
        return stats.norm(0, std)
    return stats.truncnorm(-2, 2, 0, std / stats.truncnorm(-2, 2).std())


def assert_drawn_from(values, kind, variance):
    """Mean, variance and shape of the distribution, each within five standard errors."""
    law, n = law_of(kind, variance), len(values)
    kurtosis = float(law.stats("k")) + 3
    assert abs(values.mean()) < 5 * math.sqrt(variance / n)
    assert abs(values.var() / variance - 1) < 5 * math.sqrt((kurtosis - 1) / n)
    # Five standard errors are a two-sided chance of 5.7e-7.
    assert stats.kstest(values, law.cdf).pvalue > 5.7e-7


@pytest.mark.parametrize(
    ("kind", "factor"), [("uniform", 1.05), ("normal", 0.975), ("truncated", 1.05)]
)
def test_assertion_on_a_law_refuses_another_variance(kind, factor):
    values = law_of(kind, 0.04 * factor).rvs(200_000, random_state=0)

    with pytest.raises(AssertionError):
        assert_drawn_from(values, kind, 0.04)


def test_assertion_on_a_law_refuses_another_shape():
    values = law_of("normal", 0.04).rvs(200_000, random_state=0)

    with pytest.raises(AssertionError):
        assert_drawn_from(values, "truncated", 0.04)


def test_every_scheme_has_hand_worked_numbers():
    assert set(ROWS) == set(keras_initlab.list_schemes())


@over(name=[name for name in FANNED if hasattr(CATALOGUE[name], "law")])
def test_row_of_the_scheme_says_the_paper_variance(name):
    # Drawing does not read every entry of the row of a rectifier scheme, but readers do.
    fans = Fans(fan_in=50, fan_out=10)

    assert make(name)._law().variance(fans) == pytest.approx(ROWS[name].dense)


@over(
    (name, shape, variance)
    for name in DRAWN
    for shape, variance in [(DENSE, ROWS[name].dense), (CONV, ROWS[name].conv)]
    if variance is not None
)
def test_scheme_draws_the_paper_law(name, shape, variance):
    assert_drawn_from(draws_of(make(name), shape), ROWS[name].law, variance)


@over(name=FANNED)
def test_scheme_draws_the_paper_law_on_attention_axes(name):
    initializer = make(name, input_axes=[0], output_axes=[1, 2])

    values = draws_of(initializer, ATTENTION)

    assert_drawn_from(values, ROWS[name].law, ROWS[name].attention)


@over(VARIANTS)
def test_variant_draws_the_paper_law(name, arguments, variance, law):
    assert_drawn_from(draws_of(make(name, **arguments), DENSE), law, variance)


@over(name=[name for name, row in ROWS.items() if row.law == "constant"])
def test_constant_scheme_fills_with_its_value(name):
    value = 0.25 if name == "Constant" else 0.0
    initializer = make(name, **({"value": value} if value else {}))

    np.testing.assert_array_equal(numpy_of(initializer((3, 2))), np.full((3, 2), value))


@over(name=SEEDED)
def test_integer_seed_repeats_and_none_does_not(name):
    fixed, fresh, shape = make(name), make(name, seed=None), ROWS[name].shape

    np.testing.assert_array_equal(numpy_of(fixed(shape)), numpy_of(fixed(shape)))
    assert (numpy_of(fresh(shape)) != numpy_of(fresh(shape))).any()


def test_unseeded_weights_obey_set_random_seed():
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        drawn.append(numpy_of(make("HeNormal", seed=None)((8, 8))))

    np.testing.assert_array_equal(*drawn)


def test_seed_generator_gives_new_weights_at_each_call():
    initializer = make("HeNormal", seed=keras.random.SeedGenerator(1))
    again = make("HeNormal", seed=keras.random.SeedGenerator(1))

    first, second = numpy_of(initializer((64, 8))), numpy_of(initializer((64, 8)))

    assert (first != second).any()
    np.testing.assert_array_equal(first, numpy_of(again((64, 8))))


def standard(initializer, shape):
    values = numpy_of(initializer(shape)).ravel().astype("float64")
    return values / values.std()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((make("HeNormal"), (512, 256)), (make("HeNormal"), (256, 256))),
        ((make("HeNormal"), (256, 256)), (make("HeNormal", seed=8), (256, 256))),
        ((make("HeNormal"), (256, 256)), (make("XavierNormal"), (256, 256))),
        ((make("HeUniform"), (256, 256)), (make("XavierUniform"), (256, 256))),
    ],
    ids=["shape", "seed", "scheme", "uniform scheme"],
)
def test_weights_of_different_purpose_are_uncorrelated(one, other):
    first, second = standard(*one)[: 256 * 256], standard(*other)

    # The mean of n products of independent standard values has standard error 1 / sqrt(n).
    assert abs((first * second).mean()) < 5 / math.sqrt(len(second))


@over(name=ROWS, dtype=DTYPES)
def test_scheme_gives_the_dtype_asked_for(name, dtype):
    weights = make(name)(ROWS[name].shape, dtype)

    assert keras.backend.standardize_dtype(weights.dtype) == dtype
    assert np.isfinite(numpy_of(keras.ops.cast(weights, "float32"))).all()


@over(name=SEEDED, dtype=["float16", "bfloat16"])
def test_half_precision_is_the_float32_draw_rounded(name, dtype):
    shape = ROWS[name].shape
    whole = make(name)(shape)

    half = numpy_of(keras.ops.cast(make(name)(shape, dtype), "float32"))
    rounded = numpy_of(keras.ops.cast(keras.ops.cast(whole, dtype), "float32"))

    # Values at a bound are rounded inwards: at most one step of the dtype, 2**-8 of the value.
    np.testing.assert_allclose(half, rounded, rtol=2**-7)
    assert (half != rounded).mean() < 0.05


@over(name=ROWS)
def test_config_is_json_and_complete(name):
    initializer = make(name)
    config = initializer.get_config()

    assert json.loads(json.dumps(config)) == config
    parameters = list(inspect.signature(type(initializer).__init__).parameters)[1:]
    assert set(config) == {"keras_initlab", *parameters}


@over(name=FANNED)
def test_fanned_scheme_refuses_a_vector(name):
    with pytest.raises(ValueError, match=r"Received: shape=\(5,\)"):
        make(name)((5,))


@over((name, shape) for name, row in ROWS.items() for shape in row.refused)
def test_shape_that_the_scheme_cannot_serve_is_refused(name, shape):
    with pytest.raises(ValueError, match=rf"Received: .*shape={re.escape(str(shape))}"):
        make(name)(shape)


@over(name=[name for name, row in ROWS.items() if row.dense is not None])
def test_empty_weight_is_allowed(name):
    assert tuple(make(name)((0, 4)).shape) == (0, 4)


@over(name=ROWS)
def test_docstring_has_its_sections_in_order(name):
    doc = inspect.getdoc(CATALOGUE[name])
    sections = ["Args:", "Shape:", "Raises:", "Source:", "Example:"]

    places = [doc.index(f"\n{section}\n") for section in sections]

    assert places == sorted(places)
    assert len(doc.splitlines()[0]) <= 80
    source = doc[doc.index("Source:") : doc.index("Example:")]
    assert any(word in source for word in ("http", "keras.initializers", "Kotz", "Definition"))


@over(name=FANNED)
def test_attention_gets_the_fans_of_its_heads(name):
    layer = keras.layers.MultiHeadAttention(8, 16, kernel_initializer=make(name, seed=None))
    layer.build((None, 4, 128), (None, 4, 128))

    kernels = [numpy_of(weight) for weight in layer.weights if weight.path.endswith("kernel")]

    # All four connect 128 with 8 * 16 = 128 units, where the paper's dense row has 50 or, for the
    # mean of both fans, 30. A normal's variance has the relative standard error sqrt(2 / n).
    fan = 30 if "Xavier" in name else 50
    expected = ROWS[name].dense * fan / 128
    assert len(kernels) == 4
    for kernel in kernels:
        assert abs(kernel.var() / expected - 1) < 5 * math.sqrt(2 / kernel.size)
