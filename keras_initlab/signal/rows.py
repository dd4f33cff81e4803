"""From the calls and weights of one step to the rows of the array, and what each row is."""

import math
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab._wire import HISTOGRAM_BINS, LayerInfo
from keras_initlab.anatomy.selection import Selection, is_loop
from keras_initlab.anatomy.traits import traits_of
from keras_initlab.signal.activations import Activation, activation_rows
from keras_initlab.signal.calls import Call
from keras_initlab.signal.histograms import histogram_of
from keras_initlab.signal.measures import Measures
from keras_initlab.signal.moments import mean_square
from keras_initlab.signal.parameters import Weight, gradient_block, heaviest, parameter_rows
from keras_initlab.signal.samples import Block, block_of

__all__ = ["Link", "Rows", "Seen"]

# A custom training step may run the model twice, a model may hold a nested one that it calls again
# and again, or a loop of its own, and an unbuilt model may still grow.
_PASSES, _GROWTH = 4, 64


@dataclass(frozen=True)
class Link:
    """One call in the order of calls, and where its inputs come from.

    Args:
        layer: The layer.
        row: Its row among the activations, `None` if it is not watched.
        sources: For each input tensor the place of the call that made it, or `-1 - k` for the k-th
            tensor that enters the model.
        sizes: Units of each input tensor, `None` where unknown.
    """

    layer: Any
    row: int | None
    sources: tuple[int, ...]
    sizes: tuple[int | None, ...]


@dataclass(frozen=True)
class Seen:
    """The watched calls of one step whose tensors can be reached, and the model's inputs.

    An input that cannot be reached, or holds no numbers, is `None`.
    """

    calls: list[Call]
    inputs: list[Any]


