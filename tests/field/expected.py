"""Cases whose verdict, or whose initialization, is wrong today, by backend.

A case that comes right must be taken off: its mark is strict.
"""

# Models that train well, and are called otherwise.
ACCUSED = {
    "tensorflow": {
        "fibinet",
        "mobilenet_v3_small",
    },
    "jax": set(),
    "torch": set(),
}

# Faults whose cause or place nothing names.
UNNAMED = {
    "tensorflow": {
        "heads_in_one_kernel",
    },
    "jax": set(),
    "torch": set(),
}

# Models whose pretrained tables `initialize` draws over.
OVERDRAWN: set[str] = set()

# Models in which XLA fuses anew, and rounds otherwise, what is read of the forward pass: their
# training is the same bit for bit where activations are not watched.
FUSED_ANEW = {
    "tensorflow": set(),
    "jax": {"text_transformer", "attention_without_dropout"},
    "torch": set(),
}
