"""DLRM: products of all pairs of vectors before a tower (Naumov et al. 2019).

python examples/recommenders/dlrm.py --data clicks --init ours
"""

import keras
import keras_rs
from fields import inputs_of, logit_of, tower, vectors_of
from keras import layers

from keras_initlab import DLRMUniform

# The authors' code: U(+-1/sqrt(rows)) for tables, N(0, 2 / (inputs + outputs)) for kernels.
LIBRARY = {"tables": DLRMUniform(), "kernels": "glorot_normal"}


def build(data, tables="uniform", kernels="glorot_uniform"):
    """A click model with keras-rs's `DotInteraction`."""
    ids, numbers = inputs_of(data)
    bottom = tower(numbers, (64, 16), kernels, "bottom")
    vectors = vectors_of(ids, data.vocabulary, 16, tables)
    dots = keras_rs.layers.DotInteraction(name="dots")([bottom, *vectors])
    top = tower(layers.Concatenate()([bottom, dots]), (128, 64), kernels, "top")
    logit = logit_of(top, kernels)
    return keras.Model([ids, numbers], layers.Activation("sigmoid")(logit), name="dlrm")
