"""Every tool runs on every model of the field."""

import keras
import numpy as np
import pytest
from field.expected import OVERDRAWN
from field.register import every_case
from field.running import built, data_of, examined, is_same, rows_of, values_of

from keras_initlab import diagnose, initialize, lint


@every_case()
def test_diagnose_and_lint_change_nothing(name):
    assert not examined(name).changed


@every_case(lambda entry: not entry.refused, wrong=OVERDRAWN)
def test_tools_run_after_initialize_which_keeps_what_it_must(name, tmp_path):
    case = built(name)
    model, data = case.model, data_of(case)
    frozen = frozen_of(model)

    initialize(model, data=data, seed=1)
    diagnose(model, data)
    lint(model)
    initialize(model, data=data, seed=1)

    assert all(map(is_same, frozen, frozen_of(model)))
    assert case.kept(model)
    check_round_trip(model, rows_of(case), tmp_path / "model.keras")


@every_case(lambda entry: entry.refused)
def test_data_that_are_not_finite_are_refused(name):
    case = built(name)

    with pytest.raises(ValueError, match="must be finite"):
        initialize(case.model, data=data_of(case), seed=1)


def frozen_of(model):
    """Weights that `initialize` has to leave alone: all but statistics of a normalization."""
    weights = [each for each in model.non_trainable_weights if "moving" not in each.name]
    return values_of(weights)


def check_round_trip(model, rows, path):
    """Assert that a saved model gives the same when it is loaded."""
    model.save(path)
    rows = keras.tree.map_structure(keras.ops.convert_to_tensor, rows)
    # Keras warns of the variables of an optimizer that has made no step.
    loaded = keras.saving.load_model(path, compile=False)
    outputs = (values_of(keras.tree.flatten(each(rows))) for each in (model, loaded))
    for ours, theirs in zip(*outputs, strict=True):
        np.testing.assert_array_equal(ours, theirs)
