"""What holds for every case: the callback changes nothing, and every tool runs."""

import keras
import numpy as np
import pytest
from field.expected import FUSED_ANEW, OVERDRAWN
from field.register import BACKEND, every_case
from field.running import (
    built,
    data_of,
    entry_of,
    examined,
    first_difference,
    is_same,
    plain,
    rows_of,
    values_of,
    watched,
)

from keras_initlab import diagnose, initialize, lint

__all__ = [
    "test_diagnose_and_lint_change_nothing",
    "test_tools_run_after_initialize_which_keeps_what_it_must",
    "test_training_is_bit_identical_and_seen",
]

# Run with the fast tests: as unlike each other as few cases can be.
SAMPLE = {
    *("string_one_hot_linear", "numpy_function_layer", "mixed_float16", "vae_train_step"),
    "subclassed_unbuilt_with_tables",
}
# They take up to half a minute each to compile on JAX.
if BACKEND != "jax":
    SAMPLE |= {"multi_output_dict", "pydataset_with_weights", "frozen_base_new_head"}
    SAMPLE |= {"lstm_with_masking", "text_transformer", "squeeze_excite"}


@every_case(unmarked=SAMPLE)
def test_training_is_bit_identical_and_seen(name):
    options = {"watch": ("gradients", "weights", "updates")} if name in FUSED_ANEW[BACKEND] else {}
    with_callback = watched(name, **options)

    assert first_difference(plain(name), with_callback.trained) is None
    assert with_callback.looks
    assert not with_callback.warned
    assert with_callback.clean


@every_case()
def test_diagnose_and_lint_change_nothing(name):
    assert not examined(name).changed


# Keras says so of a layer without `build`.
@pytest.mark.filterwarnings("ignore:.build... was called on layer:UserWarning")
@every_case(wrong=OVERDRAWN)
def test_tools_run_after_initialize_which_keeps_what_it_must(name, tmp_path):
    case, refusal = built(name), entry_of(name).refusal
    if refusal:
        check_refusal(case, refusal)
        return
    model, data = case.model, data_of(case)
    frozen = frozen_of(model)

    initialize(model, data=data, seed=1)
    diagnose(model, data)
    lint(model)
    initialize(model, data=data, seed=1)

    assert all(map(is_same, frozen, frozen_of(model)))
    assert case.kept(model)
    check_round_trip(model, rows_of(case), tmp_path / "model.keras")


def check_refusal(case, refusal):
    """Assert that `initialize` says why it does not take the data."""
    with pytest.raises(ValueError, match=refusal):
        initialize(case.model, data=data_of(case), seed=1)


def frozen_of(model):
    """Weights that `initialize` has to leave alone: all but statistics of a normalization."""
    weights = [each for each in model.non_trainable_weights if "moving" not in each.name]
    return values_of(weights)


def check_round_trip(model, rows, path):
    """Assert that a saved model gives the same when it is loaded."""
    model.save(path)
    # Keras warns of the variables of an optimizer that has made no step.
    loaded = keras.saving.load_model(path, compile=False)
    outputs = (values_of(keras.tree.flatten(each(rows))) for each in (model, loaded))
    for ours, theirs in zip(*outputs, strict=True):
        np.testing.assert_array_equal(ours, theirs)
