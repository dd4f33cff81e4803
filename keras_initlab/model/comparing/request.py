"""The arguments of `compare`, checked, as one trial for each scheme and seed."""

import hashlib
import numbers
import pickle
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_initlab.initializers.catalogue import label_of
from keras_initlab.model.comparing.keeper import Options
from keras_initlab.model.comparing.record import Run
from keras_initlab.model.comparing.trial import Task, Trial
from keras_initlab.signal.extras import plain

__all__ = ["check_travels", "checked_options", "labelled", "seeds_of", "trials_of"]

_AS_BUILT = "as built"

# Settings that a record must share with the call, beside scheme, seed, data and backend.
_TRAINING = ("epochs", "batch_size", "monitor", "target")


def labelled(schemes: Any) -> dict[str, Any]:
    """Schemes by label; in a list the labels are names and classes.

    Raises:
        ValueError: If there are none, or two have one label.
        TypeError: If they are neither a list nor a mapping with strings for keys.
    """
    if isinstance(schemes, (str, bytes)) or not isinstance(schemes, (Mapping, Sequence)):
        raise TypeError(
            "`schemes` must be a list of schemes, or a mapping from labels to schemes. "
            f"Received: schemes={schemes!r}."
        )
    pairs = list(schemes.items()) if isinstance(schemes, Mapping) else _with_labels(schemes)
    labels = [label for label, _ in pairs]
    if not labels:
        raise ValueError(f"`schemes` must hold at least one scheme. Received: schemes={schemes!r}.")
    if not all(isinstance(label, str) and label for label in labels):
        raise TypeError(f"The labels of `schemes` must be strings. Received: labels={labels!r}.")
    if len(set(labels)) < len(labels):
        raise ValueError(
            "`schemes` must have different labels, which are names and classes. "
            f'Received: labels={labels!r}. Try a mapping: {{"mine": {labels[0]}(...), ...}}.'
        )
    return {label: None if _is_as_built(scheme) else scheme for label, scheme in pairs}


def _is_as_built(scheme: Any) -> bool:
    return isinstance(scheme, str) and scheme == _AS_BUILT


def _with_labels(schemes: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(_label_in_list(scheme), scheme) for scheme in schemes]


def _label_in_list(scheme: Any) -> str:
    if scheme is None:
        return _AS_BUILT
    return scheme if isinstance(scheme, str) else label_of(scheme)


def seeds_of(seeds: Any) -> tuple[int, ...]:
    """The seeds, as a tuple.

    Raises:
        ValueError: If they are not different integers of at least 0, or there are none.
    """
    chosen = range(seeds) if _is_integer(seeds) else seeds
    fits = isinstance(chosen, (Sequence, np.ndarray)) and all(
        _is_integer(seed) and 0 <= seed < 2**32 for seed in chosen
    )
    if not fits or not len(chosen) or len(set(chosen)) < len(chosen):
        raise ValueError(
            "`seeds` must be the number of seeds, at least 1, or a sequence of different "
            f"integers of at least 0. Received: seeds={seeds!r}."
        )
    return tuple(int(seed) for seed in chosen)


def checked_options(options: Options) -> Options:
    """The options, if all are in range.

    Raises:
        ValueError: If one is out of range.
    """
    for name in ("epochs", "batch_size"):
        value = getattr(options, name)
        if not (_is_integer(value) and value >= 1) and (name, value) != ("batch_size", None):
            raise ValueError(
                f"`{name}` must be an integer of at least 1. Received: {name}={value!r}."
            )
    target = options.target
    if target is not None and not (isinstance(target, numbers.Real) and np.isfinite(target)):
        raise ValueError(
            "`target` is a value that the monitored metric should reach, so it must be a finite "
            f"number or None. Received: target={target!r}."
        )
    return options


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def trials_of(
    task: Task, schemes: Mapping[str, Any], seeds: Sequence[int], directory: Any
) -> list[Trial]:
    """One trial for each seed and scheme, all schemes of the first seed first.

    Args:
        task: What all trials share.
        schemes: Schemes by label.
        seeds: Integers.
        directory: Where to store the runs; `None` for a new temporary directory.

    Raises:
        TypeError: If `build_model` cannot be called, or there are no data.
        ValueError: If the directory is a file.
    """
    if not callable(task.build_model):
        raise TypeError(
            "`build_model` must be a function without arguments that returns a compiled Keras "
            f"model. Received: build_model of type {type(task.build_model).__name__}."
        )
    if task.data is None:
        raise TypeError("`data` must be the training data. Received: data=None.")
    folder = _folder_of(directory)
    shared = {
        "backend": keras.backend.backend(),
        **{name: _description_of(getattr(task, name)) for name in ("data", "validation_data")},
        **{name: getattr(task.options, name) for name in _TRAINING},
    }
    return [
        Trial(
            task,
            scheme,
            plain({"scheme": _description_of(scheme), "seed": seed, **shared}),
            Run(label, seed, str(folder / _file_name(label) / f"seed_{seed}")),
        )
        for seed in seeds
        for label, scheme in schemes.items()
    ]


def _folder_of(directory: Any) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="keras_initlab_compare_"))
    folder = Path(directory).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise ValueError(
            "`directory` must be a directory that can be written. "
            f"Received: directory={str(directory)!r} ({error})."
        ) from error
    return folder


def _file_name(label: str) -> str:
    """A name for any file system; different labels have different names."""
    name = re.sub(r"[^\w =-]+", "_", label, flags=re.ASCII)[:60]
    return name if name == label else f"{name}-{_digest(label.encode())}"


def _description_of(value: Any) -> Any:
    """Plain values that are the same in every process, and differ where the value does."""
    if isinstance(value, Mapping):
        return {str(key): _description_of(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_description_of(item) for item in value]
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} {_digest(np.ascontiguousarray(value).tobytes())}"
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "get_config") and not isinstance(value, type):
        return {type(value).__name__: _description_of(value.get_config())}
    words = repr(value)
    if " at 0x" not in words:
        return words
    # An address is new in each process.
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=5).hexdigest()


def check_travels(trial: Trial) -> None:
    """Refuse arguments that cannot be sent to another process.

    Raises:
        TypeError: If it cannot be pickled.
    """
    sent = {**vars(trial.task), "scheme": trial.scheme}
    for name, value in sent.items():
        try:
            pickle.dumps(value)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                f"`{name}` is sent to other processes, so it must be picklable. Received: "
                f"{name}={value!r} ({error}). Try a function: define it at the top level of a "
                "module."
            ) from error
