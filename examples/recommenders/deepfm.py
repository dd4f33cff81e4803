"""DeepFM: a factorization machine and a tower on the same vectors (Guo et al. 2017).

python examples/recommenders/deepfm.py --data clicks --init ours
"""

import keras
from fields import inputs_of, linear_terms, logit_of, tower, vectors_of
from keras import layers, ops

# DeepCTR 0.9.4: N(0, 1e-4) for all tables, Glorot normal for the tower.
LIBRARY = {
    "tables": keras.initializers.RandomNormal(stddev=1e-4),
    "linear": keras.initializers.RandomNormal(stddev=1e-4),
    "kernels": "glorot_normal",
}


def build(data, tables="uniform", kernels="glorot_uniform", linear="uniform"):
    """A click model."""
    ids, numbers = inputs_of(data)
    vectors = vectors_of(ids, data.vocabulary, 16, tables)
    stacked = ops.stack(vectors, axis=1)
    # All products of two vectors, summed: half of the square of the sum without the squares.
    square, squares = ops.square(ops.sum(stacked, axis=1)), ops.sum(ops.square(stacked), axis=1)
    pairs = ops.sum(ops.subtract(square, squares), axis=1, keepdims=True) / 2
    deep = tower(layers.Concatenate()([*vectors, numbers]), (256, 128, 64), kernels)
    terms = [logit_of(deep, kernels), pairs, *linear_terms(ids, data.vocabulary, linear)]
    logit = layers.Add()(terms)
    return keras.Model([ids, numbers], layers.Activation("sigmoid")(logit), name="deepfm")
