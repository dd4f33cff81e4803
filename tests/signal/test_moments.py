import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_initlab import _backend
from keras_initlab.signal.activations import COLUMNS, Activation, activation_rows
from keras_initlab.signal.histograms import BIN_EDGES, histogram_of
from keras_initlab.signal.moments import MOMENTS, combined, moment_rows
from keras_initlab.signal.samples import block_of, weight_sample_of
from keras_initlab.theory import flat_regions


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def block(array, **options):
    return block_of(keras.ops.convert_to_tensor(array), None, **options)


def row(array, activation=None, before=None, mask=None):
    mask = None if mask is None else keras.ops.convert_to_tensor(mask)
    measured = Activation(
        block(array, mask=mask),
        flat_regions(activation),
        None if before is None else block(before, mask=mask),
    )
    values = keras.ops.convert_to_numpy(activation_rows([measured]))[0]
    return dict(zip(COLUMNS, values.tolist(), strict=True))


def moments(array):
    return keras.ops.convert_to_numpy(moment_rows([block(array)]))[0]


def test_moments_keep_their_digits_at_a_large_mean():
    values = np.random.default_rng(0).normal(1000, 0.5, (64, 32)).astype("float32")

    seen = row(values)

    # The mean is rounded to float32 at 1000, so the variance shifts by at most (ulp / 2)**2.
    expected = values.astype("float64").var()
    assert seen["squares"] / seen["count"] == pytest.approx(expected, rel=1e-4)


def test_row_holds_what_a_float64_computation_gives():
    values = np.random.default_rng(1).normal(0.3, 1.5, (96, 40)).astype("float32")
    values[values < -1] = 0
    wide = values.astype("float64")

    seen = row(values)

    # 3,840 elements: half an ulp of rounding each, relative.
    rounding = np.sqrt(values.size) * np.finfo("float32").eps
    assert seen["count"] == values.size
    assert seen["mean"] == pytest.approx(wide.mean(), rel=rounding)
    assert seen["squares"] == pytest.approx(wide.var() * values.size, rel=rounding)
    assert (seen["low"], seen["high"]) == (values.min(), values.max())
    assert seen["zeros"] == (values == 0).sum()


def test_moments_leave_out_what_is_not_finite():
    values = np.array([[1.0, np.nan], [3.0, np.inf], [5.0, -2.0]], "float32")

    seen = dict(zip(MOMENTS, moments(values).tolist(), strict=True))

    # 1, 3, 5 and -2: mean 7/4, squares 39 - 49/4.
    assert seen == {
        "count": 4,
        "mean": 1.75,
        "squares": 26.75,
        "low": -2,
        "high": 5,
        "nonfinite": 2,
    }


def test_masked_steps_are_left_out_of_everything():
    generator = np.random.default_rng(2)
    values = np.maximum(generator.normal(size=(8, 6, 5)), 0).astype("float32")
    mask = np.arange(6) < generator.integers(1, 7, size=(8, 1))
    values[~mask] = 1e6
    kept = values[mask].astype("float64")

    seen = row(values, "relu", mask=mask)

    rounding = np.sqrt(kept.size) * np.finfo("float32").eps
    assert seen["count"] == kept.size
    assert seen["mean"] == pytest.approx(kept.mean(), rel=rounding)
    assert seen["squares"] == pytest.approx(kept.var() * kept.size, rel=rounding)
    assert seen["high"] == np.float32(kept.max())
    assert seen["zeros"] == seen["saturated"] == (kept == 0).sum()


def test_unit_is_dead_when_it_is_zero_on_the_whole_batch():
    values = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]], "float32")

    seen = row(values)

    assert seen["dead"] == 0.5
    assert seen["zeros"] == 6


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "relu6", "elu", "softsign"])
def test_saturated_elements_are_those_with_a_small_slope(name):
    x = np.random.default_rng(3).normal(0, 4, (64, 16)).astype("float32")
    activation = keras.activations.get(name)
    y = keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(x)))
    step = 1e-3
    ends = [activation(keras.ops.convert_to_tensor(x + d)) for d in (step, -step)]
    slope = np.subtract(*map(keras.ops.convert_to_numpy, ends)) / (2 * step)

    # Elements whose slope is so near the threshold that float32 cannot tell.
    near = np.abs(np.abs(slope) - 0.01) < 2e-4
    expected = (np.abs(slope) < 0.01).sum()

    assert abs(row(y, name)["saturated"] - expected) <= near.sum()
    assert expected > 10 * near.sum()


def test_an_activation_that_turns_is_judged_by_what_enters_it():
    x = np.array([[-10.0, -0.75, 0.0, 3.0]], "float32")
    y = keras.ops.convert_to_numpy(keras.activations.gelu(keras.ops.convert_to_tensor(x)))

    # gelu is flat far below zero and at its lowest point, -0.7518.
    assert row(y, "gelu", before=x)["saturated"] == 2
    assert np.isnan(row(y, "gelu")["saturated"])


def test_rank_is_one_when_all_units_do_the_same():
    column = np.random.default_rng(4).normal(size=(32, 1)).astype("float32")

    alike = row(np.repeat(column, 20, axis=1))
    differing = row(np.random.default_rng(5).normal(size=(32, 20)).astype("float32"))

    assert alike["rank"] == pytest.approx(1, abs=1e-5)
    # Marchenko and Pastur: n p / (n + p) for an n x p Gaussian, 32 * 20 / 52 = 12.3.
    assert differing["rank"] == pytest.approx(12.3, abs=2)


