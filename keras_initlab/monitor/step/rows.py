"""From the calls and weights of one step to the rows of the array, and what each row is."""

import math
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from keras_initlab import _backend
from keras_initlab._wire import LayerInfo
from keras_initlab.monitor.layers import Selection, is_loop
from keras_initlab.monitor.step.calls import Call
from keras_initlab.monitor.step.moments import histogram_of, row_of
from keras_initlab.monitor.step.parameters import Weight, heaviest, parameter_row
from keras_initlab.monitor.step.samples import as_rows, mask_rows, sample_of

__all__ = ["Link", "Rows", "Seen"]

# A custom training step may run the model twice; an unbuilt model may still grow.
_PASSES, _GROWTH = 2, 64


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
    """The watched calls of one step whose tensors can be reached, and the model's inputs."""

    calls: list[Call]
    inputs: list[Any]


class Rows:
    """Makes the rows of one logger's array; remembers what each row is.

    Args:
        selection: Which layers are watched.
        settings: `watch`, `max_elements` and `histograms` of the logger.
    """

    def __init__(self, selection: Selection, settings: Any):
        self.calls: list[LayerInfo] = []
        self.weights: list[LayerInfo] = []
        self.links: list[Link] = []
        self.unseen: list[str] = []
        self.sizes: list[int] = []
        self._selection = selection
        self._settings = settings
        growing = any(not layer.built for layer in selection.covered)
        calls = sum(_backend.call_count(layer) for layer in selection.watched)
        self.most_calls = _PASSES * calls + (_GROWTH if growing else 0)
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
        self.calls, self.links, self.unseen = [], [], []
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
                f"Layers were called {len(seen)} times in one step; the first {self.most_calls} "
                "calls are watched. Try `layers=` to choose.",
                stacklevel=2,
            )
        self.calls = self.calls[: self.most_calls]
        inputs = [_backend.reachable(tensor) for tensor in entering.values()]
        return Seen(seen[: self.most_calls], [each for each in inputs if each is not None])

    def _row_for(self, call: Call, counts: Counter) -> int | None:
        wanted = "activations" in self._settings.watch and self._selection.watches(call.layer)
        if not wanted or call.output is None:
            return None
        if _backend.reachable(call.output) is None:
            self.unseen.append(self._selection.names[call.layer])
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
        sizes = [tensor.shape[-1] if len(tensor.shape) else None for tensor in call.inputs]
        return Link(call.layer, row, tuple(sources), tuple(sizes))

    @staticmethod
    def _reached(call: Call) -> Call:
        before = None if call.before is None else _backend.reachable(call.before)
        mask = _backend.mask_of(call.output)
        mask = None if mask is None else _backend.reachable(mask)
        return replace(call, output=_backend.reachable(call.output), before=before, mask=mask)

    def input_squares(self, seen: Seen) -> list[Any]:
        """Mean squares of the tensors that enter the model."""
        most = self._settings.max_elements
        return [
            ops.mean(ops.square(ops.cast(sample_of(tensor, most), "float32")))
            for tensor in seen.inputs
        ]

    def of_calls(self, seen: Seen) -> list[Any]:
        """One row per watched call, as wide as the array."""
        return [self._wide(self._row(call)) for call in seen.calls]

    def _row(self, call: Call) -> Any:
        most = self._settings.max_elements
        values = as_rows(sample_of(call.output, most))
        valid = None if call.mask is None else mask_rows(call.mask, call.output, most)
        flat = self._selection.flats.get(id(call.layer))
        before = None
        if flat is not None and flat.of == "input" and call.before is not None:
            before = as_rows(sample_of(call.before, most))
        row = row_of(values, valid, flat, before)
        if not self._settings.histograms:
            return row
        return ops.concatenate([row, histogram_of(values, valid)])

    def _wide(self, row: Any) -> Any:
        """A row with its histogram, where it has one, moved to the end of the array's width."""
        bins = self._settings.bins
        room = self._settings.width - row.shape[0]
        return ops.concatenate(
            [row[: row.shape[0] - bins], ops.zeros((room,), "float32"), row[row.shape[0] - bins :]]
        )

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
        if not isinstance(layer, keras.layers.Embedding) or variable.shape[0] != layer.input_dim:
            return None
        ids = [call.inputs[0] for call in calls if call.layer is layer and call.inputs]
        ids = [_backend.reachable(each) for each in ids]
        ids = [ops.reshape(each, (-1,)) for each in ids if each is not None]
        if not ids:
            return None
        most = self._settings.max_elements
        limit = None if most is None else max(1, most // variable.shape[-1])
        return _backend.distinct_rows(ops.concatenate(ids), limit)

    def of_weights(self, weights: list[Weight], touched: Any) -> list[Any]:
        """One row per watched weight, as wide as the array."""
        weights = weights[: self.most_weights]
        self.weights = [
            self._selection.info(weight.layer, "", depth) for depth, weight in enumerate(weights)
        ]
        self.sizes = [
            0 if weight.ids is not None else math.prod(weight.variable.shape) for weight in weights
        ]
        return [
            self._wide(
                parameter_row(
                    weight,
                    untouched=touched.untouched_share(weight.layer),
                    max_elements=self._settings.max_elements,
                    histogram=self._settings.histograms,
                )
            )
            for weight in weights
        ]
