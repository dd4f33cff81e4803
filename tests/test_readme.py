"""What the README promises instead of `keras.initializers`: each line of it, tried."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_initlab as kil

README = Path(__file__).parent.parent / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="tests run beside an installed wheel")


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def claims():
    part = README.read_text().partition("## Why not `keras.initializers`?")[2]
    return re.findall(r"^- \*\*(.*?)\*\*", part.partition("\n## ")[0], re.MULTILINE)


@pytest.mark.once
def test_every_claim_has_a_test_here():
    assert claims() == [
        "Same weights everywhere",
        "Never equal by accident",
        "The right fans",
        "A gain for any activation",
        "It says what is wrong",
    ]


def test_same_weights_everywhere():
    # Written down once, on TensorFlow; the suite runs on JAX and torch too.
    expected = [-0.0228963, -0.62706351, -1.1837765, 1.36067986]

    # The last bit of `log` and `sin` may differ between processors.
    assert numpy_of(kil.HeNormal(seed=1)((2, 2))).ravel() == pytest.approx(expected, rel=1e-6)


def test_never_equal_by_accident():
    shared, theirs = kil.HeNormal(), keras.initializers.HeNormal()

    assert not np.array_equal(numpy_of(shared((8, 8))), numpy_of(shared((8, 8))))
    assert np.array_equal(numpy_of(theirs((8, 8))), numpy_of(theirs((8, 8))))


@pytest.mark.parametrize(
    ("kind", "shape", "mode", "fan"),
    [
        # An output of a depthwise convolution sums one channel of a window of 9.
        ("depthwise", (3, 3, 64, 1), "fan_in", 9),
        # Stored as (window, outputs, inputs).
        ("transposed", (3, 3, 8, 64), "fan_in", 9 * 64),
        # An input of an LSTM is read by the 32 units of each of four gates.
        (kil.Kind(gates=4), (16, 4 * 32), "fan_out", 32),
        # An input is seen by its own expert out of eight.
        (kil.Kind(groups=8), (64, 8 * 32), "fan_out", 32),
    ],
)
def test_the_right_fans(kind, shape, mode, fan):
    kernels = [numpy_of(kil.HeNormal(mode=mode, kind=kind, seed=k)(shape)) for k in range(30)]
    count = np.size(kernels)
    # Five standard errors of a Gaussian's variance.
    assert np.mean(np.square(kernels)) == pytest.approx(2 / fan, rel=5 * (2 / count) ** 0.5)


def test_a_gain_for_any_activation():
    def own(x):
        return np.where(x > 0, x, 0.1 * x)

    # E[f^2] = (1 + 0.01) / 2
    assert kil.gain_of(own) == pytest.approx((2 / 1.01) ** 0.5, rel=1e-6)
    assert kil.HeNormal(activation="gelu", seed=1)((4, 4)).shape == (4, 4)


def test_it_says_what_is_wrong():
    start = kil.RandomNormal(stddev=0.01, seed=1)
    hidden = [
        keras.layers.Dense(64, "relu", kernel_initializer=start, name=f"hidden_{k}")
        for k in range(6)
    ]
    model = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(1)])

    problems = kil.diagnose(model, np.random.default_rng(0).normal(size=(128, 8))).problems

    assert any("hidden_" in problem.text and "HeNormal()" in problem.code for problem in problems)
