"""Shapes, counts, numbers and seeds at their ends, over the whole catalogue."""

import inspect
import json
import tracemalloc

import keras
import numpy as np
import pytest
from grids import over
from paper import ROWS

import keras_initlab as kil
from keras_initlab.initializers.catalogue import CATALOGUE

HUGE = 2**40


def made(name, **arguments):
    if "seed" in inspect.signature(CATALOGUE[name]).parameters:
        arguments.setdefault("seed", 7)
    return CATALOGUE[name](**{**ROWS[name].arguments, **arguments})


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def with_size(size):
    """Each scheme with its own shape, in which one axis or all of them have another size."""
    for name, row in ROWS.items():
        axes = len(row.shape)
        for changed in {*((axis,) for axis in range(axes)), tuple(range(axes))}:
            if axes:
                yield name, tuple(size if k in changed else row.shape[k] for k in range(axes))


@over(with_size(0))
def test_empty_shape_gives_an_empty_weight_or_is_refused(name, shape):
    try:
        answer = tuple(made(name)(shape).shape)
    except ValueError as error:
        answer = str(error)

    assert answer == shape or f"shape={shape}" in answer


@over(scheme=[kil.Dirac(), kil.ZerO()], shape=[(0, 3, 4), (3, 0, 4), (3, 4, 0), (2, 0, 3, 4)])
def test_kernel_without_a_center_is_empty(scheme, shape):
    assert tuple(scheme(shape).shape) == shape


@over(with_size(HUGE))
def test_shape_beyond_all_memory_is_refused_in_words(name, shape):
    with pytest.raises((ValueError, MemoryError), match=r"shape=\(") as caught:
        made(name)(shape)

    assert type(caught.value) in (ValueError, MemoryError)


@over(
    shape=[(HUGE, HUGE), (2**31, 2**31, 2), (0, 2**63), 2**70],
    scheme=[kil.Zeros(), kil.RandomNormal(seed=1)],
)
def test_shape_that_no_process_can_address_is_a_wrong_value(shape, scheme):
    with pytest.raises(ValueError, match=r"at most 1.15e\+18 numbers.* Received: shape="):
        scheme(shape)


@pytest.mark.parametrize("gates", [10**7, 7])
def test_gates_are_held_against_the_shape_before_they_are_listed(gates):
    scheme = kil.PerGate("zeros", gates=gates)
    tracemalloc.start()

    with pytest.raises(ValueError, match=f"its {gates} parts"):
        scheme((4, 8))

    # A list of ten million gates takes 80 MB.
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_layer_of_a_file_with_too_many_gates_is_refused_with_its_shape():
    config = keras.layers.Dense(8, kernel_initializer=kil.PerGate("zeros", gates=4)).get_config()
    config["kernel_initializer"]["config"]["gates"] = 10**9
    layer = keras.layers.Dense.from_config(json.loads(json.dumps(config)))

    with pytest.raises(ValueError, match=r"its 1000000000 parts.*shape=\(4, 8\)"):
        layer.build((None, 4))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda count: kil.PerGate("zeros", gates=count), "gates"),
        (lambda count: kil.Composite(["zeros"], sizes=[count]), "sizes"),
        (lambda count: kil.Dirac(groups=count), "groups"),
        (lambda count: kil.GPT2Residual(layers=count), "layers"),
        (lambda count: kil.HeNormal(kind=kil.theory.Kind(groups=count)), "groups"),
        (lambda count: kil.VarianceScaling(scale=count), "scale"),
        (lambda count: kil.Constant(count), "value"),
    ],
    ids=["gates", "sizes", "groups", "layers", "kind", "scale", "value"],
)
def test_number_beyond_the_largest_of_the_machine_is_named(make, name):
    with pytest.raises(ValueError, match=f"Received: {name}"):
        make(10**400)


SEEDS = [-1, 2**31, 2**32 - 1, 2**32, 2**64, -(2**70), np.int64(-5), np.uint64(2**63)]


@over(seed=SEEDS, inner=["he_normal", "HeNormal", "orthogonal"])
def test_any_integer_seed_repeats_whichever_initializer_it_goes_to(inner, seed):
    for scheme in (kil.Scaled(inner, 2.0, seed=seed), kil.PerGate(inner, gates=2, seed=seed)):
        one, other = numpy_of(scheme((8, 8))), numpy_of(scheme((8, 8)))

        np.testing.assert_array_equal(one, other)
        assert one.std() > 0


@pytest.mark.parametrize("seed", [-3, 2**32, 2**64])
def test_seed_of_an_initializer_of_keras_may_be_any_integer(seed):
    scheme = kil.Scaled(keras.initializers.RandomUniform(seed=seed), 2.0)

    np.testing.assert_array_equal(numpy_of(scheme((4, 4))), numpy_of(scheme((4, 4))))
    assert scheme.scheme.seed == seed


def test_large_seeds_give_different_weights():
    seeds = [1, -1, 2**32 + 1, 2**33 + 1, 2**64 + 1]

    drawn = {numpy_of(kil.Scaled("he_normal", 1.0, seed=s)((4, 4))).tobytes() for s in seeds}

    assert len(drawn) == len(seeds)


def test_seed_of_32_bits_is_the_one_that_keras_takes():
    own = numpy_of(keras.initializers.HeNormal(seed=2**31 + 5)((4, 4)))

    scaled = numpy_of(kil.Scaled("he_normal", 1.0, seed=2**31 + 5)((4, 4)))

    np.testing.assert_array_equal(scaled, own)


@pytest.mark.parametrize("seed", [True, 1.0, "1", np.float32(1), [1]], ids=repr)
def test_what_is_no_seed_is_refused_by_wrappers_and_tables(seed):
    table = np.zeros((2, 3), "float32")

    for call in (
        lambda: kil.Scaled("he_normal", 1.0, seed=seed),
        lambda: kil.extend_table(table, 4, scheme=kil.UnitLookup(), seed=seed),
    ):
        with pytest.raises(TypeError, match="Received: seed="):
            call()


@pytest.mark.parametrize("value", [np.ones(3), [1.0], (1.0, 2.0), np.ones((1, 1))], ids=repr)
def test_constant_of_an_array_names_the_scheme_that_takes_one(value):
    with pytest.raises(TypeError, match=r"Received: value of type .*Try `FromArray\(value\)`"):
        kil.Constant(value)
