"""Training a model that ranks all items under one of three starts, and what is told of it."""

import keras
import numpy as np
from sklearn.metrics import ndcg_score, top_k_accuracy_score

from keras_initlab import initialize

__all__ = ["ranks_of", "started", "trained"]

BATCH = 128


def started(module, start, ratings, seed):
    """A model at its start."""
    keras.utils.set_random_seed(seed)
    model = module.build(ratings, **(module.LIBRARY if start == "library" else {}))
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


def ranks_of(scores, wanted, held):
    """HR@10 and NDCG@10 of one wanted item each; what a user holds, and id 0, is not ranked."""
    scores = scores.astype("float64")
    scores[:, 0] = -np.inf
    for row, items in zip(scores, held, strict=True):
        row[items] = -np.inf
    # A wanted item may be one that the user rates again.
    keep = np.isfinite(scores[np.arange(len(wanted)), wanted])
    scores, wanted = scores[keep], wanted[keep]
    scores[~np.isfinite(scores)] = scores[np.isfinite(scores)].min() - 1
    labels = np.arange(scores.shape[1])
    relevant = labels[None] == wanted[:, None]
    return {
        "users": len(wanted),
        "hr": float(top_k_accuracy_score(wanted, scores, k=10, labels=labels)),
        "ndcg": float(ndcg_score(relevant, scores, k=10)),
    }
