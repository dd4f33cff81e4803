"""What the signal of a layer is compared with: the layers before it on its path, not all layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from keras_initlab import _backend
from keras_initlab._wire import LayerInfo
from keras_initlab.anatomy.selection import Selection
from keras_initlab.anatomy.traits import NOTHING, traits_of
from keras_initlab.signal.rows import Link

__all__ = ["Standing", "standing_of"]


@dataclass(frozen=True, eq=False)
class Standing:
    """What is known of each row of the activations, from the model alone.

    Args:
        before: For each row the rows that its signal has come through since its scale was last set:
            by a table, a norm, a product, a softmax, or a layer of which nothing is known.
        sized: Whether a small signal is a fault there. It is none where the scale is set on
            purpose, as in a gate, or repaired by a later layer.
        grows: The same for a large signal.
        works: Whether the layer makes a signal of its own, with weights or an activation.
        tables: Whether it looks vectors up; few of them, of few ids, are alike without any harm.
        gates: Whether its whole output multiplies something, so its size says little.
        narrow: Whether a layer of one unit or two comes next: training leaves one direction there.
        aimed: Names of layers whose gradient is small by their place: it is multiplied by another
            signal, as that of queries, keys, gates and scores, or by a low rank correction that
            starts at zero.
    """

    before: tuple[tuple[int, ...], ...]
    sized: np.ndarray
    grows: np.ndarray
    works: np.ndarray
    tables: np.ndarray
    gates: np.ndarray
    narrow: np.ndarray
    aimed: frozenset[str]

    @cached_property
    def ways(self) -> np.ndarray:
        """`(rows, rows)`: whether the second row stands on the way to the first."""
        found = np.zeros((len(self.before), len(self.before)), bool)
        for row, others in enumerate(self.before):
            found[row, list(others)] = True
        return found

    @classmethod
    def in_order(cls, rows: Sequence[LayerInfo]) -> "Standing":
        """Of rows of which only the order and the class are known."""
        every = np.ones(len(rows), bool)
        tables = np.array([row.kind == "Embedding" for row in rows], bool)
        before = tuple(() if tables[row] else tuple(range(row)) for row in range(len(rows)))
        return cls(before, every, every, ~tables, tables, ~every, ~every, frozenset())


def standing_of(links: Sequence[Link], selection: Selection) -> Standing:
    """What each watched row is held to.

    Args:
        links: All calls in order, and where their inputs come from.
        selection: The layers that are watched.
    """
    ways: list[tuple[int, ...]] = []
    rows: dict[int, int] = {}
    for place, link in enumerate(links):
        come = {row for source in link.sources if source >= 0 for row in ways[source]}
        begins = traits_of(link.layer).crosses or not _is_known(link.layer, selection)
        held = () if begins else tuple(sorted(come))
        if link.row is not None:
            rows[link.row] = place
        ways.append(held if link.row is None else (*held, link.row))
    layers = [links[rows[row]].layer for row in range(len(rows))]
    graph = selection.anatomy.graph
    gates = np.array(
        [_is_attention(layer, selection) or bool(graph.is_gate(layer)) for layer in layers], bool
    )
    normed = np.array([bool(graph.is_normed(layer)) for layer in layers], bool)
    dotted = np.array([bool(graph.is_dotted(layer)) for layer in layers], bool)
    known = np.array([_is_known(layer, selection) for layer in layers], bool)
    return Standing(
        tuple(ways[rows[row]][:-1] for row in range(len(rows))),
        known & ~(gates | normed | dotted),
        known & ~normed,
        np.array([_works(layer) for layer in layers], bool),
        np.array([traits_of(layer).looks_up for layer in layers], bool),
        gates,
        np.array([graph.is_before_narrow(layer) for layer in layers], bool),
        _aimed(selection),
    )


def _is_known(layer: Any, selection: Selection) -> bool:
    """Whether the size of what it gives follows from what it takes."""
    traits = traits_of(layer)
    if traits.looks_up or traits.normalizes or traits.multiplies or traits.pairs:
        return False
    return traits != NOTHING and not traits.compares and not _is_attention(layer, selection)


def _is_attention(layer: Any, selection: Selection) -> bool:
    """Whether it gives shares, which weigh something; equal ones are a good beginning."""
    return selection.nonlinearity(layer).name == "softmax"


def _works(layer: Any) -> bool:
    traits = traits_of(layer)
    if traits.looks_up or traits.normalizes or traits.adds or traits.multiplies:
        return False
    return traits.activates or bool(layer.weights)


def _aimed(selection: Selection) -> frozenset[str]:
    graph, compared = selection.anatomy.graph, _compared(selection)
    return frozenset(
        name
        for layer, name in selection.names.items()
        if id(layer) in compared
        or graph.is_compared(layer)
        or graph.is_multiplied(layer)
        or (_is_attention(layer, selection) and not graph.is_output(layer))
        or getattr(layer, "lora_enabled", False)
    )


def _compared(selection: Selection) -> set[int]:
    """By `id`, the projections whose dot products Keras's attention layers take."""
    found = [_backend.compared_projections(layer) for layer in selection.covered]
    return {id(inner) for projections in found for inner in projections}
