import keras
import numpy as np
import pytest

import keras_initlab as kil


@pytest.mark.parametrize("shape", [(), (5,), (-1, 4), (None, 4), ("a", 4), (2.5, 4)])
def test_kernel_shape_must_be_known(shape):
    with pytest.raises(ValueError, match="Received: shape="):
        kil.HeNormal()(shape)


@pytest.mark.parametrize("make", [kil.Zeros, kil.RandomNormal])
def test_unknown_axis_is_refused_by_plain_schemes(make):
    with pytest.raises(ValueError, match=r"Received: shape=\(None, 4\)"):
        make()((None, 4))


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf")])
def test_scale_must_be_positive(scale):
    with pytest.raises(ValueError, match="Received: scale="):
        kil.VarianceScaling(scale=scale)


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (kil.Constant, "value", float("nan")),
        (kil.RandomNormal, "mean", float("nan")),
        (kil.RandomNormal, "stddev", 0),
        (kil.TruncatedNormal, "stddev", float("nan")),
        (kil.RandomUniform, "minval", float("-inf")),
        (kil.HeNormal, "negative_slope", float("nan")),
        (kil.HeNormal, "mode", "fan_sum"),
        (kil.HeUniform, "mode", "fan_sum"),
        (kil.HeNormal, "distribution", "uniform"),
        (kil.VarianceScaling, "distribution", "cauchy"),
        (kil.VarianceScaling, "mode", "in"),
    ],
)
def test_value_out_of_range_is_named(make, name, value):
    with pytest.raises(ValueError, match=f"Received: {name}="):
        make(**{name: value})


def test_bounds_must_be_in_order():
    with pytest.raises(ValueError, match="Received: minval=1, maxval=1"):
        kil.RandomUniform(minval=1, maxval=1)


@pytest.mark.parametrize("seed", [1.5, "seed", True, np.zeros(2)], ids=repr)
@pytest.mark.parametrize("make", [kil.HeNormal, kil.RandomUniform])
def test_seed_of_another_type_is_refused(make, seed):
    with pytest.raises(TypeError, match="Received: seed="):
        make(seed=seed)


@pytest.mark.parametrize("value", ["1", None, np.ones(2), True], ids=repr)
def test_number_of_another_type_is_refused(value):
    with pytest.raises(TypeError, match="Received: stddev="):
        kil.RandomNormal(stddev=value)


@pytest.mark.parametrize("dtype", ["int32", "bool", "float8_e4m3fn"])
def test_random_weights_need_a_float_dtype(dtype):
    with pytest.raises(ValueError, match=f"Received: dtype={dtype}"):
        kil.HeNormal()((4, 4), dtype)


def test_constant_refuses_a_dtype_that_cannot_hold_it():
    with pytest.raises(ValueError, match=r"Received: value=0\.5, dtype=int32"):
        kil.Constant(0.5)((2,), "int32")


def test_axes_outside_the_kernel_are_refused():
    with pytest.raises(ValueError, match=r"Received: input_axes=\[3\]"):
        kil.HeNormal(input_axes=[3], output_axes=[0])((4, 4))


def test_axes_of_another_type_are_refused():
    with pytest.raises(TypeError, match="Received: input_axes='0'"):
        kil.HeNormal(input_axes="0")


def test_config_of_a_later_version_says_so():
    config = {**kil.HeNormal().get_config(), "keras_initlab": "9.0.0", "colour": 1}

    with pytest.raises(TypeError, match=r"does not know \['colour'\].* 9\.0\.0\. Received: config"):
        kil.HeNormal.from_config(config)


def test_seed_by_position_is_refused_as_the_argument_would_be_another():
    with pytest.raises(TypeError, match="positional"):
        kil.HeNormal(42)


def test_layer_of_an_unknown_width_is_refused_by_name():
    layer = keras.layers.Dense(4, kernel_initializer=kil.HeNormal())

    with pytest.raises(ValueError, match="None"):
        layer.build((2, None))
