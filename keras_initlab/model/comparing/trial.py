"""One training of a comparison, from the seed to its record."""

import contextlib
import copy
import random
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_initlab.model.comparing.keeper import CallError, Keeper, Options, weights_of
from keras_initlab.model.comparing.record import Run, stored_run

__all__ = ["Task", "Trial", "run_trial"]

# The scheme that `initialize` corrects by the training data.
_CORRECTED = "corrected"

# Seeds are a state of the process, so that threads train one after another.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Task:
    """What all trainings of a comparison share.

    Args:
        build_model: Makes a compiled model.
        data: Training data, as `compare` takes them.
        validation_data: Validation data.
        options: How it is trained.
    """

    build_model: Callable[[], keras.Model]
    data: Any
    validation_data: Any
    options: Options


@dataclass(frozen=True)
class Trial:
    """Everything that another process needs for one training.

    Args:
        task: What all trainings share.
        scheme: What `initialize` takes; `None` leaves the weights as they are built.
        settings: Plain values that the record is compared by.
        run: The record, still empty.
    """

    task: Task
    scheme: Any
    settings: Mapping[str, Any]
    run: Run


def run_trial(trial: Trial) -> Run:
    """Train, from the last whole epoch if there is one, and store the record.

    Raises:
        TypeError: If `build_model` does not make a compiled Keras model.
        ValueError: If its model is not built, or lacks the metric that is monitored.
    """
    directory = Path(trial.run.directory)
    directory.mkdir(parents=True, exist_ok=True)
    stored = stored_run(trial.run.directory, trial.settings) or trial.run
    with _ONE_AT_A_TIME, _seeds_set(trial.run.seed):
        model, run = _model_and_record(trial, stored)
        keeper = Keeper(
            replace(run, status="unfinished", error=""), trial.task.options, trial.settings
        )
        try:
            _train(model, trial, keeper)
        except CallError:
            raise
        # Whatever a scheme, the data or a layer raises is the result of this run.
        except Exception as error:
            return keeper.end(error)
        return keeper.end()


@contextlib.contextmanager
def _seeds_set(seed: int) -> Iterator[None]:
    """Seed everything; afterwards Python's and NumPy's generators are as they were."""
    states = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _model_and_record(trial: Trial, stored: Run) -> tuple[Any, Run]:
    """The model to train, and its record; both as new if no weights can be read."""
    damaged: dict[Path, Exception] = {}
    for epochs in range(len(stored.steps), 0, -1):
        run = stored.until(epochs)
        path = weights_of(run)
        if path.exists():
            model = _built_model(trial)
            try:
                _load(model, path)
            # HDF5 and Keras raise anything on a file that was cut off; no scheme is at fault.
            except Exception as error:
                damaged[path] = error
            else:
                _warn_of(damaged, f"continues from epoch {epochs}")
                return model, run
    _warn_of(damaged, "starts over")
    return _built_model(trial), trial.run


def _load(model: Any, path: Path) -> None:
    model.optimizer.build(model.trainable_variables)
    with warnings.catch_warnings():
        # Keras only warns when it leaves out the state of an optimizer.
        warnings.simplefilter("error", UserWarning)
        model.load_weights(path)


def _warn_of(damaged: Mapping[Path, Exception], what: str) -> None:
    if damaged:
        first = next(iter(damaged.values()))
        reason = (str(first).strip() or "-").splitlines()[0][:200]
        warnings.warn(
            f"The stored weights of a run cannot be read, so it {what}. "
            f"Received: {', '.join(map(str, damaged))} ({type(first).__name__}: {reason}).",
            stacklevel=4,
        )


def _built_model(trial: Trial) -> Any:
    # Each time as the first time.
    keras.utils.set_random_seed(trial.run.seed)
    return _checked_model(trial.task.build_model())


def _checked_model(model: Any) -> Any:
    if not isinstance(model, keras.Model) or not model.compiled:
        raise TypeError(
            "`build_model` must return a compiled Keras model. "
            f"Received: build_model() of type {type(model).__name__}, "
            f"compiled={getattr(model, 'compiled', False)}."
        )
    if not model.built:
        raise ValueError(
            "`build_model` must return a model whose weights exist. "
            f"Received: model={model.name!r}, built=False. "
            "Try `keras.Input(...)` as its first layer."
        )
    return model


def _train(model: Any, trial: Trial, keeper: Keeper) -> None:
    arguments = _fit_arguments(trial.task)
    keeper.begin(any(name.startswith("validation_") for name in arguments))
    done = len(keeper.run.steps)
    if done:
        # Else its first batches would be shuffled as those of the first epoch were.
        keras.utils.set_random_seed((trial.run.seed + 7919 * done) % 2**32)
    elif trial.scheme is not None:
        _draw_anew(model, trial, arguments)
    if done < trial.task.options.epochs:
        callbacks = [*copy.deepcopy(arguments.pop("callbacks", [])), keeper.logger, keeper]
        options = {"batch_size": trial.task.options.batch_size, "epochs": trial.task.options.epochs}
        model.fit(**arguments, **options, initial_epoch=done, verbose=0, callbacks=callbacks)


def _draw_anew(model: Any, trial: Trial, arguments: Mapping[str, Any]) -> None:
    # The room's own front, which imports this module.
    from keras_initlab.model.initialization.initialize import initialize

    scheme, data = trial.scheme, None
    if isinstance(scheme, str) and scheme == _CORRECTED:
        x, y = arguments["x"], arguments.get("y")
        scheme, data = "auto", x if y is None else (x, y)
    report = initialize(model, scheme, data=data, seed=trial.run.seed)
    if not any(change.scheme for change in report.changes):
        raise ValueError(
            "A scheme must draw at least one weight, and trained weights are left alone. "
            f"Received: scheme={trial.scheme!r}."
        )


def _fit_arguments(task: Task) -> dict[str, Any]:
    data = task.data() if callable(task.data) else task.data
    validation = task.validation_data
    validation = validation() if callable(validation) else validation
    if isinstance(data, Mapping):
        arguments = dict(data)
        taken = sorted({"epochs", "initial_epoch", "batch_size", "verbose"} & set(arguments))
        if taken:
            raise CallError(
                "`data` may hold any arguments of `fit` except those that `compare` sets itself. "
                f"Received: data with {', '.join(taken)}. Try `compare(..., {taken[0]}=...)`."
            )
    else:
        values = data if isinstance(data, (tuple, list)) else (data,)
        arguments = dict(zip(("x", "y", "sample_weight"), values, strict=False))
    return arguments if validation is None else {**arguments, "validation_data": validation}
