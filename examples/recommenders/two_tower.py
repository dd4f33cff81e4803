"""Two towers that meet in a dot product, trained with the batch as negatives (Yi et al. 2019).

python examples/recommenders/two_tower.py --init ours
"""

import keras
import numpy as np
from data import later_items
from fields import fresh
from keras import layers, ops
from retrieval import ranks_of

# keras-rs's retrieval examples: tables of U(-0.05, 0.05), Glorot for what follows: Keras's own.
LIBRARY = {"tables": keras.initializers.RandomUniform(-0.05, 0.05)}
DIMENSIONS = 32


def build(ratings, tables="uniform", kernels="glorot_uniform"):
    """A model of the ids of users and items."""

    def tower(size, name):
        ids = keras.Input((), dtype="int32", name=name)
        table = layers.Embedding(size, DIMENSIONS, embeddings_initializer=fresh(tables))
        x = layers.Dense(64, "relu", kernel_initializer=fresh(kernels), name=f"{name}_1")(
            table(ids)
        )
        x = layers.Dense(DIMENSIONS, kernel_initializer=fresh(kernels), name=f"{name}_out")(x)
        return keras.Model(ids, x, name=f"{name}_tower")

    user, item = tower(ratings.users, "user"), tower(ratings.items, "item")
    ids = [keras.Input((), dtype="int32", name=name) for name in ("users", "items")]
    # Every user of a batch with every item of it, which comes as often as it is popular: without
    # the correction (Yi et al. 2019, eq. 4) popular items would be held down.
    popularity = layers.Embedding(
        ratings.items, 1, weights=[log_shares(ratings)], trainable=False, name="popularity"
    )
    logits = ops.matmul(user(ids[0]), ops.transpose(item(ids[1])))
    logits = logits - ops.transpose(popularity(ids[1]))
    model = keras.Model(ids, logits, name="two_tower")
    model.compile(keras.optimizers.Adam(1e-3), diagonal_loss)
    return model


def log_shares(ratings):
    """The logarithm of each item's share of the training rows `(items, 1)`."""
    counts = np.bincount(ratings.item[~ratings.test], minlength=ratings.items)
    return np.log(np.maximum(counts, 1) / counts.sum()).astype("float32")[:, None]


@keras.saving.register_keras_serializable("recommenders")
def diagonal_loss(y_true, y_pred):
    """Each user's own item against all others of the batch."""
    own = ops.arange(ops.shape(y_pred)[0])
    return keras.losses.sparse_categorical_crossentropy(own, y_pred, from_logits=True)


def inputs_of(ratings):
    """Users, items and labels that are not used."""
    train = ~ratings.test
    users, items = ratings.user[train], ratings.item[train]
    return [users, items], users


def evaluate(model, ratings):
    """HR@10 and NDCG@10 of each later item among all that the user has not rated."""
    users, _, later, held = later_items(ratings, 1)
    towers = (model.get_layer(f"{name}_tower") for name in ("user", "item"))
    ids = (users, ops.arange(ratings.items))
    left, right = (tower(each) for tower, each in zip(towers, ids, strict=True))
    return ranks_of(ops.convert_to_numpy(ops.matmul(left, ops.transpose(right))), later, held)
