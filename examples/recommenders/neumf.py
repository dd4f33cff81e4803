"""Neural matrix factorization: a product of vectors beside a tower (He et al. 2017).

python examples/recommenders/neumf.py --init ours
"""

import keras
from fields import inputs_of, logit_of, tower, vectors_of
from keras import layers

# Section 4.1 and the authors' code: N(0, 0.01) for tables, LeCun for the logit.
LIBRARY = {
    "tables": keras.initializers.RandomNormal(stddev=0.01),
    "kernels": "glorot_uniform",
    "output": "lecun_uniform",
}


def build(data, tables="uniform", kernels="glorot_uniform", output="glorot_uniform"):
    """A click model of two ids, those of a user and an item."""
    ids, numbers = inputs_of(data)
    factors = vectors_of(ids, data.vocabulary, 16, tables, "factors")
    product = layers.Multiply(name="product")(factors)
    vectors = vectors_of(ids, data.vocabulary, 16, tables)
    deep = tower(layers.Concatenate()([*vectors, numbers]), (64, 32, 16), kernels)
    logit = logit_of(layers.Concatenate()([product, deep]), output)
    return keras.Model([ids, numbers], layers.Activation("sigmoid")(logit), name="neumf")