class Rows:
    """Makes the rows of one logger's array; remembers what each row is.

    Args:
        selection: Which layers are watched.
        measures: What is measured.
        bounded: Whether the rows go into an array, which has room for so many.
    """

    def __init__(self, selection: Selection, measures: Measures, *, bounded: bool = True):
        self.calls: list[LayerInfo] = []
        self.weights: list[LayerInfo] = []
        self.links: list[Link] = []
        self.unseen: dict[str, str] = {}
        self.sizes: list[int] = []
        self._selection = selection
        self._measures = measures
        growing = any(not layer.built for layer in selection.covered)
        calls = sum(_backend.call_count(layer) for layer in selection.watched)
        self.most_calls = _PASSES * calls + _GROWTH if bounded else sys.maxsize
        self.most_weights = len(selection.watched) + (_GROWTH if growing else 0)

    @property
    def capacity(self) -> int:
        """Rows that the array has room for."""
        return self.most_calls + self.most_weights

    def flat_of(self, layer: Any) -> Any:
        """Where a watched layer's activation is flat; `None` if unknown or not watched."""
        return self._selection.flats.get(id(layer)) if self._selection.watches(layer) else None

    # --- activations ---------------------------------------------------------------------------

    def signals(self, calls: list[Call]) -> Seen:
        """The calls to measure, and notes on all of them."""
        self.calls, self.links, self.unseen = [], [], {}
        counts: Counter = Counter()
        made: dict[int, int] = {}
        entering: dict[int, Any] = {}
        seen = []
        for place, call in enumerate(calls):
            row = self._row_for(call, counts)
            self.links.append(self._link(call, row, made, entering))
            if call.output is not None:
                made[id(call.output)] = place
            if row is not None:
                seen.append(self._reached(call))
        if len(seen) > self.most_calls:
            warnings.warn(
                f"Layers were called {len(seen)} times in one step; only the first "
                f"{self.most_calls} calls are watched. Try `layers=` to choose.",
                stacklevel=2,
            )
        self.calls = self.calls[: self.most_calls]
        return Seen(seen[: self.most_calls], [_readable(tensor) for tensor in entering.values()])

    def _row_for(self, call: Call, counts: Counter) -> int | None:
        wanted = "activations" in self._measures.watch and self._selection.watches(call.layer)
        if not wanted or call.output is None:
            return None
        hidden = _hidden(call.output)
        if hidden:
            self.unseen[self._selection.names[call.layer]] = hidden
            return None
        counts[call.layer] += 1
        suffix = f"#{counts[call.layer]}" if counts[call.layer] > 1 else ""
        self.calls.append(
            self._selection.info(call.layer, suffix, len(self.calls), call.output.shape[-1])
        )
        return len(self.calls) - 1

    def _link(self, call: Call, row: int | None, made: dict, entering: dict) -> Link:
        sources = []
        for tensor in call.inputs:
            if id(tensor) not in made and id(tensor) not in entering:
                entering[id(tensor)] = tensor
            place = made.get(id(tensor))
            sources.append(-1 - list(entering).index(id(tensor)) if place is None else place)
        sizes = [_backend.units_of(tensor) for tensor in call.inputs]
        return Link(call.layer, row, tuple(sources), tuple(sizes))

    @staticmethod
    def _reached(call: Call) -> Call:
        before = None if call.before is None else _backend.reachable(call.before)
        mask = _backend.mask_of(call.output)
        mask = None if mask is None else _backend.reachable(mask)
        return replace(call, output=_backend.reachable(call.output), before=before, mask=mask)

    def input_squares(self, seen: Seen) -> list[Any]:
        """Mean squares of the tensors that enter the model; NaN of what holds no numbers."""
        return [self._mean_square(tensor) for tensor in seen.inputs]

    def _mean_square(self, tensor: Any) -> Any:
        if tensor is None:
            return ops.convert_to_tensor(np.float32(np.nan))
        if _backend.is_sparse(tensor):
            return _backend.mean_square_of_sparse(tensor)
        return mean_square(block_of(tensor, self._measures.max_elements))

    def of_calls(self, seen: Seen) -> Any:
        """The rows of the watched calls, as wide as the array."""
        measured = [self._activation(call) for call in seen.calls]
        table = activation_rows(measured)
        return self._wide(table, [activation.block for activation in measured])

    def _activation(self, call: Call) -> Activation:
        most = self._measures.max_elements
        flat = self._selection.flats.get(id(call.layer))
        block = block_of(call.output, most, call.mask)
        before = None
        if flat is not None and flat.of == "input" and call.before is not None:
            before = block_of(call.before, most, call.mask)
        return Activation(block, flat, before)

    def _wide(self, table: Any, blocks: Sequence[Block | None]) -> Any:
        """Rows filled up to the array's width, with histograms at its end where asked for."""
        room = self._measures.width - self._measures.bins - table.shape[1]
        parts = [table]
        if room:
            parts.append(ops.zeros((len(blocks), room), "float32"))
        if self._measures.histograms:
            counts = [_nothing() if block is None else histogram_of(block) for block in blocks]
            parts.append(ops.stack(counts))
        return ops.concatenate(parts, axis=1) if len(parts) > 1 else table

    # --- weights -------------------------------------------------------------------------------

    def weights_in(
        self, variables: list[Any], gradient_of: dict[int, Any], calls: list[Call]
    ) -> list[Weight]:
        """The watched weights among those that an optimizer is about to update.

        Args:
            variables: What the optimizer updates.
            gradient_of: Gradient by `id` of the variable.
            calls: The calls of this step, which know the ids looked up in tables.
        """
        found = []
        for layer in self._selection.watched:
            variable = heaviest(layer, variables, whole=is_loop(layer))
            gradient = None if variable is None else gradient_of[id(variable)]
            if gradient is not None:
                ids = self._ids(layer, variable, calls)
                found.append(Weight(layer, variable, gradient, 1.0, ids))
        return found

    def _ids(self, layer: Any, variable: Any, calls: list[Call]) -> Any:
        if not traits_of(layer).looks_up or variable.shape[0] != layer.input_dim:
            return None
        ids = [call.ids for call in calls if call.layer is layer and call.ids is not None]
        ids = [_backend.reachable(tensor) for tensor in ids]
        ids = [_backend.dense_values(tensor) for tensor in ids if tensor is not None]
        ids = [ops.reshape(tensor, (-1,)) for tensor in ids]
        if not ids:
            return None
        most = self._measures.max_elements
        limit = None if most is None else max(1, most // variable.shape[-1])
        return _backend.distinct_rows(ops.concatenate(ids), limit)

    def of_weights(self, weights: list[Weight], untouched: Any) -> Any:
        """The rows of the watched weights, as wide as the array; `None` if there are none.

        Args:
            weights: The weights.
            untouched: Makes the untouched shares of a list of layers.
        """
        weights = weights[: self.most_weights]
        self.weights = [
            self._selection.info(weight.layer, "", depth) for depth, weight in enumerate(weights)
        ]
        self.sizes = [
            0 if weight.ids is not None else math.prod(weight.variable.shape) for weight in weights
        ]
        if not weights:
            return None
        most = self._measures.max_elements
        shares = untouched([weight.layer for weight in weights])
        table = parameter_rows(weights, shares, most, self._measures.watch)
        blocks = self._gradient_blocks(weights)
        return self._wide(table, blocks or [None for _ in weights])

    def _gradient_blocks(self, weights: list[Weight]) -> list[Block]:
        """What the histograms of the weights' rows count."""
        if not self._measures.bins or "gradients" not in self._measures.watch:
            return []
        return [gradient_block(weight, self._measures.max_elements) for weight in weights]


def _readable(tensor: Any) -> Any:
    """A tensor of numbers that can be reached from here, else `None`."""
    known = _backend.is_numeric(tensor) and _backend.rank_of(tensor) is not None
    return _backend.reachable(tensor) if known else None


def _hidden(output: Any) -> str:
    """Why an output cannot be measured; empty where it can."""
    if _backend.rank_of(output) is None:
        return (
            "returns tensors of unknown rank and is not measured; `tf.ensure_shape` sets the rank"
        )
    if _backend.reachable(output) is None:
        return "is called inside a loop or an inner function and cannot be watched there"
    return ""


def _nothing() -> Any:
    return ops.zeros((HISTOGRAM_BINS,), "float32")
