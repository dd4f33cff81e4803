"""What one training step of a model gives to the probes, on any backend."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.monitor.probe import Probe
from keras_initlab.monitor.updated import Updated
from keras_initlab.signal.calls import Call
from keras_initlab.signal.guard import Guard
from keras_initlab.signal.hooks import Cover
from keras_initlab.signal.parameters import Weight
from keras_initlab.signal.recording import Around, Now, Recording

__all__ = ["Recorder", "StepNow", "batch_of", "is_looking"]


class StepNow(Now):
    """What was collected of the step that runs in a thread.

    Attributes:
        weights: The weights that the optimizers update, with the probe that wants them.
        reduced: By key of the variable, its gradient summed over replicas.
        optimizing: Whether an optimizer's update is running.
        losses: What the model's losses came to.
        updated: What the optimizers did to all weights.
        data: Inputs, labels and sample weights of the batch.
        past: On JAX the calls of the forward pass, once it is over.
    """

    def __init__(self) -> None:
        self.weights: list[tuple[Probe, Weight]] = []
        self.reduced: dict[int, Any] = {}
        self.optimizing = False
        self.losses: list[Any] = []
        self.updated = Updated()
        self.data: Any = ((), (), ())
        self.past: list[Call] | None = None


class Recorder(Recording):
    """Collects the calls of layers and the weights of one training step, for all probes at once.

    It collects only inside a covered `train_step`, in the thread that runs it. Elsewhere the covers
    call the original methods and do nothing else. `StatefulStep` and `FunctionalStep` are the two
    ways through a step that backends have.

    Args:
        model: The model.
        probes: The open probes, a list that the session changes.
        guard: Keeps errors of the covers away from the training; `None` lets them pass.
    """

    def __init__(self, model: Any, probes: list[Probe], guard: Guard | None = None):
        super().__init__(guard)
        self._now = StepNow()
        self._model = model
        self._probes = probes

    def covers(self, layers: list[Any]) -> Iterator[Cover]:
        """The methods to cover, and their covers; the session covers `train_step` itself."""
        yield from self._layer_covers(layers)
        yield from self._model_covers()
        for optimizer in _backend.optimizers_of(self._model):
            yield from self._optimizer_covers(optimizer)

    def step_cover(self) -> Callable:
        """The cover of the model's `train_step`."""
        return self._observed(self._step)

    def _model_covers(self) -> Iterator[Cover]:
        return iter(())

    def _optimizer_covers(self, optimizer: Any) -> Iterator[Cover]:
        raise AssertionError("abstract")

    def _step(self, *args: Any, **kwargs: Any) -> Around:
        raise AssertionError("abstract")

    def _wants_before(self, layer: Any) -> bool:
        if super()._wants_before(layer):
            return True
        flats = [probe.rows.flat_of(layer) for probe in self._probes]
        return any(flat is not None and flat.of == "input" for flat in flats)

    def _weights_of(self, variables: list[Any], grads: list[Any]) -> list[tuple[Probe, list]]:
        found = []
        gradient_of = {id(variable): grad for variable, grad in zip(variables, grads, strict=True)}
        for probe in self._probes:
            weights: list[Weight] = []
            with probe.guard:
                if probe.settings.watches_weights and is_looking(probe):
                    weights = probe.rows.weights_in(variables, gradient_of, self._now.calls or [])
            found.append((probe, weights))
        return found


def batch_of(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, labels and sample weights of what a training step takes; empty if it is not known."""
    try:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    except ValueError:
        return (data, (), ())
    return (x, y, sample_weight)


def is_looking(probe: Probe) -> bool:
    """Whether to collect for a probe; a compiled step decides inside the step."""
    return not probe.guard.ended and (not probe.eager or bool(probe.is_due()))
