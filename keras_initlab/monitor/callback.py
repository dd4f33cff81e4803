"""The callback: introduces what, when and where to one another."""

import os
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.monitor.looks import Look
from keras_initlab.monitor.schedule import schedule_of
from keras_initlab.monitor.sinks import TensorBoardSink
from keras_initlab.monitor.taps import Watch

__all__ = ["ActivationVarianceLogger"]


class ActivationVarianceLogger(keras.callbacks.Callback):
    """Logs the mean, variance and zero fraction of each layer's output while a model trains.

    The statistics are computed inside the compiled training step, on the training batch, on
    scheduled steps only. Trained weights are the same, bit for bit, with and without the callback.

    Args:
        log_dir: Directory for TensorBoard, made if missing; `None` writes nothing.
        update_freq: Training steps between looks, `"batch"` for every step, or `"epoch"` for the
            first step and the last one of each epoch. Step 0 is the untrained model. 100 costs
            about nothing and shows an initialization that is wrong in its first look.
        max_elements: Elements looked at per layer, whole examples first. 65,536 leave a standard
            error of 0.6 % on a variance; `None` takes all of the batch.
        sink: Where looks go instead of TensorBoard: anything with `append(look)`, a list say.

    Attributes:
        looks: All looks of this callback so far, a list of `Look`.

    Raises:
        ValueError: If `log_dir` cannot be written or is a file, `update_freq` or `max_elements` is
            out of range; at the start of training, if the model has no layers to watch.

    Example:
        >>> model = keras.Sequential([keras.layers.Dense(4, "relu", name="hidden")])
        >>> model.compile("sgd", "mse")
        >>> logger = ActivationVarianceLogger(update_freq=1)
        >>> history = model.fit(np.ones((8, 2)), np.ones((8, 4)), verbose=0, callbacks=[logger])
        >>> [(look.step, *look.by_layer("variance")) for look in logger.looks]
        [(0, 'hidden')]
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        update_freq: int | str = 100,
        *,
        max_elements: int | None = 65_536,
        sink: Any = None,
    ):
        super().__init__()
        schedule_of(update_freq, first=0, steps_per_epoch=None)
        if max_elements is not None and max_elements < 1:
            raise ValueError(
                "`max_elements` bounds the elements looked at per layer, so it must be at least 1 "
                f"or None. Received: max_elements={max_elements}."
            )
        self.log_dir = log_dir
        self.update_freq = update_freq
        self.max_elements = max_elements
        self.sink = TensorBoardSink(log_dir) if sink is None and log_dir is not None else sink
        self.looks: list[Look] = []
        self._watch: Watch | None = None
        self._schedule: Any = None
        self._step = 0
        self._batch = -1

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Put the taps on the model."""
        self._remove()
        model = self.model
        last = self.looks[-1].step + 1 if self.looks else 0
        self._step = max(_backend.updates_done(model), last)
        self._schedule = schedule_of(
            self.update_freq, first=self._step, steps_per_epoch=(self.params or {}).get("steps")
        )
        self._install(model)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Count batches from the start of the epoch."""
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Read a look, if one was due since the last batch."""
        if self._watch is None:
            return
        if not self._watch.installed:
            # Another callback ran a training step of its own on the model; take up again.
            self._install(self._model)
        steps = range(self._step, self._step + max(1, batch - self._batch))
        self._step, self._batch = steps.stop, batch
        if (
            self.update_freq == "epoch"
            and self.looks
            and self.looks[-1].step >= self._schedule.first
        ):
            return
        if any(self._schedule.due(step) for step in steps):
            self._take()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Read the look at the end of an epoch, and set the count of steps right."""
        if self._watch is None or not self._watch.installed:
            return
        if self.update_freq == "epoch":
            self._take()
        if self._model.steps_per_execution > 1:
            self._step = self._watch.steps_done()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Take everything off the model."""
        self._remove()

    def _install(self, model: Any) -> None:
        self._watch = Watch(model, self._schedule, first=self._step, max_elements=self.max_elements)
        self._watch.install()

    def _remove(self) -> None:
        if self._watch is not None:
            self._watch.remove()
            self._watch = None

    def _take(self) -> None:
        look = self._watch.read() if self._watch is not None else None
        if look is None or (self.looks and self.looks[-1].step >= look.step):
            return
        self.looks.append(look)
        if self.sink is not None:
            self.sink.append(look)
