"""Models of other libraries, of files, and trained ones."""

import keras
import numpy as np
import pytest
from carried_models import DIMENSIONS, model_of, trained, values
from keras import layers

from keras_initlab import carry_over

OLD, NEW = ["ann", "bob", "cat"], ["cat", "dan", "ann", "eve"]
PAIR = {"users": (OLD, NEW)}


def check_moved(old, new):
    np.testing.assert_array_equal(new[[0, 2]], old[[2, 0]])


def distributed(rows):
    keras_rs = pytest.importorskip("keras_rs")
    table = keras_rs.layers.TableConfig("users", rows, DIMENSIONS, placement="default_device")
    feature = keras_rs.layers.FeatureConfig("user", table, (8, 1), (8, DIMENSIONS))
    ids = keras.Input((1,), batch_size=8, dtype="int32", name="ids")
    vectors = keras_rs.layers.DistributedEmbedding({"user": feature}, name="vectors")({"user": ids})
    return keras.Model(ids, layers.Dense(1, name="score")(vectors["user"]))


def bag(rows):
    keras_rs = pytest.importorskip("keras_rs")
    ids = keras.Input((3,), dtype="int32", name="ids")
    vectors = keras_rs.layers.EmbedReduce(rows, DIMENSIONS, combiner="mean", name="users")(ids)
    return keras.Model(ids, layers.Dense(1, name="score")(vectors))


class Ranker(keras.Model):
    """A model without a graph, whose table is two layers down."""

    def __init__(self, rows):
        super().__init__(name="ranker")
        table = layers.Embedding(rows, DIMENSIONS, name="users")
        self.tower = keras.Sequential([table, layers.Flatten(), layers.Dense(2, name="deep")])
        self.score = layers.Dense(1, name="score")

    def build(self, shape):
        self.tower.build(shape)
        self.score.build((None, 2))
        self.built = True

    def call(self, ids):
        return self.score(self.tower(ids))


def subclassed(rows):
    model = Ranker(rows)
    model.build((None, 1))
    return model


@pytest.mark.parametrize("build", [distributed, bag, subclassed])
def test_tables_that_no_graph_shows_move_with_their_slots(build):
    old, new = build(3), build(4)
    for model in (old, new):
        model.compile(keras.optimizers.Adam(0.01), "mse")
    table = next(k for k, v in enumerate(old.trainable_variables) if "users" in v.path)
    gradients = [np.random.default_rng(0).normal(size=v.shape) for v in old.trainable_variables]
    gradients = [keras.ops.convert_to_tensor(each, "float32") for each in gradients]
    old.optimizer.apply(gradients, old.trainable_variables)
    with pytest.raises(ValueError, match="'users', 3 rows before and 4 now"):
        carry_over(old, new)

    told = carry_over(old, new, vocabularies=PAIR)

    tables = [values(model.trainable_variables[table]) for model in (old, new)]
    check_moved(*tables)
    slots = [
        [values(v) for v in model.optimizer.variables if "users" in v.name] for model in (old, new)
    ]
    assert len(slots[1]) == 2
    for was, now in zip(*slots, strict=True):
        assert was.any()
        check_moved(was, now)
    assert told.left == {}


def features(words):
    space = keras.utils.FeatureSpace(
        features={"user": keras.utils.FeatureSpace.string_categorical(output_mode="int")},
        output_mode="dict",
    )
    space.preprocessors["user"].set_vocabulary(words)
    table = layers.Embedding(len(words) + 1, DIMENSIONS, name="users")
    ids = keras.Input((1,), dtype="int64", name="user")
    return space, keras.Model(ids, layers.Dense(1, name="score")(table(ids)))


@pytest.mark.once
def test_training_model_of_a_feature_space_takes_its_lookups():
    (before, old), (now, new) = features(OLD), features(NEW)
    with pytest.raises(ValueError, match=r"'users'.*'user', as they come"):
        carry_over(old, new)

    pair = (before.preprocessors["user"], now.preprocessors["user"])
    told = carry_over(old, new, vocabularies={"users": pair})

    tables = [values(model.get_layer("users").embeddings) for model in (old, new)]
    np.testing.assert_array_equal(tables[1][[0, 1, 3]], tables[0][[0, 3, 1]])
    assert told.tables[0].tokens == f"lookup {pair[0].name!r}, lookup {pair[1].name!r}"


# --- files -------------------------------------------------------------------------------------


def adam_model(rows):
    return model_of(rows, keras.optimizers.Adam(0.01))


def of_keras_file(old, folder):
    old.save(folder / "old.keras")
    return keras.saving.load_model(folder / "old.keras")


def of_weights(old, folder):
    old.save_weights(folder / "old.weights.h5")
    again = adam_model(3)
    again.optimizer.build(again.trainable_variables)
    again.load_weights(folder / "old.weights.h5")
    return again


def of_backup(old, folder):
    """As `BackupAndRestore` brings it back after a kill."""
    backup = keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False)
    backup.set_model(old)
    backup.on_train_begin()
    backup.on_epoch_end(0)
    again = adam_model(3)
    restored = keras.callbacks.BackupAndRestore(folder / "backup")
    restored.set_model(again)
    restored.on_train_begin()
    return again


@pytest.mark.parametrize("way", [of_keras_file, of_weights, of_backup])
def test_model_of_a_file_is_carried_over_with_its_slots(way, tmp_path):
    old = trained(adam_model(3), OLD)

    told = carry_over(way(old, tmp_path), new := adam_model(4), vocabularies=PAIR)

    expected = adam_model(4)
    carry_over(old, expected, vocabularies=PAIR)
    assert told.iterations == 3
    for theirs, ours in zip(expected.optimizer.variables, new.optimizer.variables, strict=True):
        np.testing.assert_array_equal(values(theirs), values(ours))
    check_moved(*(values(model.get_layer("users").embeddings) for model in (old, new)))


def test_models_that_share_nothing_go_on_training_after_it():
    x, y = np.arange(3)[:, None], np.ones((3, 1), "float32")
    old, new = adam_model(3), adam_model(4)
    old.fit(x, y, epochs=2, verbose=0)
    carry_over(old, new, vocabularies=PAIR)
    ids = np.array([NEW.index(token) if token in NEW else 1 for token in OLD])[:, None]
    kept = [0, 2]
    before = old.predict(x, verbose=0)

    np.testing.assert_allclose(new.predict(ids, verbose=0)[kept], before[kept], atol=1e-6)
    new.fit(ids[kept], y[kept], epochs=2, verbose=0)

    # The trained memory of one model is not that of the other: JAX gives it away.
    np.testing.assert_array_equal(old.predict(x, verbose=0), before)
    old.fit(x[kept], y[kept], epochs=2, verbose=0)
    np.testing.assert_allclose(
        new.predict(ids[kept], verbose=0), old.predict(x[kept], verbose=0), atol=1e-6
    )


def test_half_precision_tables_keep_their_dtype():
    old, new = (
        keras.Sequential(
            [keras.Input((1,)), layers.Embedding(rows, 4, dtype="bfloat16", name="users")]
        )
        for rows in (3, 4)
    )

    carry_over(old, new, vocabularies=PAIR, new_rows="mean")

    rows = [values(keras.ops.cast(model.weights[0], "float32")) for model in (old, new)]
    check_moved(*rows)
    assert keras.backend.standardize_dtype(new.weights[0].dtype) == "bfloat16"
