"""The parts of a Keras model."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


def own_sublayers(layer: Any) -> list[Any]:
    """Layers directly inside a layer."""
    return list(layer._layers)


def compared_projections(layer: Any) -> list[Any]:
    """The layers inside an attention layer whose outputs are compared: its query and its key."""
    pair = [getattr(layer, name, None) for name in ("_query_dense", "_key_dense")]
    return [inner for inner in pair if isinstance(inner, keras.layers.Layer)]


def named_sublayers(layer: Any) -> list[tuple[str, Any]]:
    """Layers that a layer holds as attributes, with the attributes' names."""
    # torch keeps them in a dictionary of its own.
    held = {**vars(layer), **vars(layer).get("_modules", {})}
    return [(name, value) for name, value in held.items() if isinstance(value, keras.layers.Layer)]


def owns_weights(layer: Any) -> bool:
    """Whether a layer has trainable weights of its own, apart from its sublayers."""
    return bool(layer._trainable_variables)


def own_trainable(layer: Any) -> list[Any]:
    """A layer's own weights that are trained now, apart from its sublayers'."""
    return [variable for variable in layer._trainable_variables if variable.trainable]


def call_count(layer: Any) -> int:
    """How often a layer stands in the graph of a functional model, at least once."""
    return max(1, len(layer._inbound_nodes))


def unbuilt_layers(model: Any) -> tuple[int, ...]:
    """The ids of the layers, including the model, that have no weights yet."""
    layers = model._flatten_layers(include_self=True, recursive=True)
    return tuple(id(layer) for layer in layers if not layer.built)


def remat_mode(layer: Any) -> Any:
    """The rematerialization a layer was made under, or `None`."""
    return layer._remat_mode


@contextmanager
def without_remat(layers: Iterable[Any]) -> Iterator[None]:
    """A context in which layers made under a `RematScope` are not computed twice."""
    kept = [(layer, remat_mode(layer)) for layer in layers if remat_mode(layer)]
    for layer, _ in kept:
        object.__setattr__(layer, "_remat_mode", None)
    try:
        yield
    finally:
        for layer, mode in kept:
            object.__setattr__(layer, "_remat_mode", mode)


def optimizers_of(model: Any) -> list[Any]:
    """The compiled optimizer, and the optimizers that a custom model holds as attributes."""
    held = [getattr(model, "optimizer", None), *vars(model).values()]
    found = {id(value): value for value in held if isinstance(value, keras.optimizers.Optimizer)}
    return list(found.values())


def loss_scale_of(optimizer: Any, variables: Any = None) -> Any:
    """The factor on the gradients that an optimizer receives.

    Args:
        optimizer: A Keras optimizer.
        variables: Values of its variables, where the step of JAX carries them.
    """
    scale = getattr(optimizer, "dynamic_scale", None)
    if scale is None:
        return optimizer.loss_scale_factor or 1.0
    if variables is None:
        return scale
    places = [variable is scale for variable in optimizer.variables]
    return variables[places.index(True)]


def updates_done(model: Any) -> int:
    """Training steps that the model's optimizer has counted."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 0
    # With accumulation `iterations` is a quotient: it counts the updates.
    counting = getattr(optimizer, "inner_optimizer", optimizer)
    return int(keras.ops.convert_to_numpy(counting._iterations))


def model_values(model: Any) -> tuple[list[Any], list[Any]]:
    """Newest values of the trainable and the other variables, also in the middle of JAX's `fit`."""
    state = getattr(model, "_jax_state", None)
    if state and not model._jax_state_synced:
        return list(state["trainable_variables"]), list(state["non_trainable_variables"])
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )


def refusal_of(model: Any) -> str | None:
    """Why Keras's own `fit` fails under the model's strategy, or `None` where it works."""
    if keras.backend.backend() != "tensorflow":
        return None
    strategy = model.distribute_strategy
    kind = type(strategy).__name__
    if kind.startswith("ParameterServerStrategy"):
        return f"Keras 3 cannot iterate over data under {kind} (keras issue 20585)"
    if not strategy.extended._in_multi_worker_mode():
        return None
    if strategy.num_replicas_in_sync == 1:
        return None
    return f"Keras 3 cannot train under {kind} with more than one worker (keras issue 20585)"


def graph_nodes(model: Any) -> list[Any] | None:
    """The calls in a model's graph, with operation and tensors; `None` without a graph."""
    by_depth = getattr(getattr(model, "_functional", model), "_nodes_by_depth", None)
    return None if by_depth is None else [node for nodes in by_depth.values() for node in nodes]


def shift_of(node: Any) -> int | None:
    """The whole number that a call of a graph adds to every element; `None` if it does not."""
    kind = type(node.operation)
    if not kind.__module__.startswith("keras.src.ops") or kind.__name__ not in ("Add", "Subtract"):
        return None
    given = [*node.arguments.args, *node.arguments.kwargs.values()][:2]
    numbers = [np.asarray(one) for one in given if not isinstance(one, keras.KerasTensor)]
    if len(given) < 2 or len(numbers) != 1 or numbers[0].size != 1 or numbers[0].dtype.kind != "i":
        return None
    if kind.__name__ == "Add":
        return int(numbers[0].item())
    return -int(numbers[0].item()) if isinstance(given[0], keras.KerasTensor) else None


def words_of_lookup(layer: Any, first: int) -> list[Any] | None:
    """The tokens of a lookup by their ids, without special ones; `None` where that is not known.

    Keras's `get_vocabulary` gives the same, four times slower.

    Args:
        layer: A StringLookup or IntegerLookup from tokens to ids.
        first: The id of its first token.
    """
    table: Any = getattr(layer, "lookup_table", None)
    if not hasattr(table, "export") or not int(table.size()):
        return None
    keys, ids = (part.numpy() for part in table.export())
    words = np.empty(len(keys), object)
    if not np.array_equal(np.sort(ids), np.arange(first, first + len(keys))):
        return None
    words[ids - first] = keys
    encoding = getattr(layer, "encoding", "utf-8")
    return [word.decode(encoding) if isinstance(word, bytes) else word for word in words.tolist()]


def own_weights(layer: Any) -> list[Any]:
    """A layer's own weights, trainable or not, apart from its sublayers'."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def input_structure(model: Any) -> Any:
    """The inputs of a functional or sequential model as its call takes them."""
    functional = getattr(model, "_functional", model)
    return getattr(functional, "_inputs_struct", model.inputs)


def automatic_name(layer: Any) -> str:
    """The name, without its number, that Keras gives to an unnamed layer of this class."""
    from keras.src.utils.naming import to_snake_case

    return str(to_snake_case(type(layer).__name__))
