"""What the peers test of their own initializers, asked of ours."""

import math

import keras
import numpy as np
from grids import over
from scipy import stats

import keras_initlab as kil

# A two-sided chance of five standard errors.
RARE = 5.7e-7


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


# torch.nn.init: Kolmogorov-Smirnov on several shapes and bounds.
@over([(-0.3, 0.2), (1.0, 4.0)], shape=[(400,), (30, 20), (3, 3, 10, 12), (2, 3, 4, 5, 6)])
def test_uniform_follows_its_bounds(low, high, shape):
    values = numpy_of(kil.RandomUniform(minval=low, maxval=high, seed=3)(shape)).ravel()

    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > RARE


@over(
    [
        ("XavierUniform", "sum", True),
        ("XavierNormal", "sum", False),
        ("HeUniform", "in", True),
        ("HeNormal", "in", False),
    ],
    shape=[(30, 20), (3, 10, 12), (3, 3, 10, 12), (2, 3, 3, 10, 12)],
)
def test_xavier_and_he_follow_their_fans_in_every_rank(name, fan, uniform, shape):
    window = math.prod(shape[:-2])
    fan_in, fan_out = window * shape[-2], window * shape[-1]
    std = math.sqrt(2 / (fan_in + fan_out) if fan == "sum" else 2 / fan_in)
    bound = math.sqrt(3) * std
    law = stats.uniform(-bound, 2 * bound) if uniform else stats.norm(0, std)

    values = numpy_of(getattr(kil, name)(seed=3)(shape)).ravel()

    assert stats.kstest(values, law.cdf).pvalue > RARE


# jax.nn.initializers: variance scaling on the modes of both, and scaled orthogonal matrices.
@over(
    mode=["fan_in", "fan_out", "fan_avg", "fan_geo_avg"],
    distribution=["uniform", "normal", "truncated_normal"],
)
def test_variance_scaling_has_its_variance(mode, distribution):
    fan = {"fan_in": 200, "fan_out": 50, "fan_avg": 125, "fan_geo_avg": 100}[mode]

    scheme = kil.VarianceScaling(scale=1.7, mode=mode, distribution=distribution, seed=3)
    values = numpy_of(scheme((200, 50)))

    # Relative standard error of the variance: at most sqrt(2 / n), a normal's.
    assert abs(values.var() * fan / 1.7 - 1) < 5 * math.sqrt(2 / values.size)


@over(shape=[(4, 6), (6, 4), (3, 4, 6)], gain=[0.5, 3.0])
def test_orthogonal_is_scaled_by_its_gain(shape, gain):
    matrix = numpy_of(kil.Orthogonal(gain=gain, seed=3)(shape)).reshape(-1, shape[-1])

    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    # float32 leaves less than 1e-5 of the size.
    np.testing.assert_allclose(tall.T @ tall, gain**2 * np.eye(tall.shape[1]), atol=1e-5 * gain**2)


# keras.initializers: one instance gives the same values again, another seed others.
@over(name=["RandomNormal", "RandomUniform", "TruncatedNormal", "HeNormal"])
def test_seeds_keep_the_contract_of_keras(name):
    make = getattr(kil, name)
    first = make(seed=1337)

    one, again, twin, other = (
        numpy_of(scheme((5, 5))) for scheme in (first, first, make(seed=1337), make(seed=1338))
    )

    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one, twin)
    assert (one != other).any()


# torch and keras: a tensor without elements, and one of a single unit.
@over(
    name=["HeNormal", "XavierUniform", "Orthogonal", "LecunNormal"], shape=[(0, 3), (3, 0), (1, 1)]
)
def test_degenerate_weights_are_finite(name, shape):
    values = numpy_of(getattr(kil, name)(seed=3)(shape))

    assert values.shape == shape
    assert np.isfinite(values).all()
