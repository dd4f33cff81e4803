"""DCN-v2: layers that cross all features, beside a tower (Wang et al. 2021).

python examples/recommenders/dcn.py --data clicks --init ours
"""

import keras
import keras_rs
from fields import inputs_of, logit_of, tower, vectors_of
from keras import layers

# TensorFlow Recommenders' `Cross`: truncated normals of deviation 0.05.
LIBRARY = {"crosses": keras.initializers.TruncatedNormal(stddev=0.05)}
CROSSES = 4


def build(data, tables="uniform", kernels="glorot_uniform", crosses="glorot_uniform"):
    """A click model with four of keras-rs's `FeatureCross`."""
    ids, numbers = inputs_of(data)
    vectors = vectors_of(ids, data.vocabulary, 16, tables)
    start = layers.Concatenate(name="features")([*vectors, numbers])
    crossed = start
    for number in range(1, CROSSES + 1):
        cross = keras_rs.layers.FeatureCross(kernel_initializer=crosses, name=f"cross_{number}")
        crossed = cross(start, crossed)
    deep = tower(start, (256, 128), kernels)
    logit = logit_of(layers.Concatenate()([crossed, deep]), kernels)
    return keras.Model([ids, numbers], layers.Activation("sigmoid")(logit), name="dcn")
