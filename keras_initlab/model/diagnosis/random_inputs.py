"""Random inputs that fit a model."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_initlab import _backend
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.graph import Graph
from keras_initlab.anatomy.wiring import layers_in

__all__ = ["LENGTHS", "lengths_for", "random_inputs"]

# Lengths for an axis of unknown length: the first one that the model accepts is taken.
LENGTHS = (32, 16, 8, 4, 2, 1, 64, 128)

# Ids where the vocabulary is unknown.
_FEW_IDS = 2


def lengths_for(model: Any) -> tuple[int, ...]:
    """Lengths to try in turn where a model leaves one open; a single one where it does not.

    Tables of positions bound the lengths: those of `keras_hub`, and those that a layer holds under
    a name with `pos` in it. For a position past the end JAX silently gives NaN.
    """
    if not _is_open(model):
        return LENGTHS[:1]
    longest = min(_positions_in(model), default=LENGTHS[-1])
    first = min(LENGTHS[0], longest)
    return (first, *(length for length in LENGTHS if length < longest and length != first))


def _is_open(model: Any) -> bool:
    return any(None in shape[1:] for shape in _shapes_of(model))


def _shapes_of(model: Any) -> list[tuple]:
    if getattr(model, "inputs", None):
        return [tuple(tensor.shape) for tensor in model.inputs]
    shapes: list[tuple] = []
    keras.tree.map_shape_structure(shapes.append, _built_shapes(model))
    return shapes


def _positions_in(model: Any) -> Iterator[int]:
    """Rows of the tables of positions."""
    for layer in layers_in(model):
        if "Position" in type(layer).__name__:
            yield _positions_of(layer, "sequence_length")
        for name, held in _backend.named_sublayers(layer):
            if "pos" in name and isinstance(held, keras.layers.Embedding):
                yield _positions_of(held, "input_dim")


def _positions_of(layer: Any, name: str) -> int:
    count = getattr(layer, name, None)
    return count if isinstance(count, int) and count > 0 else LENGTHS[-1]


def random_inputs(anatomy: Anatomy, examples: int, length: int = LENGTHS[0]) -> tuple[Any, str]:
    """Arrays for the inputs of a model, and a note that describes them.

    Floats are standard normal. Integers lie within the vocabularies that they are looked up in.
    Where the id 0 is masked, some sequences end with it. Masks have random lengths.

    Args:
        anatomy: Of a built Keras model.
        examples: Length of the first axis.
        length: Length of the axes that the model leaves open.

    Raises:
        ValueError: If the shapes of the inputs are not known.
    """
    model, random = anatomy.model, np.random.default_rng(0)
    where = f", of length {length} where it is open" if _is_open(model) else ""
    if getattr(model, "inputs", None):
        sizes = examples, length
        arrays = [_array_for(tensor, anatomy.graph, random, sizes) for tensor in model.inputs]
        kinds = sorted({_kind_name(array) for array in arrays})
        x = keras.tree.pack_sequence_as(_backend.input_structure(model), arrays)
        return x, f"random inputs stand in for data: {', '.join(kinds)}{where}"
    shapes = _built_shapes(model)
    x = keras.tree.map_shape_structure(
        lambda shape: random.normal(size=_sized(shape, (examples, length))).astype("float32"),
        shapes,
    )
    return x, f"random inputs stand in for data: floats{where}"


def _built_shapes(model: Any) -> Any:
    config = model.get_build_config() or {}
    shapes = config.get("input_shape", config.get("shapes_dict"))
    if shapes is None:
        raise ValueError(
            f"The model {model.name!r} does not define its inputs. Received: data=None. "
            "Try `data=` with a batch of inputs."
        )
    return shapes


def _sized(shape: Any, open_axes: tuple[int, int]) -> tuple[int, ...]:
    """A shape with examples and a length where it has none of its own."""
    examples, length = open_axes
    return (examples, *(length if size is None else size for size in shape[1:]))


def _array_for(
    tensor: Any, graph: Graph, random: np.random.Generator, open_axes: tuple[int, int]
) -> np.ndarray:
    shape, dtype = _sized(tensor.shape, open_axes), keras.backend.standardize_dtype(tensor.dtype)
    if dtype == "string":
        raise ValueError(
            f"The input {tensor.name!r} takes strings, which cannot be generated. "
            "Received: data=None. Try `data=` with a batch of inputs."
        )
    if dtype == "bool":
        return _unpadded(random, shape)
    takers = graph.takers_of(tensor)
    vocabulary = _vocabulary_of(takers)
    if "int" in dtype or vocabulary is not None:
        ids = random.integers(0, vocabulary or _FEW_IDS, size=shape)
        masked = any(getattr(taker, "mask_zero", False) for taker in takers)
        if vocabulary and masked and len(shape) > 1:
            ids = np.where(_unpadded(random, shape), np.maximum(ids, min(1, vocabulary - 1)), 0)
        return ids.astype(dtype)
    return random.normal(size=shape).astype(dtype)


def _vocabulary_of(takers: list[Any]) -> int | None:
    """The smallest vocabulary among the layers that look ids up; `None` if there are none."""
    sizes = [getattr(taker, "input_dim", getattr(taker, "num_tokens", None)) for taker in takers]
    return min((int(size) for size in sizes if isinstance(size, int)), default=None)


def _unpadded(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """True up to a random length of the last axis, at least its half."""
    lengths = random.integers(-(-shape[-1] // 2), shape[-1] + 1, size=(*shape[:-1], 1))
    return np.arange(shape[-1]) < lengths


def _kind_name(array: np.ndarray) -> str:
    return {"f": "floats", "b": "masks"}.get(array.dtype.kind, "ids within the vocabulary")
