"""A transformer that reads what a user has rated and names what comes next (Kang, McAuley 2018).

python examples/recommenders/sasrec.py --init ours
"""

import keras
import numpy as np
from data import later_items, sequences
from fields import fresh
from keras import layers, ops
from retrieval import ranks_of

# The authors' code draws by TensorFlow's default, Glorot, everywhere.
LIBRARY = {"tables": "glorot_uniform"}
LENGTH, DIMENSIONS, BLOCKS = 50, 32, 2


def build(ratings, tables="uniform", kernels="glorot_uniform"):
    """A model of histories `(batch, LENGTH)`, which gives logits for every place."""
    ids = keras.Input((LENGTH,), dtype="int32", name="history")
    table = layers.ReversibleEmbedding(
        ratings.items, DIMENSIONS, embeddings_initializer=fresh(tables), name="items"
    )
    places = layers.Embedding(LENGTH, DIMENSIONS, embeddings_initializer=fresh(tables))
    x = table(ids) * DIMENSIONS**0.5 + places(ops.arange(LENGTH))
    for block in range(BLOCKS):
        normed = layers.LayerNormalization(name=f"norm_{block}")(x)
        heads = layers.MultiHeadAttention(
            2, DIMENSIONS // 2, kernel_initializer=fresh(kernels), name=f"attention_{block}"
        )
        x = layers.Add()([x, heads(normed, normed, use_causal_mask=True)])
        normed = layers.LayerNormalization(name=f"second_norm_{block}")(x)
        for units, activation in ((4 * DIMENSIONS, "relu"), (DIMENSIONS, None)):
            dense = layers.Dense(units, activation, kernel_initializer=fresh(kernels))
            normed = dense(normed)
        x = layers.Add()([x, normed])
    x = layers.LayerNormalization(name="last_norm")(x)
    model = keras.Model(ids, table(x, reverse=True), name="sasrec")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def inputs_of(ratings):
    """Histories and what came next."""
    return sequences(ratings, LENGTH)


def evaluate(model, ratings):
    """HR@10 and NDCG@10 of each later item among all that the user has not rated."""
    _, histories, later, held = later_items(ratings, LENGTH)
    pieces = [ops.convert_to_numpy(model(part))[:, -1] for part in np.array_split(histories, 8)]
    return ranks_of(np.concatenate(pieces), later, held)
