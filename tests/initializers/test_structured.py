import math
import random

import keras
import numpy as np
import pytest
from grids import over
from scipy import stats

import keras_initlab as kil

# Shape, axes arguments, and the axes over which a unit's weights lie.
KERNELS = [
    ((40, 12), {}, (0,)),
    ((3, 3, 8, 16), {}, (0, 1, 2)),
    ((5, 8, 16), {}, (0, 1)),
    ((24, 4, 6), {"input_axes": [0], "output_axes": [1, 2]}, (0,)),
    ((4, 6, 24), {"input_axes": [0, 1], "output_axes": [2]}, (0, 1)),
    ((6, 24, 4), {"input_axes": [-3, 2], "output_axes": [1]}, (0, 2)),
    # depthwise and transposed convolution
    ((5, 5, 8, 2), {"input_axes": [0, 1], "output_axes": [2, 3]}, (0, 1)),
    ((3, 3, 8, 4), {"input_axes": [0, 1, 3], "output_axes": [2]}, (0, 1, 3)),
]


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def assert_connections(kernel, axes, count):
    assert ((kernel != 0).sum(axis=axes) == count).all()


@over(KERNELS, count=[1, 15])
def test_sparse_unit_has_its_connections(shape, axes, inputs, count):
    kernel = numpy_of(kil.Sparse(connections=count, seed=1, **axes)(shape))

    assert_connections(kernel, inputs, count)


def test_assertion_on_connections_refuses_those_that_leave_an_input():
    kernel = numpy_of(kil.Sparse(seed=1)((16, 16)))

    with pytest.raises(AssertionError):
        assert_connections(kernel, (1,), 15)


def test_sparse_reaches_the_kernels_of_attention():
    layer = keras.layers.MultiHeadAttention(4, 8, kernel_initializer=kil.Sparse())

    layer.build((None, 4, 32), (None, 4, 32))

    assert_connections(numpy_of(layer.query_dense.kernel), (0,), 15)
    assert_connections(numpy_of(layer.output_dense.kernel), (0, 1), 15)


def test_sparse_unit_with_few_inputs_listens_to_them_all():
    assert_connections(numpy_of(kil.Sparse(seed=1)((3, 50))), (0,), 3)


def test_sparse_weights_are_normal():
    kernel = numpy_of(kil.Sparse(stddev=0.5, seed=1)((64, 4000)))

    values = kernel[kernel != 0]

    assert len(values) == 60_000
    assert abs(values.mean()) < 5 * 0.5 / math.sqrt(60_000)
    assert abs(values.var() / 0.25 - 1) < 5 * math.sqrt(2 / 60_000)
    assert stats.kstest(values, stats.norm(0, 0.5).cdf).pvalue > 5.7e-7


def test_sparse_chooses_every_input_and_every_pair_alike():
    chosen = numpy_of(kil.Sparse(connections=4, seed=1)((16, 20_000))) != 0
    pairs = (chosen.astype("float64") @ chosen.T) / 20_000

    # One input with chance 4/16, two with chance 4/16 * 3/15.
    for chance, seen in [(0.25, np.diagonal(pairs)), (0.05, pairs[np.triu_indices(16, 1)])]:
        assert (np.abs(seen - chance) < 5 * math.sqrt(chance * (1 - chance) / 20_000)).all()


def test_sparse_weight_does_not_depend_on_its_place():
    kernel = numpy_of(kil.Sparse(connections=1, seed=1)((16, 30_000)))

    for row in kernel[:2]:
        assert stats.kstest(row[row != 0], "norm").pvalue > 5.7e-7


@over(KERNELS, norm=[1.0, 1.5])
def test_unit_has_its_norm(shape, axes, inputs, norm):
    kernel = numpy_of(kil.UnitNormColumns(norm=norm, seed=1, **axes)(shape))

    lengths = np.sqrt((kernel**2).sum(axis=inputs))

    # A float32 sum of up to 72 squares, a root and a quotient.
    np.testing.assert_allclose(lengths, norm, rtol=72 * np.finfo("float32").eps)


def test_directions_of_units_are_uniform_on_the_sphere():
    kernel = numpy_of(kil.UnitNormColumns(seed=1)((5, 4000)))

    # The square of a coordinate of a uniform direction in n dimensions is Beta(1/2, (n - 1)/2).
    for row in kernel:
        assert stats.kstest(row**2, stats.beta(0.5, 2).cdf).pvalue > 5.7e-7
        assert abs((row > 0).mean() - 0.5) < 2.5 / math.sqrt(4000)
    products = kernel @ kernel.T / 4000
    # Two coordinates are uncorrelated; the variance of their product is 1 / (n (n + 2)).
    off = products[np.triu_indices(5, 1)]
    assert (np.abs(off) < 5 / math.sqrt(35 * 4000)).all()


