"""The callback sees every model of the field, and changes nothing."""

from field.register import every_case
from field.running import first_difference, plain, watched

# As unlike each other as few cases can be.
SAMPLE = {
    *("string_one_hot_linear", "text_transformer", "subclassed_unbuilt_with_tables"),
    *("numpy_function_layer", "mixed_float16", "lstm_with_masking", "multi_output_dict"),
    *("pydataset_with_weights", "squeeze_excite", "vae_train_step", "frozen_base_new_head"),
}


@every_case(unmarked=SAMPLE)
def test_training_is_bit_identical_and_seen(name):
    with_callback = watched(name)

    assert first_difference(plain(name), with_callback.trained) is None
    assert with_callback.looks
    assert not with_callback.warned
    assert with_callback.clean
