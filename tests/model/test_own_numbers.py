"""`initialize` draws nothing over that is not known to be random."""

import keras
import numpy as np
import pytest
from chains import RNG, reasons_of, schemes_of
from keras import layers as kl
from keras import ops

from keras_initlab import initialize

pytestmark = pytest.mark.once


class OfOnesOwn(keras.initializers.Initializer):
    """Numbers of which only its maker knows what they are."""

    def __call__(self, shape, dtype=None, **kwargs):
        return ops.cast(np.random.default_rng(5).normal(size=shape), dtype or "float32")


VECTORS = RNG.normal(size=(20, 4)).astype("float32")


@pytest.mark.parametrize(
    "given",
    [keras.initializers.Constant(VECTORS), OfOnesOwn(), lambda shape, dtype: ops.array(VECTORS)],
    ids=["array", "class", "function"],
)
def test_numbers_of_ones_own_are_left_alone_unless_asked(given):
    table = kl.Embedding(20, 4, embeddings_initializer=given, name="vectors")
    model = keras.Sequential([keras.Input((3,)), table, kl.Flatten(), kl.Dense(1, name="head")])
    before, ids = np.array(table.embeddings), RNG.integers(0, 20, (33, 3))

    report = initialize(model, data=(ids, np.ones((33, 1))))

    assert np.array_equal(before, np.array(table.embeddings))
    assert "custom" in reasons_of(report)["vectors/embeddings"]
    assert "head/kernel" in schemes_of(report)
    initialize(model, overwrite=True)
    assert not np.array_equal(before, np.array(table.embeddings))
