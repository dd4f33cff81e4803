"""A search with KerasTuner, which copies its callbacks for each trial."""

import keras
import keras_tuner
import pytest
from monitoring import INPUTS, X, Y

from keras_initlab import ActivationVarianceLogger


def build(choices):
    scheme = choices.Choice("scheme", ["zeros", "he_normal"])
    hidden = keras.layers.Dense(8, "relu", kernel_initializer=scheme, name="a")
    model = keras.Sequential([keras.Input((INPUTS,)), hidden, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


pytestmark = pytest.mark.slow


# KerasTuner 1.4.8 asks for its thread in the old way.
@pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")
def test_each_trial_of_a_search_is_watched_and_written_apart(tmp_path):
    tuner = keras_tuner.GridSearch(build, "loss", directory=tmp_path / "search")
    told = []
    logger = ActivationVarianceLogger(
        tmp_path / "logs", update_freq=1, on_problem=lambda problem: told.append(problem.rule)
    )

    tuner.search(X, Y, batch_size=16, epochs=1, verbose=0, callbacks=[logger])

    assert len(list((tmp_path / "logs").rglob("*tfevents*"))) == 2
    assert told[0] == "dead", "the first trial starts from zeros"
    assert not logger.looks
