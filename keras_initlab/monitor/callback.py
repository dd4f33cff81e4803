"""The callback: introduces what, when and where to one another."""

import copy
import os
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
from rich.console import Console

from keras_initlab import _backend
from keras_initlab.anatomy.selection import NothingToWatchError, checked_filter
from keras_initlab.monitor import arguments
from keras_initlab.monitor.judge import Judge, SignalWarning
from keras_initlab.monitor.report import TrainingReport
from keras_initlab.monitor.schedule import Clock, EpochEnds, is_due, schedule_of
from keras_initlab.monitor.sessions import uncover
from keras_initlab.monitor.settings import Settings
from keras_initlab.monitor.sinks import TensorBoardSink
from keras_initlab.monitor.watcher import Watcher
from keras_initlab.signal.guard import Guard, in_one_line
from keras_initlab.signal.looks import History, Look

__all__ = ["ActivationVarianceLogger"]


class ActivationVarianceLogger(keras.callbacks.Callback):
    """Logs each layer's signal while a model trains, and says in words what is wrong with it.

    The statistics are computed inside the compiled training step, on the training batch, on
    scheduled steps only. Trained weights are the same, bit for bit, with and without the callback
    (docs/callback.md says where XLA may round differently).

    Args:
        log_dir: Directory for TensorBoard, made if missing; `None` writes nothing.
        update_freq: Training steps between looks, `"batch"` for every step, `"epoch"` for the
            first step and the last one of each epoch, or a schedule: an object with a method
            `due(clock)`. Step 0 is the untrained model. 100 costs about nothing and shows an
            initialization that is wrong in its first look.
        first_steps: So many steps from the untrained model on are all looked at.
        watch: Some of `"activations"`, `"gradients"`, `"weights"` and `"updates"`.
        layers: Which layers: a name or shell pattern, a compiled regular expression, a class, a
            predicate, or a list of these. `None` takes all that carry signal.
        max_elements: Elements looked at per layer, whole examples first. 16,384 leave a standard
            error of 1.1 % on a variance; `None` takes all of the batch.
        histograms: Whether activations and gradients are counted into 64 bins as well.
        reference: A fixed batch, as the model takes it, looked at beside the live one.
        on_problem: `"warn"`, `"raise"` (ends `fit` with a `SignalError`), `"stop"` (ends `fit`
            after this step), a function that takes each `Problem`, or `None` for silence.
        verbose: 1 prints a table when training ends, 0 does not, `"auto"` follows `fit`.
        sink: Where looks go instead of TensorBoard: anything with `append(look)`, a list say.

    Attributes:
        looks: The looks so far, oldest first; at most 2,000, at equal distances.

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
        update_freq: Any = 100,
        *,
        first_steps: int = 0,
        watch: Sequence[str] = arguments.WATCHABLE,
        layers: Any = None,
        max_elements: int | None = 16_384,
        histograms: bool = False,
        reference: Any = None,
        on_problem: Any = "warn",
        verbose: int | str = "auto",
        sink: Any = None,
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
        self._notes: list[str] = []
        self._blind = False
        self._seen_from = 0

    @property
    def history(self) -> dict[str, list[Any]]:
        """All looks as columns of equal length: `pandas.DataFrame(logger.history)`."""
        return self.looks.as_columns()

    @property
    def report(self) -> TrainingReport:
        """What was seen so far, as data."""
        first, last = (self.looks[0], self.looks[-1]) if len(self.looks) else (None, None)
        notes = () if self._watcher is None else self._watcher.notes
        rows = () if last is None else last.layers
        if last is not None and not rows and "weights" in last.sections:
            rows = last.sections["weights"].layers
        notes = tuple(dict.fromkeys((*self._notes, *notes)))
        blind = self._blind or (self._watcher is not None and self._watcher.failed)
        return TrainingReport(rows, first, last, tuple(self._judge.problems), notes, blind)

    def __deepcopy__(self, memo: dict) -> "ActivationVarianceLogger":
        """A logger with the same settings that has seen nothing, as KerasTuner needs one."""
        twin = copy.copy(self)
        twin.sink = copy.deepcopy(self.sink, memo)
        twin.looks = History()
        twin._judge = self._judge.fresh()
        twin._watcher, twin._model, twin.params = None, None, None
        twin._guard, twin._notes, twin._blind = Guard(), [], False
        return twin

    # --- what Keras calls ----------------------------------------------------------------------

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Put the taps on the model."""
        self._guard, self._notes, self._blind = Guard(), [], False
        wrong = self._guarded(self._begin)
        if wrong is not None:
            raise wrong

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Count batches from the start of the epoch."""
        self._batch = -1
        if self._is_watching() and not self._started:
            self._started = True
            self._guarded(self._start, epoch)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Look at the reference batch, with the weights that the next step starts from."""
        if self.reference is not None and self._is_watching():
            self._guarded(self._look_at_reference)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Read a look, if one was due since the last batch."""
        if self._is_watching():
            self._hear(self._guarded(self._after_batch, batch))
        elif self._watcher is not None and self._watcher.empty:
            self._tell_blindness(self._watcher.empty)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Read the look at the end of an epoch, and set the count of steps right."""
        if self._is_watching():
            self._hear(self._guarded(self._after_epoch))

    def on_train_end(self, logs: dict | None = None) -> None:
        """Take everything off the model, and print what was seen."""
        if self._watcher is not None:
            self._guarded(self._end)

    # --- in between ----------------------------------------------------------------------------

    def _guarded(self, function: Callable, *args: Any) -> Any:
        """What a function gives; `None` if it fails, which ends the watching and nothing else."""
        with self._guard:
            return function(*args)
        self._blind = True
        self._notes.append(f"the watching ended: {in_one_line(self._guard.error)}")
        with self._guard:
            if self._watcher is not None:
                self._watcher.close()
        with self._guard:
            uncover(self.model)
        return None

    def _is_watching(self) -> bool:
        if self._guard.ended or self._watcher is None:
            return False
        return bool(self._guarded(lambda: self._watcher.is_open))

    def _begin(self) -> Exception | None:
        """Open a watcher; what the user has to hear of, where `layers` chooses none."""
        model, self._seen_from = self.model, len(self.looks)
        refusal = _backend.refusal_of(model)
        if refusal is not None:
            self._tell_blindness(f"{refusal}; nothing is watched.")
            return None
        try:
            if self._watcher is None or not self._watcher.fits(model, self._chosen):
                self._watcher = Watcher(model, self.settings, self._chosen, self.reference)
        except NothingToWatchError as error:
            self._watcher = None
            if self._chosen is not None:
                return error
            self._tell_blindness(str(error))
            return None
        self._in_fit = _backend.running_fit(model) is not None
        self._started = False
        self._watcher.open()
        self._start(epoch=0)
        return None

    def _start(self, epoch: int) -> None:
        """Set the clocks: after everything that restores a model, before the first step."""
        per_epoch = (self.params or {}).get("steps") or 0
        last = self.looks[-1].step + 1 if len(self.looks) else 0
        self._clock = self._watcher.start_at(last, epoch, per_epoch)

    def _look_at_reference(self) -> None:
        begin = self._clock.step
        if self._due_in(range(begin, begin + int(self.model.steps_per_execution))):
            self._watcher.look_at_reference()

    def _after_batch(self, batch: int) -> list[Look]:
        begin = self._clock.step
        steps = range(begin, begin + max(1, batch - self._batch))
        self._batch = batch
        self._clock = self._clock._replace(step=steps.stop)
        seen = len(self.looks) and self.looks[-1].step >= self._clock.first
        if (seen and self._keeps_epoch_ends()) or not self._due_in(steps):
            return []
        new = self._take()
        if not new and len(self.looks) == self._seen_from:
            ran = self._watcher.steps_done() > self._watcher.first
            self._tell_blindness(arguments.UNSEEN_CALLS if ran else arguments.UNSEEN_STEP)
        return new

    def _after_epoch(self) -> list[Look]:
        new = self._take() if self._keeps_epoch_ends() else []
        if self.model.steps_per_execution > 1:
            self._clock = self._clock._replace(step=self._watcher.steps_done())
        return new

    def _end(self) -> None:
        self._watcher.close()
        if hasattr(self.sink, "flush"):
            self.sink.flush()
        if self._prints():
            Console().print(self.report)

    def _keeps_epoch_ends(self) -> bool:
        """Whether every step is looked at because the length of an epoch is not known."""
        endings = isinstance(self.settings.schedule, EpochEnds)
        return endings and not (self.params or {}).get("steps")

    def _due_in(self, steps: range) -> bool:
        clock = self._clock._replace(first=self._watcher.first)
        schedule = self.settings.schedule
        return any(is_due(schedule, clock._replace(step=step)) for step in steps)

    def _take(self) -> list[Look]:
        new = []
        for look in self._watcher.looks(self.looks, time.time()):
            self.looks.append(look)
            new.append(look)
            if self.sink is not None:
                self.sink.append(look)
        asked = "activations" in self.settings.watch
        if asked and new and not any(look.layers for look in new):
            self._tell_blindness(arguments.UNSEEN_CALLS)
        return new

    def _hear(self, looks: list[Look] | None) -> None:
        """Act on problems, as the user wants it: what this raises ends `fit`."""
        for look in looks or []:
            try:
                self._judge.hear(look.problems, self.model)
            except BaseException:
                self._guarded(self._watcher.close)
                raise

    def _tell_blindness(self, reason: str) -> None:
        """Warn once in a `fit`, and never call healthy what was not seen."""
        self._blind = True
        if reason not in self._notes:
            self._notes.append(reason)
            warnings.warn_explicit(reason, SignalWarning, "<ActivationVarianceLogger>", 1)

    def _prints(self) -> bool:
        if self.verbose == "auto":
            return self._in_fit and bool((self.params or {}).get("verbose", 0)) and len(self.looks)
        return bool(self.verbose)
