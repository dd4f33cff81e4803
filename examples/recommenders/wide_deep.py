"""Wide & Deep: a logistic regression beside a tower (Cheng et al. 2016).

python examples/recommenders/wide_and_deep.py --data adult --init ours
"""

import keras
from fields import inputs_of, linear_terms, logit_of, tower, vectors_of
from keras import layers

# TensorFlow's `DNNLinearCombinedClassifier`: zeros for the wide part, embedding columns of
# truncated normals with deviation 1 / sqrt(dimensions), Glorot for the tower.
LIBRARY = {
    "tables": keras.initializers.TruncatedNormal(stddev=16**-0.5),
    "linear": "zeros",
}


def build(data, tables="uniform", kernels="glorot_uniform", linear="uniform"):
    """A click model."""
    ids, numbers = inputs_of(data)
    vectors = vectors_of(ids, data.vocabulary, 16, tables)
    deep = tower(layers.Concatenate()([*vectors, numbers]), (256, 128, 64), kernels)
    wide = linear_terms(ids, data.vocabulary, linear)
    logit = layers.Add()([logit_of(deep, kernels), *wide])
    return keras.Model([ids, numbers], layers.Activation("sigmoid")(logit), name="wide_deep")
