import keras
import numpy as np
import pytest

import keras_initlab as kil


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def assert_isometry(matrix):
    gram = matrix.T @ matrix
    # float32 leaves less than 1e-5.
    assert np.abs(gram - np.eye(len(gram))).max() < 1e-5


def test_parts_lie_in_their_slices():
    scheme = kil.Composite([kil.Constant(1.0), kil.Constant(2.0)], axis=0, sizes=[1, 3])

    values = numpy_of(scheme((4, 2)))

    np.testing.assert_array_equal(values, [[1, 1], [2, 2], [2, 2], [2, 2]])


@pytest.mark.parametrize("inner", [kil.HeNormal(seed=3), keras.initializers.HeNormal(seed=3)])
def test_parts_of_one_seed_are_different(inner):
    one, other = np.split(numpy_of(kil.Composite([inner, inner])((64, 32))), 2, axis=1)

    # Correlation of 1,024 independent pairs: standard error 1 / 32.
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / 32


def test_part_has_the_fans_of_its_slice():
    scheme = kil.Composite([kil.HeNormal(mode="fan_out", seed=1)] * 4)

    values = numpy_of(scheme((256, 256)))

    # fan_out 64 in each part: variance 2 / 64, relative standard error sqrt(2 / size).
    assert abs(values.var() * 64 / 2 - 1) < 5 * np.sqrt(2 / values.size)


def test_squeezed_expert_is_a_dense_kernel():
    scheme = kil.Composite([kil.Orthogonal(seed=1)] * 3, axis=0, squeeze=True)

    for expert in numpy_of(scheme((3, 16, 8))):
        assert_isometry(expert)


@pytest.mark.parametrize(("cell", "gates"), [(keras.layers.LSTM, 4), (keras.layers.GRU, 3)])
def test_every_gate_of_a_recurrent_kernel_is_orthogonal(cell, gates):
    layer = cell(16, recurrent_initializer=kil.PerGate(kil.Orthogonal(seed=1), gates=gates))
    layer.build((None, 5, 8))

    for gate in np.split(numpy_of(layer.cell.recurrent_kernel), gates, axis=1):
        assert_isometry(gate)


def test_gates_of_a_convolutional_cell_are_drawn_apart():
    layer = keras.layers.ConvLSTM2D(
        8, 3, recurrent_initializer=kil.PerGate(kil.DeltaOrthogonal(seed=1), gates=4)
    )
    layer.build((None, 4, 6, 6, 2))

    gates = np.split(numpy_of(layer.cell.recurrent_kernel), 4, axis=-1)

    for gate in gates:
        assert_isometry(gate[1, 1])
    assert np.abs(gates[0] - gates[1]).max() > 0.1


def test_factor_multiplies():
    plain, scaled = kil.HeNormal(seed=1), kil.Scaled(kil.HeNormal(seed=1), factor=0.25)

    np.testing.assert_array_equal(numpy_of(scaled((8, 4))), numpy_of(plain((8, 4))) * 0.25)


@pytest.mark.parametrize(
    ("made", "label"),
    [
        (kil.Scaled("zeros", 0.12345), "Scaled(Zeros, 0.123)"),
        (kil.PerGate(kil.Scaled(kil.HeNormal(), 2.0), gates=4), "PerGate(Scaled(HeNormal, 2))"),
        (kil.Composite(["zeros", "ones", "zeros"]), "Composite(Zeros, Ones)"),
    ],
)
def test_label_names_what_a_scheme_is_made_of(made, label):
    assert made.label == label


@pytest.mark.parametrize("inner", ["HeNormal", "keras_initlab>HeNormal", "he_normal"])
def test_name_of_the_catalogue_is_its_scheme(inner):
    ours = "HeNormal" in inner
    scheme = kil.HeNormal() if ours else keras.initializers.HeNormal()

    for named, given in (
        (kil.Scaled(inner, 2.0, seed=1), kil.Scaled(scheme, 2.0, seed=1)),
        (kil.Composite([inner, inner], seed=1), kil.Composite([scheme, scheme], seed=1)),
    ):
        twin = type(named).from_config(named.get_config())
        np.testing.assert_array_equal(numpy_of(named((32, 32))), numpy_of(given((32, 32))))
        np.testing.assert_array_equal(numpy_of(twin((32, 32))), numpy_of(given((32, 32))))


def test_scaled_hands_axes_to_its_scheme():
    layer = keras.layers.MultiHeadAttention(
        8, 16, kernel_initializer=kil.Scaled(kil.LecunNormal(), factor=2.0)
    )
    layer.build((None, 4, 128), (None, 4, 128))

    for weight in layer.weights:
        if weight.path.endswith("kernel"):
            kernel = numpy_of(weight)
            # 4 / 128 for all four, relative standard error sqrt(2 / size)
            assert abs(kernel.var() * 128 / 4 - 1) < 5 * np.sqrt(2 / kernel.size)


