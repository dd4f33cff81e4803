"""Trains a model under several schemes and seeds, here or in other processes."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from keras_initlab.model.choices import SchemeChoice
from keras_initlab.model.comparing.comparison import Comparison
from keras_initlab.model.comparing.keeper import EVENTS_FILE, Options
from keras_initlab.model.comparing.record import Run, stored_run, write_whole
from keras_initlab.model.comparing.request import (
    check_travels,
    checked_options,
    labelled,
    seeds_of,
    trials_of,
)
from keras_initlab.model.comparing.trial import Task, Trial, run_trial
from keras_initlab.monitor.events import experiment_events, records_of

__all__ = ["compare"]


def compare(
    build_model: Callable[[], keras.Model],
    schemes: Sequence[SchemeChoice | None] | Mapping[str, SchemeChoice | None],
    data: Any,
    *,
    validation_data: Any = None,
    seeds: int | Sequence[int] = 3,
    epochs: int = 10,
    batch_size: int | None = None,
    monitor: str | None = None,
    target: float | None = None,
    directory: str | os.PathLike | None = None,
    executor: Executor | None = None,
    verbose: int = 1,
) -> Comparison:
    """Trains one model under several schemes and seeds, and compares the runs.

    Finished epochs are stored in `directory`. If a comparison was killed, call it again: every run
    continues from its last whole epoch. A run whose weights or record cannot be read starts over,
    with a warning. A run that failed is tried again. A run stops when its loss is not finite.

    Args:
        build_model: Function without arguments that returns a built and compiled model, with fresh
            weights each time.
        schemes: Schemes as `initialize` takes them, in a list or by label. `None` or `"as built"`
            leaves the weights as the model has them. `"corrected"` is `"auto"` with the training
            data and their labels.
        data: `(x, y)` or `(x, y, sample_weight)`, a dataset, the arguments of `fit` in a mapping,
            or a function that returns one of these. The function is called in the process that
            trains.
        validation_data: As `fit` takes it, or a function that returns it.
        seeds: The seeds of each scheme, or their number. With 3 you see whether schemes differ by
            more than chance.
        epochs: Epochs of each run.
        batch_size: As in `fit`.
        monitor: The metric to compare by; `None` takes the validation loss, or without validation
            data the loss.
        target: A value of that metric. The steps until it is reached are counted. A training metric
            counts from the step at which it reaches the value, if it still holds at the end of that
            epoch. A validation metric counts at the end of the epoch.
        directory: Directory for TensorBoard and the records, with one run below it for each scheme
            and seed. It must be the same in all processes. `None` takes a temporary directory.
        executor: Where the runs are trained: any object with `submit`, from `concurrent.futures`,
            Dask, Ray or MPI. `None` trains here, one run after another.
        verbose: 1 shows a progress bar, 0 does not.

    Returns:
        The comparison: print it, plot it, or read its `runs`.

    Raises:
        ValueError: If an argument is out of range, or `directory` holds runs of other settings.
        TypeError: If an argument is of the wrong type, or cannot be sent to another process.
        RuntimeError: If a process of the executor has died.
        KeyboardInterrupt: If the user stops it; finished runs are stored.

    Example:
        >>> def build():
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> data = np.ones((8, 2)), np.ones((8, 1))
        >>> comparison = compare(build, [None], data, seeds=2, epochs=1, verbose=0)
        >>> [(run.scheme, run.seed, run.status) for run in comparison.runs]
        [('as built', 0, 'finished'), ('as built', 1, 'finished')]
    """
    options = Options(epochs, batch_size, monitor, target, resumable=directory is not None)
    task = Task(build_model, data, validation_data, checked_options(options))
    chosen, numbers = labelled(schemes), seeds_of(seeds)
    _check_executor(executor)
    trials = trials_of(task, chosen, numbers, directory)
    if isinstance(executor, ProcessPoolExecutor):
        for trial in trials[: len(chosen)]:
            check_travels(trial)
    runs = {(run.scheme, run.seed): run for run in _all_runs(trials, executor, verbose)}
    ordered = tuple(runs[label, seed] for label in chosen for seed in numbers)
    folder = Path(trials[0].run.directory).parent.parent
    _describe(folder, ordered)
    return Comparison(ordered, target, str(folder))


def _check_executor(executor: Any) -> None:
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(
            "`executor` must have a method `submit`, like those of `concurrent.futures`. "
            f"Received: executor of type {type(executor).__name__}."
        )
    if not isinstance(executor, ProcessPoolExecutor):
        return
    # A forked process lacks the threads of TensorFlow and JAX, and waits for them for ever.
    context = getattr(executor, "_mp_context", None) or multiprocessing.get_context()
    if context.get_start_method() == "fork":
        raise ValueError(
            "`executor` must not fork this process, because Keras runs threads in it. Received: a "
            "ProcessPoolExecutor that forks. Try "
            '`ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))`.'
        )


def _all_runs(trials: list[Trial], executor: Executor | None, verbose: int) -> Iterator[Run]:
    """The runs that are stored already, then the others as they end."""
    kept = [stored_run(trial.run.directory, trial.settings) for trial in trials]
    complete = [run for run in kept if run is not None and run.complete]
    left = [
        trial for trial, run in zip(trials, kept, strict=True) if run is None or not run.complete
    ]
    yield from complete
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeRemainingColumn(), disable=not verbose) as progress:
        task = progress.add_task("runs", total=len(trials), completed=len(complete))
        for run in map(run_trial, left) if executor is None else _runs_elsewhere(left, executor):
            progress.update(task, advance=1, description=f"{run.scheme}, seed {run.seed}")
            yield run


def _runs_elsewhere(trials: Iterable[Trial], executor: Executor) -> Iterator[Run]:
    futures = []
    try:
        futures += [executor.submit(run_trial, trial) for trial in trials]
        for future in as_completed(futures):
            yield future.result()
    except BrokenExecutor as error:
        raise RuntimeError(
            f"A process of the executor has died: {error} Finished runs are kept if there is a "
            "`directory`. Try again with fewer processes, if memory is short; a script must start "
            'its work below `if __name__ == "__main__":`.'
        ) from error
    finally:
        for future in futures:
            future.cancel()


def _describe(folder: Path, runs: Sequence[Run]) -> None:
    """Write schemes, seeds and metrics for TensorBoard's HPARAMS dashboard."""
    choices: dict[str, Sequence[Any]] = {
        "scheme": list(dict.fromkeys(run.scheme for run in runs)),
        "seed": list(dict.fromkeys(run.seed for run in runs)),
    }
    metrics = list(dict.fromkeys(name for run in runs for name in run.history))
    write_whole(folder / EVENTS_FILE, records_of(experiment_events(choices, metrics)))
