"""The callback: joins what is measured, when, and where it goes."""

import copy
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
from rich.console import Console

from keras_initlab import _backend
from keras_initlab._wire import Problem
from keras_initlab.anatomy.selection import NothingToWatchError, checked_filter
from keras_initlab.monitor import arguments
from keras_initlab.monitor.arguments import LayerChoice, Watchable
from keras_initlab.monitor.judge import Action, Gaps, Judge
from keras_initlab.monitor.schedule import Clock, EpochEnds, Schedule, is_due, schedule_of
from keras_initlab.monitor.sessions import uncover
from keras_initlab.monitor.settings import Settings
from keras_initlab.monitor.sinks import Sink, TensorBoardSink
from keras_initlab.monitor.training_report import TrainingReport
from keras_initlab.monitor.watcher import Watcher
from keras_initlab.signal.guard import Guard, in_one_line
from keras_initlab.signal.looks import History, Look

__all__ = ["ActivationVarianceLogger"]


class ActivationVarianceLogger(keras.callbacks.Callback):
    """Logs each layer's signal while a model trains, and reports problems in words.

    The statistics are computed inside the compiled training step, on the training batch, at
    scheduled steps only. Trained weights are the same, bit for bit, with and without the callback
    (docs/callback.md says where XLA may round differently).

    Args:
        log_dir: Directory for TensorBoard, made if missing; `None` writes nothing.
        update_freq: Training steps between snapshots, `"batch"` for every step, `"epoch"` for the
            first step and the last one of each epoch, or a schedule: an object with a method
            `due(clock)`. Step 0 is the untrained model. 100 costs about nothing, and the first
            snapshot already shows a wrong initialization.
        first_steps: A snapshot is taken at each of this many steps, from the untrained model on.
        watch: Some of `"activations"`, `"gradients"`, `"weights"` and `"updates"`.
        layers: Which layers: a name or shell pattern, a compiled regular expression, a class, a
            predicate, or a list of these. `None` takes all that carry signal.
        max_elements: Elements to measure per layer, whole examples first. 16,384 leave a standard
            error of 1.1 % on a variance; `None` takes all of the batch.
        histograms: Whether activations and gradients are counted into 64 bins as well.
        reference: A fixed batch of inputs, measured beside the live one.
        on_problem: `"warn"`, `"raise"` (ends `fit` with a `SignalError`), `"stop"` (ends `fit`
            after this step), a function that takes each `Problem`, or `None` for silence.
        verbose: 1 prints a table when training ends, 0 does not, `"auto"` follows `fit`.
        sink: Where snapshots go instead of TensorBoard: any object with `append(look)`, as a list.

    Attributes:
        looks: The snapshots so far, oldest first; at most 2,000, at equal distances.

    Raises:
        ValueError: If an argument is out of range; at the start of training, if the model has no
            layers to watch.
        TypeError: If `layers` cannot choose layers.

    Example:
        >>> model = keras.Sequential([keras.layers.Dense(4, "relu", name="hidden")])
        >>> model.compile("sgd", "mse")
        >>> logger = ActivationVarianceLogger(update_freq=1, on_problem=None)
        >>> history = model.fit(np.ones((8, 2)), np.ones((8, 4)), verbose=0, callbacks=[logger])
        >>> [(look.step, *look.by_layer("variance")) for look in logger.looks]
        [(0, 'hidden')]
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        update_freq: int | Literal["batch", "epoch"] | Schedule = 100,
        *,
        first_steps: int = 0,
        watch: Watchable | Sequence[Watchable] = arguments.WATCHABLE,
        layers: LayerChoice | None = None,
        max_elements: int | None = 16_384,
        histograms: bool = False,
        reference: Any = None,
        on_problem: Action | Callable[[Problem], object] | None = "warn",
        verbose: Literal[0, 1, 2, "auto"] = "auto",
        sink: Sink | None = None,
    ):
        super().__init__()
        self.settings = Settings(
            schedule=schedule_of(update_freq, first_steps),
            watch=arguments.checked_watch(watch),
            max_elements=arguments.checked_elements(max_elements),
            histograms=bool(histograms),
        )
        self.log_dir = log_dir
        self.update_freq = update_freq
        self.layers = layers
        self.reference = reference
        self.verbose = arguments.checked_verbose(verbose)
        self.sink = TensorBoardSink(log_dir) if sink is None and log_dir is not None else sink
        self.looks = History()
        self._chosen = checked_filter(layers)
        self._judge = Judge(on_problem)
        self._watcher: Watcher | None = None
        self._clock = Clock(0, 0, 1)
        self._batch = -1
        self._started = False
        self._in_fit = False
        self._guard = Guard()
        self._gaps = Gaps()
        self._seen_from = 0

    @property
    def history(self) -> dict[str, list[Any]]:
        """All snapshots as columns of equal length: `pandas.DataFrame(logger.history)`."""
        return self.looks.as_columns()

    @property
    def report(self) -> TrainingReport:
        """The report of the training so far."""
        first, last = (self.looks[0], self.looks[-1]) if len(self.looks) else (None, None)
        notes = () if self._watcher is None else self._watcher.notes
        rows = () if last is None else last.layers
        if last is not None and not rows and "weights" in last.sections:
            rows = last.sections["weights"].layers
        notes = tuple(dict.fromkeys((*self._gaps.reasons, *notes)))
        failed = self._watcher is not None and self._watcher.failed
        blind = failed or bool(self._gaps.reasons)
        return TrainingReport(rows, first, last, tuple(self._judge.problems), notes, blind)

    def __deepcopy__(self, memo: dict) -> "ActivationVarianceLogger":
        """A logger with the same settings and no snapshots, for KerasTuner."""
        twin = copy.copy(self)
        twin.sink = copy.deepcopy(self.sink, memo)
        twin.looks = History()
        twin._judge = self._judge.fresh()
        twin._watcher, twin._model, twin.params = None, None, None
        twin._guard, twin._gaps = Guard(), Gaps()
        return twin

    # --- what Keras calls ----------------------------------------------------------------------

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Start watching the model."""
        self._guard, self._gaps = Guard(), Gaps()
        wrong = self._guarded(self._begin)
        if wrong is not None:
            raise wrong

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Count batches from the start of the epoch."""
        self._batch = -1
        if not self._started:
            self._started = True
            self._while_watching(self._start, epoch)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Measure the reference batch with the weights before the next step."""
        if self.reference is not None:
            self._while_watching(self._look_at_reference)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Read the snapshots that were due since the last batch."""
        looks = self._while_watching(self._after_batch, batch)
        if looks is not None:
            self._hear(looks)
        elif self._watcher is not None and self._watcher.empty:
            self._gaps.warn(self._watcher.empty)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Read the snapshot at the end of an epoch, and correct the count of steps."""
        self._hear(self._while_watching(self._after_epoch) or [])

    def on_train_end(self, logs: dict | None = None) -> None:
        """Take everything off the model, and print the report."""
        if self._watcher is not None:
            self._guarded(self._end, self._watcher)

    # --- in between ----------------------------------------------------------------------------

    def _guarded(self, function: Callable, *args: Any) -> Any:
        """The result of a function; `None` if it fails, which ends only the watching."""
        with self._guard:
            return function(*args)
        if self._guard.error is not None:
            self._gaps.add(f"the watching ended: {in_one_line(self._guard.error)}")
        with self._guard:
            if self._watcher is not None:
                self._watcher.close()
        with self._guard:
            uncover(self.model)
        return None

    def _while_watching(self, function: Callable, *args: Any) -> Any:
        """The result of a function of the open watcher; `None` if no watcher is open."""
        watcher = self._watcher
        if self._guard.ended or watcher is None:
            return None
        is_open = self._guarded(lambda: watcher.is_open)
        return self._guarded(function, watcher, *args) if is_open else None

    def _begin(self) -> Exception | None:
        """Open a watcher. Returns an error for the user where `layers` chooses no layer."""
        model, self._seen_from = self.model, len(self.looks)
        refusal = _backend.refusal_of(model)
        if refusal is not None:
            self._gaps.warn(f"{refusal}; nothing is watched.")
            return None
        try:
            if self._watcher is None or not self._watcher.fits(model, self._chosen):
                self._watcher = Watcher(model, self.settings, self._chosen, self.reference)
        except NothingToWatchError as error:
            self._watcher = None
            if self._chosen is not None:
                return error
            self._gaps.warn(str(error))
            return None
        self._in_fit = _backend.running_fit(model) is not None
        self._started = False
        self._watcher.open()
        self._start(self._watcher, epoch=0)
        return None

    def _start(self, watcher: Watcher, epoch: int) -> None:
        """Set the clock: after everything that may restore a model, before the first step."""
        per_epoch = (self.params or {}).get("steps") or 0
        last = self.looks[-1].step + 1 if len(self.looks) else 0
        self._clock = watcher.start_at(last, epoch, per_epoch)

    def _look_at_reference(self, watcher: Watcher) -> None:
        begin = self._clock.step
        if self._due_in(watcher, range(begin, begin + int(self.model.steps_per_execution))):
            watcher.look_at_reference()

    def _after_batch(self, watcher: Watcher, batch: int) -> list[Look]:
        begin = self._clock.step
        steps = range(begin, begin + max(1, batch - self._batch))
        self._batch = batch
        self._clock = self._clock._replace(step=steps.stop)
        seen = len(self.looks) and self.looks[-1].step >= self._clock.first
        if (seen and self._keeps_epoch_ends()) or not self._due_in(watcher, steps):
            return []
        new = self._take(watcher)
        if not new and len(self.looks) == self._seen_from:
            ran = watcher.steps_done() > watcher.first
            self._gaps.warn(arguments.UNSEEN_CALLS if ran else arguments.UNSEEN_STEP)
        return new

    def _after_epoch(self, watcher: Watcher) -> list[Look]:
        new = self._take(watcher) if self._keeps_epoch_ends() else []
        if self.model.steps_per_execution > 1:
            self._clock = self._clock._replace(step=watcher.steps_done())
        return new

    def _end(self, watcher: Watcher) -> None:
        watcher.close()
        flush = getattr(self.sink, "flush", None)
        if flush is not None:
            flush()
        if self._prints():
            Console().print(self.report)

    def _keeps_epoch_ends(self) -> bool:
        """Whether every step is measured because the length of an epoch is not known."""
        endings = isinstance(self.settings.schedule, EpochEnds)
        return endings and not (self.params or {}).get("steps")

    def _due_in(self, watcher: Watcher, steps: range) -> bool:
        clock = self._clock._replace(first=watcher.first)
        schedule = self.settings.schedule
        return any(is_due(schedule, clock._replace(step=step)) for step in steps)

    def _take(self, watcher: Watcher) -> list[Look]:
        new = []
        for look in watcher.looks(self.looks, time.time()):
            self.looks.append(look)
            new.append(look)
            if self.sink is not None:
                self.sink.append(look)
        asked = "activations" in self.settings.watch
        if asked and new and not any(look.layers for look in new):
            self._gaps.warn(arguments.UNSEEN_CALLS)
        return new

    def _hear(self, looks: list[Look]) -> None:
        """Act on problems as the user wants; an error from here ends `fit`."""
        for look in looks:
            try:
                self._judge.hear(look.problems, self.model)
            except BaseException:
                if self._watcher is not None:
                    self._guarded(self._watcher.close)
                raise

    def _prints(self) -> bool:
        if self.verbose == "auto":
            shows = (self.params or {}).get("verbose", 0) and len(self.looks)
            return self._in_fit and bool(shows)
        return bool(self.verbose)
