"""The record of one training, in memory and in a file."""

import json
import math
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from keras_initlab.signal.extras import plain

__all__ = ["Run", "Status", "store", "stored_run", "write_whole"]

_FILE = "result.json"
Status: TypeAlias = Literal["finished", "diverged", "failed", "unfinished"]


@dataclass(frozen=True)
class Run:
    """One training of a comparison: a scheme and a seed.

    Args:
        scheme: Label of the scheme.
        seed: Seed of the training.
        directory: Where its TensorBoard log and its `result.json` are.
        status: `"finished"`, `"diverged"` (the loss is not finite), `"failed"` (an exception), or
            `"unfinished"`.
        error: The exception of a failed run, its class first.
        monitor: The metric that is compared with the target.
        history: Values at the end of each epoch, by metric; NaN where it was not measured.
        steps: Training steps done at the end of each epoch.
        steps_to_target: Training steps until the target was reached, `None` if it was not.
        duration_s: Seconds spent in training.
        first_variance: Variance of each layer's output in the first snapshot.
        last_variance: The same in the last snapshot.
        first_problems: Problems in the first snapshot, in words, the name of the rule first.
        problems: The same for all snapshots.

    Example:
        >>> run = Run("HeNormal", 0, "", "finished", history={"loss": (2.0, 1.0)}, steps=(8, 16))
        >>> run.metrics, run.healthy
        ({'loss': 1.0}, True)
    """

    scheme: str
    seed: int
    directory: str
    status: Status = "unfinished"
    error: str = ""
    monitor: str = ""
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    steps: tuple[int, ...] = ()
    steps_to_target: int | None = None
    duration_s: float = 0.0
    first_variance: Mapping[str, float] = field(default_factory=dict)
    last_variance: Mapping[str, float] = field(default_factory=dict)
    first_problems: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """Final value of each metric: the last one measured."""
        return {name: _final(values) for name, values in self.history.items()}

    @property
    def healthy(self) -> bool:
        """Whether it finished, and no snapshot showed a problem."""
        return self.status == "finished" and not self.problems

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to train."""
        return self.status in ("finished", "diverged")

    def until(self, epoch: int) -> "Run":
        """The run as it was at the end of an earlier epoch, as far as it is known."""
        steps = self.steps[:epoch]
        reached = self.steps_to_target
        return replace(
            self,
            history={name: values[:epoch] for name, values in self.history.items()},
            steps=steps,
            steps_to_target=reached if reached and reached <= max(steps, default=0) else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON. A number that is not finite is `None`."""
        return plain(asdict(self))


def _final(values: tuple[float, ...]) -> float:
    # With `validation_freq` the last epoch may lack a value.
    measured = [value for value in values if not math.isnan(value)]
    return measured[-1] if measured else math.nan


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is never seen half-written, whoever else writes it."""
    # Not the name of an event file, which TensorBoard would read.
    writer = f"{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}"
    draft = path.with_name(f".unfinished.{writer}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def store(run: Run, settings: Mapping[str, Any]) -> None:
    """Write a run and its settings to its directory."""
    content = {"settings": settings, "run": run.to_dict()}
    write_whole(Path(run.directory, _FILE), json.dumps(content, indent=1).encode())


def stored_run(directory: str, settings: Mapping[str, Any]) -> Run | None:
    """The run stored in a directory; `None` if there is none, or its record is damaged.

    Raises:
        ValueError: If it was made with other settings.
    """
    try:
        content = json.loads(Path(directory, _FILE).read_bytes())
        run, held = _revived(content["run"], directory), dict(content["settings"])
    # Half a file, another version's, or one that somebody has edited.
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    for name in {**held, **settings}:
        old, new = held.get(name), settings.get(name)
        if old != new:
            raise ValueError(
                f"`directory` must hold runs made with the same settings. Received: {directory}, "
                f"made with {name}={_short(old)}, but this call has {name}={_short(new)}. "
                "Try another directory, or delete this one."
            )
    return run


def _short(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 200 else f"{words[:200]}..."


def _revived(content: dict[str, Any], directory: str) -> Run:
    if set(content) != {entry.name for entry in fields(Run)}:
        raise ValueError("a record of another version")
    run: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    for name in ("first_variance", "last_variance"):
        run[name] = {layer: _number(value) for layer, value in run[name].items()}
    run["history"] = {
        name: tuple(_number(value) for value in values) for name, values in run["history"].items()
    }
    run["duration_s"] = _number(run["duration_s"])
    # The directory may have been moved since.
    return _checked_run(Run(**{**run, "directory": directory}))


def _checked_run(run: Run) -> Run:
    """The run, if its fields have their types and agree with one another."""
    texts = (run.scheme, run.error, run.monitor, *run.first_problems, *run.problems)
    counts = (*run.steps, *(() if run.steps_to_target is None else (run.steps_to_target,)))
    fits = (
        run.status in get_args(Status)
        and all(isinstance(text, str) for text in texts)
        and all(type(count) is int and count > 0 for count in counts)
        and type(run.seed) is int
        and list(run.steps) == sorted(set(run.steps))
        and all(len(values) == len(run.steps) for values in run.history.values())
        and (bool(run.steps) or run.status != "finished")
    )
    if not fits:
        raise ValueError("a damaged record")
    return run


def _number(value: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
        raise TypeError("a number is wanted")
    return math.nan if value is None else float(value)
