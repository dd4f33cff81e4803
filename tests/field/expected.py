"""Cases whose verdict, or whose initialization, is wrong today, by backend.

A case that comes right must be taken off: its mark is strict.
"""

# Models that train well, and are called otherwise.
ACCUSED = {
    "tensorflow": {
        "autoencoder_two_units",
        "causal_convolutions_16_deep",
        "constant_category",
        "deep_interest_network",
        "fibinet",
        "lora_enabled",
        "mini_gpt",
        "mobilenet_v3_small",
        "neumf",
        "raw_features_then_batchnorm",
        "resnet_zero_gamma",
        "skipinit_convnet",
        "string_one_hot_linear",
        "text_transformer",
        "wide_and_deep_one_hot",
    },
    "jax": set(),
    "torch": set(),
}

# Faults whose cause or place nothing names.
UNNAMED = {
    "tensorflow": {
        "adam_of_one",
        "all_columns_around_five",
        "counts_into_dlrm",
        "heads_in_one_kernel",
        "kelvin_into_lstm",
        "log_of_zero",
        "logits_as_probabilities",
        "pixels_into_relu",
        "prices_in_dollars",
        "raw_house_columns",
        "relu_head_below_zero",
        "relu_rnn_of_gain_two",
        "sigmoid_for_a_score",
        "stars_into_cosine",
        "ten_sigmoid_layers",
        "tiny_tables",
        "twenty_blocks_without_norm",
        "unit_normal_attention",
    },
    "jax": set(),
    "torch": set(),
}

# Models whose pretrained tables `initialize` draws over.
OVERDRAWN = {"pretrained_word_vectors"}

# Models in which XLA fuses anew, and rounds otherwise, what is read of the forward pass: their
# training is the same bit for bit where activations are not watched.
FUSED_ANEW = {
    "tensorflow": set(),
    "jax": {"text_transformer", "attention_without_dropout"},
    "torch": set(),
}
