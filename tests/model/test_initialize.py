"""What `initialize` draws when it is told, and from which seed."""

import keras
import numpy as np
import pytest
from chains import chain, check_variance, reasons_of, schemes_of, values_of
from keras import layers as kl

import keras_initlab
from keras_initlab import HeNormal, LecunNormal, Zeros, initialize

# --- schemes of one's own ----------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["lecun_normal", "keras_initlab>LecunNormal", LecunNormal()])
def test_one_scheme_goes_to_all_kernels(scheme):
    model = chain("relu")

    initialize(model, scheme, seed=1)

    for layer in model.layers:
        check_variance(layer.kernel, 1 / layer.kernel.shape[0])


def test_names_of_our_schemes_mean_ours():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8, name="a")])

    for name in ("HeNormal", "XavierNormal", "keras_initlab>SmallInit"):
        initialize(model, name, seed=1)
        drawn = np.array(model.get_weights()[0])
        own = getattr(keras_initlab, name.rpartition(">")[2])
        initialize(model, own(), seed=1)

        np.testing.assert_array_equal(drawn, model.get_weights()[0])


def test_name_that_does_not_say_all_says_what_it_needs():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])

    with pytest.raises(TypeError, match=r"needs `activation`.*CriticalNormal\(activation=\.\.\.\)"):
        initialize(model, "CriticalNormal")


def test_one_scheme_leaves_tables_alone():
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, kl.Dense(1)(kl.Embedding(10, 8, name="table")(ids)))
    before = np.array(model.get_layer("table").embeddings)

    report = initialize(model, "he_normal")

    assert np.array_equal(before, np.array(model.get_layer("table").embeddings))
    assert "this is a table" in next(iter(reasons_of(report).values()))


def test_mapping_gives_each_pattern_its_scheme():
    model = chain("relu")

    report = initialize(model, {"h0": Zeros(), "h*": "auto", "out": "lecun_normal"}, seed=1)

    assert schemes_of(report)["h0/kernel"] == "Zeros"
    assert not np.array(model.get_layer("h0").kernel).any()
    check_variance(model.get_layer("h1").kernel, 2 / 256)


def test_mapping_leaves_alone_what_nothing_matches():
    model = chain("relu")
    before = values_of(model)

    report = initialize(model, {"out": "zeros"})

    assert all(
        np.array_equal(one, other)
        for one, other in zip(before[:-2], values_of(model)[:-2], strict=True)
    )
    assert set(reasons_of(report).values()) == {"no pattern matches"}


def test_pattern_that_matches_nothing_is_refused():
    with pytest.raises(ValueError, match=r"patterns \['hiden'\], which match none"):
        initialize(chain("relu"), {"hiden": "zeros", "*": "auto"})


def test_scheme_that_does_not_fit_names_the_layer_and_changes_nothing():
    model = chain("relu")
    before = values_of(model)

    with pytest.raises(ValueError, match="layer 'h0', shape \\(16, 256\\)"):
        initialize(model, "keras_initlab>Dirac")

    assert all(np.array_equal(a, b) for a, b in zip(before, values_of(model), strict=True))


# --- seeds -------------------------------------------------------------------------------------


def test_seed_repeats_whatever_keras_calls_the_layers():
    def build():
        return keras.Sequential(
            [keras.Input((16,)), kl.Dense(8, "relu"), kl.Dense(8, "relu"), kl.Dense(1)]
        )

    one, two = build(), build()

    initialize(one, seed=3)
    initialize(two, seed=3)

    assert one.layers[0].name != two.layers[0].name
    assert all(np.array_equal(a, b) for a, b in zip(values_of(one), values_of(two), strict=True))


def test_no_two_weights_of_a_model_share_their_numbers():
    model = chain("relu", depth=4)

    initialize(model, seed=3)

    h1, h2 = (np.array(model.get_layer(name).kernel) for name in ("h1", "h2"))
    assert abs(np.corrcoef(h1.ravel(), h2.ravel())[0, 1]) < 5 / np.sqrt(h1.size)


def test_seed_of_a_scheme_counts_where_no_other_is_given():
    models = [chain("relu") for _ in range(3)]

    initialize(models[0], HeNormal(seed=5))
    initialize(models[1], HeNormal(seed=5))
    initialize(models[2], HeNormal())

    one, two, three = (np.array(model.get_layer("h1").kernel) for model in models)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_weights_are_the_same_on_every_backend():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(2, "relu"), kl.Dense(1)])

    initialize(model, seed=0)

    # Drawn once on TensorFlow and written down, with the digits of float32.
    expected = [0.06881065, -0.33353394, 0.40046334, 0.5962745]
    assert np.array(model.layers[0].kernel).ravel()[:4] == pytest.approx(expected, rel=1e-6)
