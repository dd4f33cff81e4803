"""One pass through a model, forward and backward, that leaves no trace in it."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.anatomy.selection import Selection
from keras_initlab.anatomy.traits import traits_of
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.model.diagnosis.batch import Batch
from keras_initlab.model.diagnosis.taps import Outlets, Tap
from keras_initlab.signal.calls import Call
from keras_initlab.signal.measures import Measures
from keras_initlab.signal.moments import MOMENTS, moment_rows
from keras_initlab.signal.parameters import PARAMETER_COLUMNS, part_of
from keras_initlab.signal.recording import Recording
from keras_initlab.signal.rows import Rows
from keras_initlab.signal.samples import Block, block_of

__all__ = ["Measured", "Pass", "UnmeasurableError"]

_OF_GRADIENT = [k for k, name in enumerate(PARAMETER_COLUMNS) if name.startswith("gradient_")]

# The loss of a model in half precision is multiplied by this, the start of `LossScaleOptimizer`.
_HALF_SCALE = 2.0**15


class UnmeasurableError(ValueError):
    """Nothing of the model can be measured, whatever the inputs."""


@dataclass(frozen=True)
class Measured:
    """The numbers of one pass, on the host; rows in the order of `Rows.calls` and `Rows.weights`.

    Args:
        activations: `(calls, columns)`, columns as in the callback's array.
        before: `(calls, 6)` moments of what enters each activation.
        backward: `(calls, 6)` moments of the gradients of the outputs.
        weights: `(weights, columns)`, no rows if no weight is trained.
        inputs: Mean squares of the tensors that enter the model.
        loss: The loss; NaN where a unit cotangent is used instead.
    """

    activations: np.ndarray
    before: np.ndarray
    backward: np.ndarray
    weights: np.ndarray
    inputs: list[float]
    loss: float

    @property
    def is_finite(self) -> bool:
        """Whether all outputs of layers are finite."""
        return not self.activations[:, MOMENTS.index("nonfinite")].any()


class Pass:
    """A batch run through a model in training mode, without a change to any variable.

    Weights enter as tensors of a stateless scope, which also takes what the layers assign. A tensor
    of zeros is added to the first output of each layer: its gradient is that of the output.

    Args:
        model: A built Keras model.
        selection: Which layers are measured.
        max_elements: Elements to measure per layer, `None` for all.
        loss: An object that computes the loss from labels, or `None` for a unit cotangent.
    """

    def __init__(self, model: Any, selection: Selection, max_elements: int | None, loss: Any):
        watch = ("activations", "gradients", "weights")
        self.rows = Rows(selection, Measures(watch=watch, max_elements=max_elements), bounded=False)
        self._model = model
        self._selection = selection
        self._most = max_elements
        self._loss = loss
        self.without_gradients = ""
        self.hidden: list[Any] = []
        self._is_hidden: list[bool] = []
        self._places: list[int | None] = []
        self._recorder = Recording()

    def run(self, batch: Batch) -> Measured:
        """Measure one batch."""
        with _backend.losses_kept(list(layers_in(self._model))):
            return self._run(batch)

    def _run(self, batch: Batch) -> Measured:
        trainable, others = _backend.model_values(self._model)
        outlets = self._outlets(batch, trainable, others)
        zeros = [ops.zeros(output.shape, output.dtype) for output in outlets.taps]
        cotangents = [] if self._loss is not None else outlets.cotangents()
        with _backend.with_loss(self._model, self._loss):
            if self._loss is not None:
                self._build_loss(batch.y, outlets.zeros())
            measure = _backend.staged(self._model, self._measure)
            found = measure(trainable, others, zeros, cotangents, batch.tensors)
        found = keras.tree.map_structure(ops.convert_to_numpy, found)
        return Measured(
            found["activations"],
            found["before"],
            self._by_row(found["backward"]),
            self._known(found["weights"]),
            [float(square) for square in found["inputs"]],
            float("nan") if self._loss is None else float(found["loss"]),
        )

    def _build_loss(self, y: Any, outputs: Any) -> None:
        """Call the loss once: it builds itself for labels and outputs in any structure."""
        try:
            self._loss(y, outputs)
        except Exception as error:
            if _backend.is_out_of_memory(error):
                raise
            labels, made = _shapes_in(y), _shapes_in(outputs)
            reason = str(error).strip().splitlines()[0][:200]
            raise ValueError(
                f"The loss of the model {self._model.name!r} must fit its labels. "
                f"Received: labels of shape {labels}, outputs of shape {made}, and {reason!r}. "
                "Try labels of the shape of the outputs, or another `loss`."
            ) from error

    def _by_row(self, backward: np.ndarray) -> np.ndarray:
        """Moments by row; NaN for outputs that cannot be tapped, as ragged ones."""
        moments = np.full((len(self.rows.calls), len(MOMENTS)), np.nan)
        tapped = [row for row, place in enumerate(self._places) if place is not None]
        moments[tapped] = backward[: len(tapped)]
        return moments

    def _known(self, weights: np.ndarray) -> np.ndarray:
        """Rows of weights; NaN for gradients that a backend does not show."""
        known = weights.copy()
        known[np.ix_(self._is_hidden, _OF_GRADIENT)] = np.nan
        return known

    def _outlets(self, batch: Batch, trainable: Any, others: Any) -> Outlets:
        """The outputs of the layers and of the model, as shapes."""
        outlets = Outlets()

        def run(trainable: Any, others: Any, tensors: Any) -> Any:
            outlets.taps.clear()
            with self._recorder.recording(self._selection.covered, outlets.note):
                outlets.end(self._called(trainable, others, tensors[0]))
            return ops.zeros(())

        _backend.dry_run(run, trainable, others, batch.tensors)
        return outlets

    def _called(self, trainable: Any, others: Any, x: Any) -> Any:
        with keras.StatelessScope(state_mapping=self._mapping(trainable, others)):
            return self._model(x, training=True)

    def _mapping(self, trainable: Any, others: Any) -> list[tuple[Any, Any]]:
        variables = [*self._model.trainable_variables, *self._model.non_trainable_variables]
        return list(zip(variables, [*trainable, *others], strict=True))

    # --- forward and backward ------------------------------------------------------------------

    def _measure(
        self, trainable: Any, others: Any, zeros: Any, cotangents: Any, tensors: Any
    ) -> dict[str, Any]:
        recorded: list[Call] = []

        def function(values: list[Any]) -> tuple[Any, Any]:
            mapping = self._mapping(values[: len(trainable)], others)
            tap = Tap(values[len(trainable) :])
            calls, loss, found = self._tapped(mapping, tap, tensors, cotangents)
            recorded.extend(calls)
            return loss * self._scale, (loss, found)

        values = [*trainable, *zeros]
        try:
            _, (loss, found), gradients = _backend.value_and_gradients(function, values)
        except Exception as error:
            if not _backend.lacks_gradient(error):
                raise
            self.without_gradients = str(error).strip().splitlines()[0]
            recorded.clear()
            self.hidden = []
            _, (loss, found) = function(values)
            self._places, gradients = [None] * len(self._places), [None] * len(values)
        of_weights, of_taps = gradients[: len(trainable)], gradients[len(trainable) :]
        found["backward"] = self._backward(of_taps, found.pop("masks"))
        found["weights"] = self._weights(trainable, of_weights, recorded)
        return {**found, "loss": loss}

    def _tapped(
        self, mapping: list[tuple[Any, Any]], tap: Tap, tensors: Any, cotangents: Any
    ) -> tuple[list[Call], Any, dict[str, Any]]:
        """The calls of a run with taps, its loss, and what is measured inside it."""
        scope = keras.StatelessScope(mapping, collect_losses=True)
        with self._recorder.recording(self._selection.covered, tap, before=True) as calls:
            with scope:
                outputs = self._model(tensors[0], training=True)
                loss = self._loss_of(tensors, outputs, cotangents)
            found = self._forward(calls)
        links = zip(calls, self.rows.links, strict=True)
        watched = [call for call, link in links if link.row is not None]
        self._places = [tap.place_of(call.output) for call in watched]
        self.hidden = tap.hidden
        return calls, loss, found

    def _backward(self, gradients: list[Any], masks: list[Any]) -> Any:
        blocks = [
            block_of(gradients[place], self._most, mask)
            for place, mask in zip(self._places, masks, strict=True)
            if place is not None
        ]
        if not blocks:
            return ops.zeros((0, len(MOMENTS)))
        return _unscaled(moment_rows(blocks), self._scale)

    @property
    def _scale(self) -> float:
        half = self._model.compute_dtype == "float16" and self._loss is not None
        return _HALF_SCALE if half else 1.0

    def _loss_of(self, tensors: Any, outputs: Any, cotangents: Any) -> Any:
        if self._loss is None:
            flat = [
                output for output in _backend.flat_tensors(outputs) if _backend.is_float(output)
            ]
            products = [
                ops.sum(ops.cast(output, "float32") * cotangent)
                for output, cotangent in zip(flat, cotangents, strict=True)
            ]
            return ops.sum(ops.stack(products)) if products else ops.zeros(())
        x, y, sample_weight = tensors
        loss = self._model.compute_loss(x, y, outputs, sample_weight, training=True)
        return ops.cast(loss, "float32")

    def _forward(self, calls: list[Call]) -> dict[str, Any]:
        seen = self.rows.signals(calls)
        if not seen.calls:
            raise UnmeasurableError(
                f"No layer of the model {self._model.name!r} returns floats that can be measured. "
                "Received: a model whose layers are inside loops, or return integers."
            )
        before = [_before(call, self._most) for call in seen.calls]
        return {
            "activations": self.rows.of_calls(seen),
            "before": moment_rows(before),
            "inputs": self.rows.input_squares(seen),
            "masks": [call.mask for call in seen.calls],
        }

    def _weights(self, trainable: list[Any], gradients: list[Any], calls: list[Call]) -> Any:
        variables = list(self._model.trainable_variables)
        by_id = {id(variable): place for place, variable in enumerate(variables)}
        gradient_of = {key: gradients[place] for key, place in by_id.items()}
        weights = self.rows.weights_in(variables, gradient_of, calls)
        self._is_hidden = [
            any(weight.layer is layer for layer in self.hidden) for weight in weights
        ]
        for weight in weights:
            value = trainable[by_id[id(weight.variable)]]
            weight.scale = self._scale
            weight.before = part_of(weight, value, self._most)
        return self.rows.of_weights(weights, _unknown_shares) if weights else ops.zeros((0, 1))


def _before(call: Call, most: int | None) -> Block:
    """What entered the activation of a call; its output if there is no activation."""
    before = call.before
    if before is None and traits_of(call.layer).activates and call.inputs:
        before = _backend.reachable(call.inputs[0])
    return block_of(call.output if before is None else before, most, call.mask)


def _shapes_in(structure: Any) -> Any:
    return keras.tree.map_structure(lambda array: tuple(getattr(array, "shape", ())), structure)


def _unscaled(moments: Any, scale: float) -> Any:
    """Moments of gradients that were multiplied by a scale."""
    factors = [1.0, 1 / scale, 1 / scale**2, 1 / scale, 1 / scale, 1.0]
    return moments * ops.convert_to_tensor(factors, "float32")


def _unknown_shares(layers: list[Any]) -> Any:
    return ops.full((len(layers),), np.nan, "float32")