def test_seed_of_scaled_takes_the_place_of_the_inner_one():
    scaled = kil.Scaled(kil.HeNormal(seed=1), factor=1.0, seed=5)

    np.testing.assert_array_equal(numpy_of(scaled((8, 4))), numpy_of(kil.HeNormal(seed=5)((8, 4))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_given_numbers_come_back_exactly(dtype):
    given = np.random.default_rng(0).normal(size=(3, 2)).astype(dtype)

    revived = keras.initializers.get(keras.initializers.serialize(kil.FromArray(given)))

    np.testing.assert_array_equal(np.asarray(revived.values, dtype), given)
    np.testing.assert_array_equal(numpy_of(revived((3, 2))), given.astype("float32"))


def test_nested_schemes_survive_saving(tmp_path):
    inner = kil.Scaled(kil.PerGate(kil.HeNormal(activation="gelu", seed=1), gates=2), factor=0.5)
    layer = keras.layers.Dense(8, kernel_initializer=kil.Composite([inner, "zeros"], axis=0))
    model = keras.Sequential([keras.Input((6,)), layer])
    model.save(tmp_path / "model.keras")

    revived = keras.models.load_model(tmp_path / "model.keras").layers[0].kernel_initializer

    expected = numpy_of(layer.kernel_initializer((6, 8)))
    np.testing.assert_array_equal(numpy_of(revived((6, 8))), expected)


def test_nested_parts_of_one_seed_are_different():
    inner = kil.Scaled(kil.PerGate(kil.LecunNormal(seed=1), gates=1), factor=2.0)

    one, other = np.split(numpy_of(kil.Composite([inner, inner])((8, 8))), 2, axis=1)

    assert (one != other).all()
    assert inner.scheme.scheme.seed == 1


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch does not trace")
def test_values_are_those_of_eager_code_while_a_function_is_traced():
    scheme = kil.Scaled(kil.HeNormal(seed=1), factor=0.5)
    if keras.backend.backend() == "jax":
        import jax

        traced = jax.jit(lambda: scheme((8, 4)))()
    else:
        import tensorflow as tf

        traced = tf.function(lambda: scheme((8, 4)))()

    np.testing.assert_array_equal(numpy_of(traced), numpy_of(scheme((8, 4))))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kil.Composite([]), ValueError, r"Received: parts=\[\]"),
        (lambda: kil.Composite(["he_normal", "he_abnormal"]), ValueError, "he_abnormal"),
        (lambda: kil.Composite(["zeros"], sizes=[1, 2]), ValueError, "1 parts, sizes"),
        (lambda: kil.Composite(["zeros", "ones"], sizes=[-1, 9]), ValueError, "sizes=-1"),
        (lambda: kil.FromArray([1e300])((1,)), ValueError, "fit into float32"),
        (lambda: kil.Composite(["zeros"], axis=3)((2, 2)), ValueError, "axis=3, shape"),
        (lambda: kil.PerGate("zeros", gates=0), ValueError, "gates=0"),
        (lambda: kil.PerGate("zeros", gates=3)((4, 8)), ValueError, r"shape=\(4, 8\)"),
        (lambda: kil.Scaled("zeros", factor=float("nan")), ValueError, "factor=nan"),
        (lambda: kil.Scaled(3, factor=1.0), ValueError, "scheme=3"),
        (lambda: kil.Scaled("CriticalNormal", factor=1.0), TypeError, "needs `activation`"),
        (lambda: kil.FromArray([[1.0], [2.0, 3.0]]), ValueError, "ragged"),
        (lambda: kil.FromArray([1j]), TypeError, "complex128"),
        (lambda: kil.FromArray([float("nan")]), ValueError, "1 of 1 NaN"),
        (lambda: kil.FromArray([1.0, 2.0])((3,)), ValueError, r"shape=\(3,\)"),
    ],
)
def test_bad_argument_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_scheme_without_chance_leaves_the_chances_of_others():
    drawn = []
    for between in (None, kil.FromArray([1.0, 2.0])):
        keras.utils.set_random_seed(1)
        if between is not None:
            between((2,))
        drawn.append(numpy_of(kil.HeNormal()((8, 4))))

    np.testing.assert_array_equal(*drawn)


def test_name_is_drawn_anew_at_each_call():
    scheme = kil.Composite(["he_normal", "he_normal"])

    assert (numpy_of(scheme((8, 8))) != numpy_of(scheme((8, 8)))).any()


def test_generator_inside_moves_on():
    inner = kil.HeNormal(seed=keras.random.SeedGenerator(1))
    scheme = kil.Scaled(inner, factor=1.0, input_axes=[0], output_axes=[1])

    assert (numpy_of(scheme((8, 8))) != numpy_of(scheme((8, 8)))).any()


def test_seed_reaches_every_part():
    scheme = kil.Scaled(kil.Composite([kil.HeNormal(), kil.HeNormal()]), factor=1.0, seed=5)

    np.testing.assert_array_equal(numpy_of(scheme((8, 8))), numpy_of(scheme((8, 8))))


def test_composite_hands_axes_to_its_parts():
    scheme = kil.Composite([kil.LecunNormal(seed=1)] * 4, axis=1)
    layer = keras.layers.EinsumDense("abc,cde->abde", (None, 4, 32), kernel_initializer=scheme)
    layer.build((None, 3, 128))
    kernel = numpy_of(layer.kernel)

    # fan_in 128 for the whole kernel (128, 4, 32): relative standard error sqrt(2 / size).
    assert abs(kernel.var() * 128 - 1) < 5 * np.sqrt(2 / kernel.size)


def test_axes_given_to_the_inner_scheme_stay():
    inner = kil.LecunNormal(seed=1, input_axes=[0, 1], output_axes=[2])
    scheme = kil.Scaled(inner, factor=1.0, input_axes=[0], output_axes=[1, 2])

    np.testing.assert_array_equal(numpy_of(scheme((4, 8, 16))), numpy_of(inner((4, 8, 16))))


def test_bfloat16_numbers_are_numbers():
    given = numpy_of(keras.ops.cast([1.5, -2.0], "float32"))
    tensor = keras.ops.cast(given, "bfloat16")

    values = kil.FromArray(np.asarray(keras.ops.convert_to_numpy(tensor)))

    np.testing.assert_array_equal(numpy_of(values((2,))), given)