def test_similarity_is_one_when_all_examples_look_the_same():
    line = np.random.default_rng(6).normal(size=(1, 20)).astype("float32")

    alike = row(np.repeat(line, 32, axis=0))
    differing = row(np.random.default_rng(7).normal(size=(32, 20)).astype("float32"))

    assert alike["similarity"] == pytest.approx(1, abs=1e-6)
    # The mean inner product of 496 pairs has a standard error of 1 / sqrt(496 * 20).
    assert abs(differing["similarity"]) < 5 / np.sqrt(496 * 20)


def test_half_precision_is_measured_in_float32():
    values = keras.ops.cast(keras.ops.full((512, 64), 300.0), "float16")

    np.testing.assert_array_equal(moments(values)[:3], [512 * 64, 300, 0])


def test_empty_batch_counts_nothing():
    seen = row(np.zeros((0, 4), "float32"), "relu")

    assert seen["count"] == seen["zeros"] == seen["dead"] == seen["saturated"] == 0


@pytest.mark.parametrize("alone", [False, True])
def test_blocks_alone_and_blocks_together_give_the_same(alone, monkeypatch):
    generator = np.random.default_rng(13)
    shapes = [(64, 4), (9, 3), (64, 4), (64, 1)]
    blocks = [block(generator.normal(1, 2, shape).astype("float32")) for shape in shapes]
    blocks[1] = block(np.ones((9, 3), "float32"), mask=keras.ops.arange(9) < 7)
    expected = activation_rows([Activation(each) for each in blocks])

    monkeypatch.setattr(_backend, "prefers_small_operations", lambda: alone)
    rows = activation_rows([Activation(each) for each in blocks])

    np.testing.assert_allclose(numbers(rows), numbers(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others know all lengths")
@pytest.mark.parametrize("masked", [False, True])
def test_batches_of_unknown_length_give_what_known_ones_give(masked):
    import tensorflow as tf

    def measured(values, mask):
        return activation_rows([Activation(block_of(values, 240, mask if masked else None))])

    specs = [tf.TensorSpec((None, 6), "float32"), tf.TensorSpec((None,), "bool")]
    unknown = tf.function(measured, input_signature=specs)
    generator = np.random.default_rng(12)

    # 240 elements are 40 rows: more than the rank is taken of, and fewer.
    for length in (0, 5, 39, 90):
        values = tf.constant(np.maximum(generator.normal(size=(length, 6)), 0), "float32")
        mask = tf.constant(generator.random(length) < 0.7)
        np.testing.assert_allclose(unknown(values, mask), measured(values, mask), rtol=1e-5)


def test_layers_of_one_shape_and_of_others_keep_their_order():
    generator = np.random.default_rng(8)
    arrays = [generator.normal(k, 1, shape) for k, shape in enumerate([(8, 4), (6, 3), (8, 4)])]

    rows = activation_rows([Activation(block(array.astype("float32"))) for array in arrays])

    means = keras.ops.convert_to_numpy(rows)[:, MOMENTS.index("mean")]
    np.testing.assert_allclose(means, [array.mean() for array in arrays], rtol=1e-5)


def test_histogram_counts_what_numpy_counts():
    generator = np.random.default_rng(9)
    values = generator.normal(size=(50, 40)) * 10.0 ** generator.integers(-5, 3, (50, 40))
    values = values.astype("float32")
    values[0, :3] = np.nan, np.inf, 0

    seen = keras.ops.convert_to_numpy(histogram_of(block(values)))

    finite = values[np.isfinite(values)].astype("float64")
    # NumPy closes bins below, ours close towards zero: only exact edges differ, and there are none.
    expected, _ = np.histogram(np.clip(finite, BIN_EDGES[0], BIN_EDGES[-1]), BIN_EDGES)
    np.testing.assert_array_equal(seen, expected)


@settings(deadline=None, max_examples=50)
# Few sizes, for JAX compiles each of them.
@given(st.lists(st.sampled_from([1, 2, 7, 40]), min_size=1, max_size=4), st.integers(0, 2**31))
def test_merging_replicas_equals_measuring_at_once(sizes, seed):
    parts = [
        np.random.default_rng(seed + k).normal(k, 1 + k, (n, 3)).astype("float32")
        for k, n in enumerate(sizes)
    ]

    count, mean, squares, low, high, _ = combined([moments(part) for part in parts])

    whole = np.concatenate(parts).astype("float64")
    assert count == whole.size
    assert mean == pytest.approx(whole.mean(), rel=1e-5, abs=1e-5)
    assert squares / count == pytest.approx(whole.var(), rel=1e-5)
    assert (low, high) == (whole.min(), whole.max())


@pytest.mark.parametrize("replicas", [1, 2])
def test_merging_without_any_finite_element_gives_nan(replicas):
    merged = combined([np.array([[0, 0, 0, np.inf, -np.inf, 5.0]])] * replicas)

    assert np.isnan(merged[0, 1:5]).all()
    assert merged[0, 5] == 5 * replicas


@pytest.mark.parametrize(
    ("shape", "bound", "rows"),
    [
        ((1024, 256), 65_536, 256),
        ((16, 256), 65_536, 16),
        ((1024, 256), None, 1024),
        # 8 examples of 22 x 22 strided positions.
        ((32, 64, 64, 16), 65_536, 8 * 22 * 22),
        ((4, 10), 1, 4),
    ],
)
def test_block_keeps_whole_examples_and_every_unit(shape, bound, rows):
    part = block_of(keras.ops.zeros(shape), bound)

    assert tuple(part.values.shape) == (rows, shape[-1])
    assert part.weights is None


def test_weight_sample_takes_rows_at_equal_distances():
    weight = keras.ops.reshape(keras.ops.arange(40, dtype="float32"), (10, 4))

    part = keras.ops.convert_to_numpy(weight_sample_of(weight, 16))

    np.testing.assert_array_equal(part[:, 0], [0, 12, 24, 36])