def test_columns_of_no_inputs_are_allowed():
    assert tuple(kil.UnitNormColumns()((0, 4)).shape) == (0, 4)


def test_sinusoidal_is_the_matrix_worked_out_by_hand():
    # Four inputs, three units. Unit i at input j: sin(360 i (j/4 + 1/3) degrees), in degrees
    # 120 210 300 30; 240 60 240 60; 0 270 180 90.
    half, root = 0.5, math.sqrt(3) / 2
    waves = np.array([[root, -half, -root, half], [-root, root, -root, root], [0, -1, 0, 1]])
    # Squares sum to 2 + 3 + 2 = 7, mean 0, sample variance 7/11; a**2 = 2 / (7 * 7/11) = 22/49.
    expected = math.sqrt(22) / 7 * waves.T

    weights = numpy_of(kil.Sinusoidal()((4, 3)))

    np.testing.assert_allclose(weights, expected, rtol=2 * np.finfo("float32").eps)


@over(shape=[(50, 10), (10, 50), (64, 64), (7, 1), (1, 7), (300, 301)])
def test_sinusoidal_has_the_variance_of_xavier(shape):
    weights = numpy_of(kil.Sinusoidal()(shape))

    variance = 2 / sum(shape)
    assert weights.var(ddof=1) == pytest.approx(variance, rel=2 * float(np.finfo("float32").eps))


@over(shape=[(50, 10), (10, 50), (64, 64), (301, 300)])
def test_weights_of_a_sinusoidal_unit_sum_to_zero_unless_constant(shape):
    weights = numpy_of(kil.Sinusoidal()(shape))
    units = np.arange(1, shape[1] + 1)

    constant = units % shape[0] == 0

    # Each weight is rounded once, by at most half an epsilon of the largest.
    bound = shape[0] * np.finfo("float32").eps / 2 * np.abs(weights).max()
    assert (np.abs(weights[:, ~constant].sum(axis=0)) <= bound).all()
    assert (np.ptp(weights[:, constant], axis=0) == 0).all()


@over([((64, 64), [32, 64]), ((63, 63), [63]), ((8, 12), [12]), ((4, 8), [4, 8]), ((12, 8), [])])
def test_sinusoidal_unit_is_dead_where_both_sizes_divide_its_double(shape, dead):
    weights = numpy_of(kil.Sinusoidal()(shape))

    assert [unit + 1 for unit in range(shape[1]) if not weights[:, unit].any()] == dead


def test_sinusoidal_convolution_counts_channels_before_the_window():
    kernel = numpy_of(kil.Sinusoidal()((3, 2, 4, 5)))
    flat = numpy_of(kil.Sinusoidal()((24, 5)))

    np.testing.assert_array_equal(kernel, flat.reshape(4, 3, 2, 5).transpose(1, 2, 0, 3))


def test_sinusoidal_leaves_chance_alone():
    before = random.getstate()

    kil.Sinusoidal()((8, 8))

    assert random.getstate() == before
    assert "seed" not in kil.Sinusoidal().get_config()


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (kil.Sparse, "connections", 0),
        (kil.Sparse, "stddev", 0),
        (kil.UnitNormColumns, "norm", 0),
        (kil.UnitNormColumns, "norm", float("inf")),
    ],
)
def test_value_out_of_range_is_named(make, name, value):
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        make(**{name: value})


def test_connections_of_another_type_are_refused():
    with pytest.raises(TypeError, match=r"Received: connections=0\.1"):
        kil.Sparse(connections=0.1)


@pytest.mark.parametrize("make", [kil.Sparse, kil.UnitNormColumns, kil.Sinusoidal])
def test_axes_outside_the_kernel_are_refused(make):
    with pytest.raises(ValueError, match=r"Received: input_axes=\[3\]"):
        make(input_axes=[3], output_axes=[0])((4, 4))


def test_sinusoidal_kernel_too_small_for_a_wave_is_refused():
    with pytest.raises(ValueError, match=r"more than two .* Received: shape=\(2, 2\)"):
        kil.Sinusoidal()((2, 2))
