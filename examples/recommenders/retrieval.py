"""Training a model that ranks all items under one of three starts, and what is told of it."""

from dataclasses import replace

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
        first = keras.tree.map_structure(lambda values: values[:256], module.inputs_of(ratings))
        initialize(model, data=first, seed=seed)
    return model


def trained(module, model, ratings, epochs, seed):
    """The loss on the training rows before training and in every epoch, and the ranks.

    The ranks are those of the epoch that ranks the last tenth of the training rows best, which is
    held back for that, so that nothing is chosen by the test.
    """
    earlier = earlier_of(ratings)
    inputs, labels = module.inputs_of(earlier)
    keras.utils.set_random_seed(seed)
    losses = [model.evaluate(inputs, labels, batch_size=BATCH, verbose=0)]
    ranks, best = {}, -1.0
    for epoch in range(epochs):
        told = model.fit(inputs, labels, BATCH, epochs=epoch + 1, initial_epoch=epoch, verbose=0)
        losses += told.history["loss"]
        held = module.evaluate(model, earlier)["ndcg"]
        if held > best:
            best, ranks = held, {**module.evaluate(model, ratings), "best": epoch + 1}
    return {"losses": losses, **ranks}


def earlier_of(ratings):
    """The training rows, with the last tenth of them as the test."""
    train = ~ratings.test
    count = int(train.sum())
    return replace(
        ratings,
        user=ratings.user[train],
        item=ratings.item[train],
        rating=ratings.rating[train],
        test=np.arange(count) >= count * 9 // 10,
    )


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
