import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_initlab.theory import STANDARD_VARIANCE, Fans, Law, fans_of, rectifier_scale, spread_of

pytestmark = pytest.mark.once

SIZES = st.integers(1, 64)


@pytest.mark.parametrize(
    ("shape", "fans"),
    [
        ((50, 10), Fans(50, 10)),
        # 3 * 3 * 8 and 3 * 3 * 16
        ((3, 3, 8, 16), Fans(72, 144)),
        # 5 * 4 and 5 * 2
        ((5, 4, 2), Fans(20, 10)),
    ],
)
def test_fans_are_those_worked_by_hand(shape, fans):
    assert fans_of(shape) == fans


def test_axes_choose_the_fans():
    # Attention output: heads 4 and features 6 in, 12 out.
    assert fans_of((4, 6, 12), input_axes=[0, 1], output_axes=[2]) == Fans(24, 12)


@given(SIZES, SIZES, SIZES)
def test_transposing_swaps_the_fans(window, inputs, outputs):
    fans = fans_of((window, inputs, outputs))

    assert fans_of((window, outputs, inputs)) == Fans(fans.fan_out, fans.fan_in)


@given(st.floats(0.01, 100), SIZES, SIZES, st.sampled_from(["fan_in", "fan_out", "fan_avg"]))
def test_scaling_scales_the_variance(scale, inputs, outputs, fan):
    fans = Fans(inputs, outputs)
    unit = Law(scale=1.0, fan=fan, draw="normal").variance(fans)

    variance = Law(scale=scale, fan=fan, draw="normal").variance(fans)

    assert variance == pytest.approx(scale * unit)


def test_truncated_variance_is_the_exact_one():
    assert STANDARD_VARIANCE["truncated_normal"] == pytest.approx(
        stats.truncnorm(-2, 2).var(), rel=1e-12
    )


def test_spread_of_a_uniform_is_the_paper_bound():
    # Glorot and Bengio 2010, eq. 16: sqrt(6) / sqrt(50 + 10).
    law = Law(scale=1.0, fan="fan_avg", draw="uniform")

    assert law.spread(Fans(50, 10)) == pytest.approx(math.sqrt(6) / math.sqrt(60))


def test_spread_of_the_printed_formula_is_half_of_it():
    # sqrt(6) / (2 sqrt(60))
    assert spread_of("uniform", 0.25 * 2 / 60) == pytest.approx(math.sqrt(6) / (2 * math.sqrt(60)))


def test_rectifier_scale_is_that_of_the_paper():
    # He et al. 2015, eq. 15 with a = 0.25: 2 / 1.0625.
    assert rectifier_scale(0.25) == pytest.approx(1.8823529411764706)


def test_zero_fan_counts_as_one():
    assert Law(scale=2.0, fan="fan_in", draw="normal").variance(Fans(0, 4)) == 2.0
