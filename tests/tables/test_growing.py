import keras
import numpy as np
import pytest

from keras_initlab import Orthogonal, RandomUniform, UnitLookup, extend_table, fill_cold_rows


def embedding(rows, **arguments):
    layer = keras.layers.Embedding(rows, 8, **arguments)
    layer.build(())
    return layer


def values(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("scheme", [UnitLookup(seed=3), RandomUniform(seed=3), Orthogonal(seed=3)])
def test_new_rows_are_those_of_a_table_of_the_new_size(scheme):
    layer = embedding(500, embeddings_initializer=scheme)
    layer.embeddings.assign(layer.embeddings + 1)

    table = extend_table(layer, 700)

    np.testing.assert_array_equal(table[:500], values(layer.embeddings))
    np.testing.assert_array_equal(table[500:], values(scheme((700, 8)))[500:])


def test_unseeded_scheme_draws_new_rows_and_a_seed_repeats_them():
    old = np.zeros((10, 8), "float32")

    fresh = [extend_table(old, 20, scheme=UnitLookup())[10:] for _ in range(2)]
    same = [extend_table(old, 20, scheme=UnitLookup(), seed=1)[10:] for _ in range(2)]

    assert (fresh[0] != fresh[1]).all()
    np.testing.assert_array_equal(*same)


def test_initializer_of_keras_extends_too():
    layer = embedding(10, embeddings_initializer=keras.initializers.RandomNormal(seed=2))

    table = extend_table(layer, 12)

    np.testing.assert_array_equal(table[:10], values(layer.embeddings))
    assert np.isfinite(table).all()


def test_table_that_does_not_grow_stays():
    layer = embedding(10)

    np.testing.assert_array_equal(extend_table(layer, 10), values(layer.embeddings))


def test_extended_model_answers_as_before_for_old_ids():
    def build(rows):
        inputs = keras.Input((3,), dtype="int32")
        table = keras.layers.Embedding(rows, 8, embeddings_initializer=UnitLookup(), name="items")
        x = keras.layers.Flatten()(table(inputs))
        return keras.Model(inputs, keras.layers.Dense(1, name="score")(x))

    small, large = build(50), build(80)
    large.get_layer("items").set_weights([extend_table(small.get_layer("items"), 80)])
    large.get_layer("score").set_weights(small.get_layer("score").get_weights())

    ids = np.arange(48, dtype="int32").reshape(16, 3)
    np.testing.assert_array_equal(values(small(ids)), values(large(ids)))


@pytest.mark.parametrize(
    ("table", "rows", "arguments", "error", "text"),
    [
        (np.zeros((5, 2)), 4, {"scheme": "zeros"}, ValueError, "at least that of the old one"),
        (np.zeros((5, 2)), 6, {}, TypeError, "`scheme` must be given"),
        (np.zeros(5), 6, {"scheme": "zeros"}, ValueError, "two axes"),
        (keras.layers.Dense(3, name="top"), 6, {}, TypeError, "'top' of class Dense"),
        (keras.layers.Embedding(3, 2, name="ids"), 6, {}, TypeError, "'ids'.*not built"),
    ],
)
def test_table_that_cannot_be_extended_is_refused(table, rows, arguments, error, text):
    with pytest.raises(error, match=text):
        extend_table(table, rows, **arguments)


@pytest.mark.parametrize("how", ["mean", "zero"])
def test_rows_never_seen_are_filled(how):
    layer = embedding(6)
    before = values(layer.embeddings).copy()
    seen = [[1, 2], [2, 5]]

    assert fill_cold_rows(layer, seen, how=how) == 3

    after = values(layer.embeddings)
    np.testing.assert_array_equal(after[[1, 2, 5]], before[[1, 2, 5]])
    expected = 0 if how == "zero" else before[[1, 2, 5]].mean(0)
    np.testing.assert_allclose(after[[0, 3, 4]], np.broadcast_to(expected, (3, 8)), rtol=1e-6)


@pytest.mark.parametrize("seen", [[], [6], [-1]])
def test_ids_that_the_table_lacks_are_refused(seen):
    with pytest.raises(ValueError, match="from 0 to 5"):
        fill_cold_rows(embedding(6), seen)


def test_unknown_filling_is_refused():
    with pytest.raises(ValueError, match="`how`"):
        fill_cold_rows(embedding(6), [1], how="median")
