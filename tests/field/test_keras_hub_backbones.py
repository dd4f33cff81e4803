"""Backbones of keras-hub in small random configurations, each with a small head.

A run takes those whose parts differ most, and all of them with `EVERY_MODEL=1` in the environment.
"""

import functools
import importlib.util
import os

import keras
import numpy as np
import pytest
from field.training_of_others import Example, check_tools, check_training
from keras import layers

pytestmark = [
    pytest.mark.field,
    pytest.mark.skipif(importlib.util.find_spec("keras_hub") is None, reason="needs keras-hub"),
    # It reads tensorflow-text's and sentencepiece's modules; Keras warns of its masks and of output
    # embeddings that no head reads. What we warn of fails all the same.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

WORDS, LENGTH, ROWS, CLASSES = 30, 9, 10, 4

_RNG = np.random.default_rng(0)
LABELS = _RNG.integers(0, CLASSES, ROWS).astype("int32")
TOKENS = _RNG.integers(1, WORDS, (ROWS, LENGTH)).astype("int32")
PADDED = (np.arange(LENGTH) < _RNG.integers(3, LENGTH + 1, (ROWS, 1))).astype("int32")
IMAGES = _RNG.normal(size=(ROWS, 32, 32, 3)).astype("float32")
SOUND = _RNG.normal(size=(ROWS, 16, 8)).astype("float32")

TEXT = {"token_ids": TOKENS, "padding_mask": PADDED}
SEGMENTED = {**TEXT, "segment_ids": (PADDED * (np.arange(LENGTH) > 4)).astype("int32")}
PAIRS = {
    f"{side}_{name}": values for side in ("encoder", "decoder") for name, values in TEXT.items()
}
SPOKEN = {"encoder_features": SOUND, **{k: v for k, v in PAIRS.items() if k.startswith("dec")}}

SMALL = {"vocabulary_size": WORDS, "num_layers": 2, "hidden_dim": 16, "intermediate_dim": 24}
GROUPED = {**SMALL, "num_query_heads": 4, "num_key_value_heads": 2}
HEADS = {**SMALL, "num_heads": 2}
PLACES = {"max_sequence_length": LENGTH}
STACKS = {
    "input_conv_filters": [8],
    "input_conv_kernel_sizes": [3],
    "stackwise_num_filters": [64, 16],
    "stackwise_num_blocks": [1, 2],
    "stackwise_num_strides": [1, 2],
    "image_shape": (32, 32, 3),
}
PATCHES = {"image_shape": (32, 32, 3), "patch_size": 8, "num_layers": 2, "num_heads": 2}

# What each takes, and its configuration.
BACKBONES = {
    "Albert": (SEGMENTED, {**HEADS, **PLACES, "embedding_dim": 8}),
    "Bart": (PAIRS, {**HEADS, **PLACES}),
    "Bert": (SEGMENTED, {**HEADS, **PLACES}),
    "DebertaV3": (TEXT, {**HEADS, **PLACES, "bucket_size": 4}),
    "DistilBert": (TEXT, {**HEADS, **PLACES}),
    "FNet": (
        {k: v for k, v in SEGMENTED.items() if k != "padding_mask"},
        {**SMALL, **PLACES},
    ),
    "GPT2": (TEXT, {**HEADS, **PLACES}),
    "GPTNeoX": (TEXT, HEADS),
    "Gemma": (TEXT, {**GROUPED, "head_dim": 8}),
    "Llama": (TEXT, GROUPED),
    "Llama3": (TEXT, GROUPED),
    "Mistral": (TEXT, {**GROUPED, "sliding_window": 4}),
    "Roberta": (TEXT, {**HEADS, **PLACES}),
    "T5": (PAIRS, HEADS),
    "Whisper": (
        SPOKEN,
        {**HEADS, "num_mels": 8, "max_encoder_sequence_length": 16,
         "max_decoder_sequence_length": LENGTH},
    ),
    "ResNet": (IMAGES, {**STACKS, "block_type": "basic_block"}),
    "ResNet preactivated": (
        IMAGES,
        {**STACKS, "block_type": "bottleneck_block", "use_pre_activation": True},
    ),
    "ViT": (IMAGES, {**PATCHES, "hidden_dim": 16, "mlp_dim": 24}),
    "DeiT": (
        IMAGES,
        {**PATCHES, "hidden_dim": 16, "intermediate_dim": 24},
    ),
}  # fmt: skip

USUAL = {"Albert", "Bert", "DebertaV3", "GPT2", "Gemma", "Llama", "T5", "Whisper", "ResNet", "ViT"}
CHOSEN = [name for name in BACKBONES if name in USUAL or os.environ.get("EVERY_MODEL")]


def classifier(name):
    """Mean of the backbone's outputs over places, and a dense head."""
    import keras_hub

    x, options = BACKBONES[name]
    backbone = getattr(keras_hub.models, f"{name.split()[0]}Backbone")(**options)
    outputs = backbone.output
    if isinstance(outputs, dict):
        ends = ("sequence_output", "decoder_sequence_output")
        outputs = next(outputs[end] for end in ends if end in outputs)
    axes = range(1, len(outputs.shape) - 1)
    pooled = keras.ops.mean(outputs, axis=tuple(axes))
    model = keras.Model(backbone.input, layers.Dense(CLASSES)(layers.Dropout(0.1)(pooled)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"], jit_compile=False)
    return Example(model, x, LABELS)


# The untied matrix of the output takes no part in a backbone.
@pytest.mark.filterwarnings("ignore:Gradients do not exist:UserWarning")
@pytest.mark.parametrize("name", CHOSEN)
def test_backbone_of_keras_hub_trains_the_same_and_is_seen(name):
    build = functools.partial(classifier, name)

    check_training(build)
    check_tools(build)
