"""Training a model that ranks all items under one of three starts, and what is told of it."""

import keras
import numpy as np
from sklearn.metrics import ndcg_score, top_k_accuracy_score
from starts import built

from keras_initlab import initialize

__all__ = ["ranks_of", "started", "trained"]

BATCH = 128


def started(module, start, ratings, seed):
    """A model at its start."""
    model = built(module, start, ratings, seed)
    if start == "ours":
        inputs, _ = module.inputs_of(ratings)
        first = keras.tree.map_structure(lambda values: values[:256], inputs)
        initialize(model, data=first, seed=seed)
    return model


def trained(module, model, ratings, epochs, seed):
    """The loss on the training rows before training and in every epoch; the ranks at the end."""
    inputs, labels = module.inputs_of(ratings)
    keras.utils.set_random_seed(seed)
    start = model.evaluate(inputs, labels, batch_size=BATCH, verbose=0)
    told = model.fit(inputs, labels, batch_size=BATCH, epochs=epochs, verbose=0)
    return {"losses": [start, *told.history["loss"]], **module.evaluate(model, ratings)}


def ranks_of(scores, later, held):
    """HR@10 and NDCG@10 of each later item among all that the user never rates.

    Args:
        scores: `(users, items)`.
        later: For each user the items that were rated later, each ranked by itself.
        held: For each user the items that were rated before. Id 0 is not ranked either.
    """
    rows, wanted = [], []
    for row, items, past in zip(scores.astype("float64"), later, held, strict=True):
        lowest = row.min() - 1
        for item in items:
            ranked = row.copy()
            ranked[[0, *past, *items]] = lowest
            ranked[item] = row[item]
            rows.append(ranked)
            wanted.append(item)
    rows, wanted = np.array(rows), np.array(wanted)
    labels = np.arange(rows.shape[1])
    return {
        "pairs": len(wanted),
        "hr": float(top_k_accuracy_score(wanted, rows, k=10, labels=labels)),
        "ndcg": float(ndcg_score(labels[None] == wanted[:, None], rows, k=10)),
    }
