"""Lookups that are set anew under a trained table."""

import warnings

import keras
import numpy as np
import pytest
from monitoring import TENSORFLOW, logger_of

from keras_initlab.monitor import SignalWarning

pytestmark = pytest.mark.skipif(not TENSORFLOW, reason="lookups run in TensorFlow alone")

WORDS = [10, 11, 12, 13]


def trained():
    """A model with its lookup inside, trained for a few steps, the last batch smaller."""
    lookup = keras.layers.IntegerLookup(vocabulary=WORDS, name="lookup")
    ids = keras.Input((2,), dtype="int64")
    x = keras.layers.Embedding(9, 4)(lookup(ids))
    x = keras.layers.Flatten()(x)
    model = keras.Model(ids, keras.layers.Dense(1, "sigmoid")(x))
    model.compile("adam", "binary_crossentropy")
    fitted(model)
    return model, lookup


def fitted(model):
    """What a logger warns of vocabularies, and notes."""
    logger, random = logger_of(), np.random.default_rng(0)
    rows = random.choice(WORDS, (40, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(rows, random.integers(0, 2, (40, 1)), 16, verbose=0, callbacks=[logger])
    said = [
        warning
        for warning in caught
        if warning.category is SignalWarning and "vocabulary" in str(warning.message)
    ]
    assert bool(said) == any("vocabulary" in note for note in logger.report.notes)
    assert logger.report.healthy is not None
    return [str(warning.message) for warning in said]


@pytest.mark.parametrize(
    ("words", "told"),
    [(WORDS, 0), ([*WORDS, 14], 0), (WORDS[::-1], 1), (WORDS[:3], 1), ([9, *WORDS], 1)],
    ids=["the same", "one more behind", "another order", "one less", "one more in front"],
)
def test_tokens_that_move_under_a_trained_table_are_reported(words, told):
    model, lookup = trained()

    lookup.set_vocabulary(words)

    said = fitted(model)
    assert len(said) == told
    assert all("'lookup'" in text and "carry_over" in text for text in said)
    assert fitted(model) == []


def test_a_vocabulary_may_be_set_before_training():
    model, lookup = trained()
    model.compile("adam", "binary_crossentropy")

    lookup.set_vocabulary(WORDS[::-1])

    assert fitted(model) == []
