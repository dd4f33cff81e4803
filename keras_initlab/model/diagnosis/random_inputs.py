"""Random inputs of the kind that a model takes."""

from typing import Any

import keras
import numpy as np

from keras_initlab import _backend
from keras_initlab.model.graph import Graph

__all__ = ["random_inputs"]

# What stands for an axis of unknown length.
_LENGTH = 32

# Ids where nothing tells the vocabulary.
_FEW_IDS = 2


def random_inputs(model: Any, examples: int) -> tuple[Any, str]:
    """Arrays for the inputs of a model, and what they are in words.

    Floats are standard normal, integers lie within the vocabularies that take them, and of
    sequences that mask the id 0 the ends of some are padded with it. Masks have random lengths.

    Args:
        model: A built Keras model.
        examples: Length of the first axis.

    Raises:
        ValueError: If the model does not say what it takes.
    """
    random = np.random.default_rng(0)
    if getattr(model, "inputs", None):
        graph = Graph(model)
        arrays = [_array_for(tensor, graph, random, examples) for tensor in model.inputs]
        kinds = sorted({_kind_of(array) for array in arrays})
        x = keras.tree.pack_sequence_as(_backend.input_structure(model), arrays)
        return x, f"random inputs stand in for data: {', '.join(kinds)}"
    shapes = _built_shapes(model)
    x = keras.tree.map_shape_structure(
        lambda shape: random.normal(size=_sized(shape, examples)).astype("float32"), shapes
    )
    return x, "random inputs stand in for data: floats"


def _built_shapes(model: Any) -> Any:
    config = model.get_build_config() or {}
    shapes = config.get("input_shape", config.get("shapes_dict"))
    if shapes is None:
        raise ValueError(
            f"The model {model.name!r} does not say what it takes. Received: data=None. "
            "Try `data=` with a batch of inputs."
        )
    return shapes


def _sized(shape: Any, examples: int) -> tuple[int, ...]:
    return (examples, *(size or _LENGTH for size in shape[1:]))


def _array_for(tensor: Any, graph: Graph, random: np.random.Generator, examples: int) -> np.ndarray:
    shape, dtype = _sized(tensor.shape, examples), keras.backend.standardize_dtype(tensor.dtype)
    if dtype == "string":
        raise ValueError(
            f"The input {tensor.name!r} takes strings, which cannot be made up. "
            "Received: data=None. Try `data=` with a batch of inputs."
        )
    if dtype == "bool":
        return _inside(random, shape)
    takers = graph.takers_of(tensor)
    vocabulary = _vocabulary_of(takers)
    if "int" in dtype or vocabulary is not None:
        ids = random.integers(0, vocabulary or _FEW_IDS, size=shape)
        masked = any(getattr(each, "mask_zero", False) for each in takers)
        if vocabulary and masked and len(shape) > 1:
            ids = np.where(_inside(random, shape), np.maximum(ids, min(1, vocabulary - 1)), 0)
        return ids.astype(dtype)
    return random.normal(size=shape).astype(dtype)


def _vocabulary_of(takers: list[Any]) -> int | None:
    """The fewest ids that a layer takes, of those that look ids up."""
    sizes = [getattr(each, "input_dim", getattr(each, "num_tokens", None)) for each in takers]
    return min((int(size) for size in sizes if isinstance(size, int)), default=None)


def _inside(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """True up to a random length of the last axis, at least its half."""
    lengths = random.integers(-(-shape[-1] // 2), shape[-1] + 1, size=(*shape[:-1], 1))
    return np.arange(shape[-1]) < lengths


def _kind_of(array: np.ndarray) -> str:
    return {"f": "floats", "b": "masks"}.get(array.dtype.kind, "ids within the vocabulary")
