"""Watches one training of a comparison, and writes its record."""

import functools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from keras_initlab.model.comparing.record import Run, Status, store, write_whole
from keras_initlab.monitor import ActivationVarianceLogger
from keras_initlab.monitor.events import records_of, trial_events
from keras_initlab.signal.looks import Look
from keras_initlab.signal.report import in_words

__all__ = ["EVENTS_FILE", "CallError", "Keeper", "Options", "weights_of"]

# One file, written anew where a run is tried again, so that TensorBoard counts the run once.
EVENTS_FILE = "events.out.tfevents.hparams.initlab"

_LOOK_STEPS = 100


@dataclass(frozen=True)
class Options:
    """How every run of a comparison is trained.

    Args:
        epochs: Epochs of training.
        batch_size: As `fit` takes it.
        monitor: Metric compared with the target; `None` for the loss, or the validation loss.
        target: Value of the metric to reach, or `None`.
        resumable: Whether the weights are saved at the end of each epoch.
    """

    epochs: int
    batch_size: int | None
    monitor: str | None
    target: float | None
    resumable: bool


class CallError(ValueError):
    """The arguments of `compare` cannot be followed; no scheme is at fault."""


def weights_of(run: Run) -> Path:
    """The file with the weights from which a run continues."""
    return Path(run.directory, f"epoch_{len(run.steps)}.weights.h5")


@dataclass(frozen=True)
class _Looks:
    """Every 100 steps, and at the end of each epoch where its length is known."""

    def due(self, clock: Any) -> Any:
        ends = (clock.step - clock.first + 1) % clock.period == 0
        return (clock.step % _LOOK_STEPS == 0) | (ends & (clock.period > 1))


class Keeper(keras.callbacks.Callback):
    """Keeps the record of a run, one whole epoch at a time.

    Args:
        run: The record from which training continues.
        options: How it is trained.
        settings: Plain values that the record is compared by.

    Attributes:
        logs_outcome: Tells the logger that metrics and hyperparameters are logged here.
    """

    logs_outcome = True

    def __init__(self, run: Run, options: Options, settings: Mapping[str, Any]):
        super().__init__()
        self.run = run
        self.logger = ActivationVarianceLogger(run.directory, _Looks(), on_problem=None, verbose=0)
        self._options, self._settings = options, settings
        self._begun_s = time.perf_counter() - run.duration_s
        self._step = run.steps[-1] if run.steps else 0
        self._before = self._step
        self._since: int | None = None

    def begin(self, validated: bool) -> None:
        """Choose the monitored metric.

        Raises:
            CallError: If it belongs to validation, and there is no validation.
        """
        monitor = self._options.monitor or ("val_loss" if validated else "loss")
        if monitor.startswith("val_") and not validated:
            raise CallError(
                "`monitor` can be a validation metric only if there is `validation_data`. "
                f"Received: monitor={monitor!r}."
            )
        self.run = replace(self.run, monitor=monitor)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count the step, and stop a run whose loss is not finite."""
        logs = logs or {}
        self._step = self._before + batch + 1
        if not math.isfinite(logs.get("loss", 0.0)):
            self.model.stop_training = True
        # Early batches may meet the target by chance: it counts where it holds until the end.
        self._since = (self._since or self._step) if self._meets(logs) else None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the epoch: first the weights, then the record that counts it."""
        logs = logs or {}
        self._check_monitored(logs)
        if self.run.steps_to_target is None and self._meets(logs):
            self.run = replace(self.run, steps_to_target=self._since or self._step)
        self._since, self._before = None, self._step
        last = weights_of(self.run)
        run = _with_epoch(_with_looks(self.run, self.logger), self._step, logs)
        self.run = replace(run, duration_s=self._duration_s())
        if self._options.resumable:
            self.model.save_weights(weights_of(self.run), overwrite=True)
            store(self.run, self._settings)
            last.unlink(missing_ok=True)

    def end(self, error: Exception | None = None) -> Run:
        """Write how the run ended, for TensorBoard too."""
        run = _with_looks(self.run, self.logger)
        status: Status = "failed"
        if error is None:
            status = "finished" if self._is_finite() else "diverged"
        else:
            run = replace(run, error=f"{type(error).__name__}: {error}")
        self.run = replace(run, status=status, duration_s=self._duration_s())
        hparams = {"scheme": self.run.scheme, "seed": self.run.seed}
        events = trial_events(
            hparams,
            _curves_of(self.run),
            duration_s=self.run.duration_s,
            succeeded=self.run.status == "finished",
        )
        write_whole(Path(self.run.directory, EVENTS_FILE), records_of(events))
        store(self.run, self._settings)
        if self.run.complete:
            # Older ones too, where the newest could not be read.
            for left in Path(self.run.directory).glob("epoch_*.weights.h5"):
                left.unlink(missing_ok=True)
        return self.run

    # --- in between ----------------------------------------------------------------------------

    def _duration_s(self) -> float:
        return time.perf_counter() - self._begun_s

    def _is_finite(self) -> bool:
        ends = {name: values[-1] for name, values in self.run.history.items()}
        return math.isfinite(ends.get("loss", 0.0))

    def _check_monitored(self, logs: dict) -> None:
        # With `validation_freq` some epochs have no validation.
        if self.run.monitor.removeprefix("val_") not in logs:
            raise CallError(
                f"`monitor` must be one of the metrics that `fit` logs: {', '.join(sorted(logs))}. "
                f"Received: monitor={self.run.monitor!r}."
            )

    def _meets(self, logs: dict) -> bool:
        target, monitor = self._options.target, self.run.monitor
        if target is None or monitor not in logs:
            return False
        return self._sign * (logs[monitor] - target) >= 0

    @functools.cached_property
    def _sign(self) -> int:
        """1 where more is better, else -1: Keras knows, and `EarlyStopping` asks it."""
        stopping = keras.callbacks.EarlyStopping(self.run.monitor)
        stopping.set_model(self.model)
        stopping.on_train_begin()
        try:
            stopping.on_epoch_end(0, {self.run.monitor: 0.0})
        except ValueError as error:
            raise CallError(
                "`target` needs a metric for which Keras knows whether higher is better. "
                f"Received: monitor={self.run.monitor!r}."
            ) from error
        return 1 if stopping.monitor_op is keras.ops.greater else -1


def _with_epoch(run: Run, step: int, logs: Mapping[str, float]) -> Run:
    missing = (math.nan,) * len(run.steps)
    history = {
        name: (*run.history.get(name, missing), float(logs.get(name, math.nan)))
        for name in {**run.history, **logs}
    }
    return replace(run, history=history, steps=(*run.steps, step))


def _with_looks(run: Run, logger: ActivationVarianceLogger) -> Run:
    looks = logger.looks
    if not len(looks):
        return run
    if not run.steps:
        run = replace(
            run,
            first_variance=_variance_in(looks[0]),
            first_problems=tuple(in_words(looks[0].problems)),
        )
    problems = dict.fromkeys([*run.problems, *in_words(logger.report.problems)])
    return replace(run, last_variance=_variance_in(looks[-1]), problems=tuple(problems))


def _variance_in(look: Look) -> dict[str, float]:
    return look.by_layer("variance") if "activations" in look.sections else {}


def _curves_of(run: Run) -> dict[str, dict[int, float]]:
    return {
        name: {
            step: value
            for step, value in zip(run.steps, values, strict=True)
            if math.isfinite(value)
        }
        for name, values in run.history.items()
    }
