"""Corrects weights by what a batch measures, layer by layer in call order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.anatomy.uses import is_cell
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.initializers import CriticalBias
from keras_initlab.model.diagnosis.batch import Batch
from keras_initlab.model.initialization.cells import cells_of, meet_cells, sums_of_gates
from keras_initlab.model.initialization.plan import PlanEntry
from keras_initlab.model.initialization.rows import (
    checked_rows,
    error_of,
    mask_of_first,
    unmasked_rows,
)
from keras_initlab.signal.calls import activation_recorded, first_float
from keras_initlab.signal.hooks import Cover, Hooks

__all__ = ["Corrected", "corrected"]

# Afterwards the variance on the batch is within a percent; this leaves room for rounding.
_PRECISION = 0.005

# Passes over the model, and corrections at one call: shared layers and biases need several.
_MOST_PASSES, _MOST_TRIES = 8, 12

# A correction that ends further from its target is undone.
_NEAR = 0.1

_UNSEEN = "no call of its layer could be measured"
_OUT_OF_REACH = "its target is out of reach"


@dataclass
class Corrected:
    """The correction of one weight.

    Args:
        value: The corrected weight, a tensor.
        factor: The factor on its draw.
        variance: Variance of what enters the activation, on the batch.
        error: Standard error of that variance from batch to batch, relative; NaN for one example.
        reason: Why it could not be corrected, empty if it was.
    """

    value: Any
    factor: float = 1.0
    variance: float = float("nan")
    error: float = float("nan")
    reason: str = _UNSEEN


@dataclass
class _Tally:
    """Variances of the calls of one layer in one pass."""

    calls: int = 0
    total: float = 0.0

    def add(self, variance: float) -> float:
        """The mean so far, with one more call."""
        self.calls += 1
        self.total += variance
        return self.total / self.calls


def corrected(
    model: Any, entries: list[PlanEntry], values: dict[int, Any], batch: Batch
) -> dict[int, Corrected]:
    """Weights whose layers have their target variance on this batch.

    The model runs in training mode in a stateless scope. When a layer is called, the input of its
    activation is measured, its weight is multiplied, and the layer is called again. So one pass
    through the model corrects every layer in call order. A layer with several calls is corrected to
    the mean of its calls, in further passes.

    Args:
        model: A built Keras model, which stays as it is.
        entries: The drawn variables, with their targets.
        values: The drawn weights and biases by `id` of the variable.
        batch: The batch that the model runs on.

    Returns:
        The weights that have a target, by `id` of the variable.

    Raises:
        ValueError: If what enters an activation is not finite, with the name of the layer.

    Source:
        Mishkin and Matas 2015, algorithm 1, https://arxiv.org/abs/1511.06422. They run the whole
        model for every step of every layer.
    """
    run = _Correction(model, entries, values)
    run.all_passes(batch)
    return run.found


class _Correction:
    """One correction of one model."""

    def __init__(self, model: Any, entries: list[PlanEntry], values: dict[int, Any]):
        self._model = model
        self._values = dict(values)
        self._variables = {id(entry.variable): entry.variable for entry in entries}
        self._of_layer = {id(entry.layer): entry for entry in _last_of_each_layer(entries)}
        self.found = {
            id(entry.variable): Corrected(values[id(entry.variable)])
            for entry in self._of_layer.values()
        }
        self._critical_biases = {
            id(entry.variable) for entry in entries if isinstance(entry.advice.scheme, CriticalBias)
        }
        self._past: dict[int, _Tally] = {}
        self._now: dict[int, _Tally] = {}
        self._in_loop = False

    def all_passes(self, batch: Batch) -> None:
        """Run until every layer has its target variance."""
        for _ in range(_MOST_PASSES):
            self._past, self._now = self._now, {}
            self._pass(batch)
            if all(self._is_right(key, tally) for key, tally in self._now.items()):
                return

    def _is_right(self, key: int, tally: _Tally) -> bool:
        entry = self._of_layer[key]
        known = not self.found[id(entry.variable)].reason
        ratio = self._missing_factor(entry, tally.total / tally.calls)
        return not known or abs(ratio - 1) <= _PRECISION

    def _pass(self, batch: Batch) -> None:
        mapping = [(self._variables[key], value) for key, value in self._values.items()]
        hooks = Hooks()
        hooks.add(self._covers())
        try:
            layers = list(layers_in(self._model))
            kept, once = _backend.losses_kept(layers), _backend.without_remat(layers)
            scope = keras.StatelessScope(state_mapping=mapping)
            with _backend.without_gradients(), kept, once, scope:
                self._model(batch.x, training=True)
        finally:
            hooks.remove()

    def _covers(self) -> list[Cover]:
        covers: list[Cover] = []
        for layer in layers_in(self._model):
            if isinstance(layer, keras.layers.TimeDistributed):
                covers.append((layer, "call", self._outside_of_loop(layer)))
            elif isinstance(layer, keras.layers.RNN) and self._has_wanted_cell(layer):
                covers.append((layer, "call", self._at_cells(layer)))
            elif id(layer) in self._of_layer and not is_cell(layer):
                covers.append((layer, "call", self._at_call(layer)))
        return covers

    def _has_wanted_cell(self, layer: Any) -> bool:
        return any(id(cell) in self._of_layer for cell in cells_of(layer.cell))

    # --- covers --------------------------------------------------------------------------------

    def _at_call(self, layer: Any) -> Callable:
        site = self._of_layer[id(layer)].site
        is_table = site is not None and site.role == "table"

        def cover(original: Callable, *args: Any, **kwargs: Any) -> Any:
            if self._in_loop:
                return original(*args, **kwargs)
            outputs: list[Any] = []

            def measure() -> np.ndarray | None:
                with activation_recorded(layer, True) as before:
                    outputs[:] = [original(*args, **kwargs)]
                tensor = before[0] if before else first_float(outputs[0])
                rows = unmasked_rows(tensor, mask)
                return None if rows is None else rows - self._bias_of(layer, rows.shape[1])

            # Ids carry no mask: a table computes it from the ids themselves.
            mask = layer.compute_mask(args[0]) if is_table and args else mask_of_first(args)
            self._correct(layer, measure)
            return outputs[0]

        return cover

    def _bias_of(self, layer: Any, units: int) -> np.ndarray | float:
        """What to leave out of the sums: biases that are set on purpose, as by labels.

        Critical biases are part of the variance that activations hold.
        """
        bias = getattr(layer, "bias", None)
        if bias is None or id(bias) in self._critical_biases or tuple(bias.shape) != (units,):
            return 0.0
        return np.asarray(ops.convert_to_numpy(bias), np.float64)

    def _at_cells(self, layer: Any) -> Callable:
        def meet(cell: Any, inputs: Any, mask: Any) -> None:
            self._correct(cell, lambda: unmasked_rows(sums_of_gates(cell, inputs), mask))

        def cover(original: Callable, *args: Any, **kwargs: Any) -> Any:
            meet_cells(layer, args, kwargs, lambda cell: id(cell) in self._of_layer, meet)
            return original(*args, **kwargs)

        return cover

    def _outside_of_loop(self, layer: Any) -> Callable:
        def cover(original: Callable, *args: Any, **kwargs: Any) -> Any:
            shape = ops.shape(args[0])
            steps = ops.reshape(args[0], (shape[0] * shape[1], *shape[2:]))
            mask = mask_of_first(args) if kwargs.get("mask") is None else kwargs["mask"]
            held = None if mask is None else _backend.concrete(mask)
            if held is not None:
                places = np.flatnonzero(held).astype("int32")
                steps = _backend.gathered(steps, places) if len(places) else steps
            layer.layer(steps)
            self._in_loop = True
            try:
                return original(*args, **kwargs)
            finally:
                self._in_loop = False

        return cover

    # --- one layer -----------------------------------------------------------------------------

    def _correct(self, layer: Any, measure: Callable[[], np.ndarray | None]) -> None:
        """Measure, multiply, and measure again, until the variance is right."""
        entry, past = self._of_layer[id(layer)], self._past.get(id(layer))
        held, is_first = self.found[id(entry.variable)], id(layer) not in self._now
        rows = measure()
        if rows is None or not checked_rows(rows, entry).var():
            held.reason = _UNSEEN if rows is None else "the output of its layer does not vary"
            return
        if is_first and past is not None and past.calls > 1:
            # The mean over all calls of the last pass decides.
            self._multiply(entry, self._missing_factor(entry, past.total / past.calls))
            again = measure()
            rows = rows if again is None else again
        elif is_first:
            rows = self._tried(entry, measure, rows)
        held.variance = self._now.setdefault(id(layer), _Tally()).add(float(rows.var()))
        held.error = error_of(rows)

    def _tried(self, entry: PlanEntry, measure: Callable, rows: np.ndarray) -> np.ndarray:
        held, first = self.found[id(entry.variable)], rows.var()
        drawn, ratio = (held.value, held.factor), self._missing_factor(entry, first)
        for _ in range(_MOST_TRIES):
            if abs(ratio - 1) <= _PRECISION / 5 or held.reason == _OUT_OF_REACH:
                break
            self._multiply(entry, ratio)
            rows = measure()
            ratio = self._missing_factor(entry, rows.var()) if np.isfinite(rows).all() else np.inf
            if not np.isfinite(ratio):
                break
        if held.factor >= entry.advice.growth > drawn[1] and np.isfinite(ratio):
            # As large as it may be: the variance must have followed.
            ratio = first * (held.factor / drawn[1]) ** 2 / rows.var()
        held.reason = "" if abs(ratio - 1) <= 2 * _PRECISION else _OUT_OF_REACH
        if abs(ratio - 1) <= _NEAR:
            return rows
        self._take(entry, *drawn)
        return checked_rows(measure(), entry)

    def _missing_factor(self, entry: PlanEntry, variance: float) -> float:
        """The factor that the variance needs and may have."""
        target, factor = entry.advice.target, self.found[id(entry.variable)].factor
        if target is None or (entry.advice.most and variance <= target):
            return 1.0
        return float(min(target / variance, max(1.0, (entry.advice.growth / factor) ** 2)))

    def _multiply(self, entry: PlanEntry, ratio: float) -> None:
        held, dtype = self.found[id(entry.variable)], entry.variable.dtype
        factor = float(np.sqrt(ratio))
        value = ops.cast(held.value, dtype) * ops.cast(factor, dtype)
        self._take(entry, value, held.factor * factor)

    def _take(self, entry: PlanEntry, value: Any, factor: float) -> None:
        held = self.found[id(entry.variable)]
        held.value, held.factor = value, factor
        self._values[id(entry.variable)] = value
        entry.variable.assign(value)


def _last_of_each_layer(entries: list[PlanEntry]) -> list[PlanEntry]:
    """The weight to correct, where a layer has several before its activation."""
    found = {id(entry.layer): entry for entry in entries if entry.advice.target is not None}
    return list(found.values())
