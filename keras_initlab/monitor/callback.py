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
from keras_initlab.monitor.epoch_logs import add_numbers
from keras_initlab.monitor.judge import Action, Gaps, Judge, OddLogs
from keras_initlab.monitor.outcome import Outcomes
from keras_initlab.monitor.pace import Pace
from keras_initlab.monitor.reporting import Reporting
from keras_initlab.monitor.scalars import ScalarChoice, checked_scalars
from keras_initlab.monitor.schedule import Schedule, schedule_of
from keras_initlab.monitor.sessions import uncover
from keras_initlab.monitor.settings import Settings
from keras_initlab.monitor.sinks import Sink, TensorBoardSink
from keras_initlab.monitor.skips import SkipLog
from keras_initlab.monitor.vocabularies import changed_vocabularies
from keras_initlab.monitor.watcher import Watcher
from keras_initlab.signal.guard import Guard, in_one_line
from keras_initlab.signal.looks import History, Look

__all__ = ["ActivationVarianceLogger"]


class ActivationVarianceLogger(Reporting, keras.callbacks.Callback):
    """Logs each layer's signal while a model trains, and reports problems in words.

    The statistics are computed inside the compiled training step, on the training batch, at
    scheduled steps only. Trained weights are the same, bit for bit, with and without the callback
    (docs/callback.md says where XLA may round differently).

    Args:
        log_dir: Directory for TensorBoard, created if missing; `None` writes nothing.
        update_freq: Training steps between snapshots, `"batch"` for every step, `"epoch"` for the
            first step and the last step of each epoch, or a schedule: an object with a method
            `due(clock)`. Step 0 is the untrained model.
        first_steps: Number of steps at the start that all get a snapshot; step 0 is the first.
        watch: One or more of `"activations"`, `"gradients"`, `"weights"` and `"updates"`.
        layers: The layers to watch: a name or shell pattern, a compiled regular expression, a
            class, a predicate, or a list of these. `None` watches all that carry signal.
        max_elements: Elements to measure per layer, whole examples first. 16,384 give a standard
            error of 1.1 % on a variance; `None` takes the whole batch.
        histograms: Whether activations and gradients are counted into 64 bins as well.
        reference: A fixed batch of inputs, measured beside the live one.
        skip_nonfinite: Whether to undo a step whose loss, weights or optimizer turn NaN or
            infinite, as if its batch had never come; seeds and metrics too. `report` counts these
            steps. 10 in a row, or the integer given, stop training: the model is at fault then.
        on_problem: `"warn"`, `"raise"` (ends `fit` with a `SignalError`), `"stop"` (ends `fit`
            after this step), a function that takes each `Problem`, or `None` for silence.
        verbose: 1 or 2 print a table when training ends, 0 does not, `"auto"` follows `fit`.
        logs: Whether to add `signal_min_variance` and `signal_dead` to the metrics of each epoch.
        sink: Where snapshots go instead of TensorBoard: an object with `append(look)`, like a list.
        scalars: Which plain scalars to log in addition to the records, which hold every number:
            `"main"`, `"all"` or `None`.

    Attributes:
        looks: The snapshots so far, oldest first; at most 2,000, evenly spaced.

    Raises:
        ValueError: If an argument is out of range; at the start of training, if the model has no
            layers to watch, or if its steps cannot be skipped.
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
        skip_nonfinite: bool | int = False,
        on_problem: Action | Callable[[Problem], object] | None = "warn",
        verbose: Literal[0, 1, 2, "auto"] = "auto",
        logs: bool = False,
        sink: Sink | None = None,
        scalars: ScalarChoice | None = "main",
    ):
        super().__init__()
        self.settings = Settings(
            schedule=schedule_of(update_freq, first_steps),
            watch=arguments.checked_watch(watch),
            max_elements=arguments.checked_elements(max_elements),
            histograms=bool(histograms),
            skips=arguments.checked_skips(skip_nonfinite),
        )
        self.log_dir = log_dir
        self.update_freq = update_freq
        self.layers = layers
        self.reference = reference
        self.logs = bool(logs)
        self.skip_nonfinite = skip_nonfinite
        self.verbose = arguments.checked_verbose(verbose)
        self.scalars = checked_scalars(scalars)
        if sink is None and log_dir is not None:
            sink = TensorBoardSink(log_dir, scalars=scalars)
        self.sink = sink
        self._chosen = checked_filter(layers)
        self._judge = Judge(on_problem, skips=bool(self.settings.skips))
        self._pace = Pace(self.settings.schedule)
        self._started = False
        self._outcomes = Outcomes()
        self._seen_from = 0
        self._odd = OddLogs()

    def __deepcopy__(self, memo: dict) -> "ActivationVarianceLogger":
        """A logger with the same settings and no snapshots, for KerasTuner."""
        twin = copy.copy(self)
        twin.sink = copy.deepcopy(self.sink, memo)
        twin.looks, twin._skips, twin._pace = History(), SkipLog(), Pace(self.settings.schedule)
        twin._judge = self._judge.fresh()
        twin._watcher, twin._model, twin.params = None, None, None
        twin._guard, twin._gaps, twin._outcomes = Guard(), Gaps(), Outcomes()
        return twin

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Start watching the model."""
        self._guard, self._gaps, self._odd = Guard(), Gaps(), OddLogs()
        self._judge.begin()
        wrong = self._guarded(self._begin)
        if wrong is not None:
            raise wrong

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Count batches from the start of the epoch."""
        self._pace.begin_epoch()
        if not self._started:
            self._started = True
            self._while_watching(self._start, epoch)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Measure the reference batch with the weights before the next step."""
        if self.reference is not None:
            self._while_watching(self._look_at_reference)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Read the snapshots that were due since the last batch."""
        looks = self._while_watching(self._after_batch, batch, logs or {})
        if looks is not None:
            self._hear(looks)
        elif self._watcher is not None and self._watcher.empty:
            self._gaps.warn(self._watcher.empty)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Read the snapshot at the end of an epoch, and correct the count of steps."""
        self._hear(self._while_watching(self._after_epoch) or [])
        self._while_watching(self._note_metrics, epoch, logs or {})
        add_numbers(logs if self.logs else None, self.looks)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Take everything off the model, and print the report."""
        if self._watcher is not None:
            self._hear(self._while_watching(self._of_bad_step) or [])
            self._guarded(self._end, self._watcher)

    def _guarded(self, function: Callable, *args: Any) -> Any:
        """The result of a function; `None` if it fails, which ends only the watching."""
        with self._guard:
            return function(*args)
        if self._guard.error is not None:
            self._gaps.add(f"watching stopped: {in_one_line(self._guard.error)}")
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
        error = arguments.unskipped(model, refusal) if self.settings.skips else None
        if error is None and refusal is not None:
            self._gaps.warn(f"{refusal}; nothing is watched.")
        if error is not None or refusal is not None:
            return error
        try:
            if self._watcher is None or not self._watcher.fits(model, self._chosen):
                self._watcher = Watcher(model, self.settings, self._chosen, self.reference)
        except NothingToWatchError as error:
            self._watcher = None
            if self._chosen is not None or self.settings.skips:
                return error
            self._gaps.warn(str(error))
            return None
        self._watcher.skips = self._skips
        self._in_fit, self._started = _backend.running_fit(model) is not None, False
        self._watcher.open()
        self._start(self._watcher, epoch=0)
        self._outcomes.begin(model, self.log_dir)
        for change in changed_vocabularies(model):
            self._gaps.tell(change)
        return None

    def _start(self, watcher: Watcher, epoch: int) -> None:
        """Set the clock: after everything that may restore a model, before the first step."""
        per_epoch = (self.params or {}).get("steps") or 0
        last = self.looks[-1].step + 1 if len(self.looks) else 0
        self._pace.clock = watcher.start_at(last, epoch, per_epoch)

    def _look_at_reference(self, watcher: Watcher) -> None:
        begin, count = self._pace.clock.step, int(self.model.steps_per_execution)
        if self._pace.is_due(range(begin, begin + count), watcher.first):
            watcher.look_at_reference()

    def _after_batch(self, watcher: Watcher, batch: int, logs: dict) -> list[Look]:
        steps = self._pace.pass_to(batch)
        seen = len(self.looks) and self.looks[-1].step >= self._pace.clock.first
        # Keras's numbers do not show a bad step that is skipped.
        odd = self._odd.are_new(logs) or self.settings.skips
        found = self._of_bad_step(watcher) if odd else []
        keeps = seen and self._pace.keeps_epoch_ends(self.params)
        if keeps or not self._pace.is_due(steps, watcher.first):
            return found
        found += self._take(watcher)
        if len(self.looks) == self._seen_from and not self._skips.steps:
            ran = watcher.steps_done() > watcher.first
            self._gaps.warn(arguments.UNSEEN_CALLS if ran else arguments.UNSEEN_STEP)
        return found

    def _after_epoch(self, watcher: Watcher) -> list[Look]:
        keeps = self._pace.keeps_epoch_ends(self.params)
        new = (self._take if keeps else self._of_bad_step)(watcher)
        if self.model.steps_per_execution > 1:
            self._pace.set_step(watcher.steps_done())
        return new

    def _note_metrics(self, watcher: Watcher, epoch: int, logs: dict) -> None:
        self._outcomes.note(self.sink, epoch, logs)

    def _end(self, watcher: Watcher) -> None:
        watcher.close()
        for look in self._skips.summary(self._pace.clock.step, time.time()):
            self._sent(look)
        getattr(self.sink, "flush", lambda: None)()
        if self._prints():
            Console().print(self.report)

    def _of_bad_step(self, watcher: Watcher) -> list[Look]:
        """A look without tables, of the first step that was not finite."""
        return [self._sent(look) for look in watcher.bad_step(time.time())]

    def _take(self, watcher: Watcher) -> list[Look]:
        new: list[Look] = []
        for look in watcher.looks(self.looks, time.time()):
            if look.sections:
                self.looks.append(look)
            new.append(self._sent(look))
        if "activations" in self.settings.watch and new and not any(look.layers for look in new):
            self._gaps.warn(arguments.UNSEEN_CALLS)
        return new

    def _sent(self, look: Look) -> Look:
        if self.sink is not None:
            self.sink.append(look)
            self._outcomes.choices(self.sink, self.model, look)
        return look

    def _hear(self, looks: list[Look]) -> None:
        """Act on problems as the user wants; an error from here ends `fit`."""
        for look in looks:
            try:
                self._judge.hear(look.problems, self.model)
            except BaseException:
                if self._watcher is not None:
                    self._guarded(self._watcher.close)
                raise
