"""Schedules: at which training steps to take a snapshot."""

import numbers
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

__all__ = [
    "Clock",
    "Early",
    "EpochEnds",
    "Every",
    "Schedule",
    "is_due",
    "schedule_of",
    "slots_of",
]

_MOST_SLOTS = 32


class Clock(NamedTuple):
    """The position in training: integers, or scalar tensors inside a compiled step.

    Args:
        step: Updates made before this one.
        first: The step at which this `fit` began.
        period: Steps per epoch; 1 if Keras does not know their number.
    """

    step: Any
    first: Any
    period: Any


class Schedule(Protocol):
    """Decides at which steps to take a snapshot. Must work on numbers and on tensors."""

    def due(self, clock: Clock) -> Any:
        """Whether to take a snapshot before this update."""


@dataclass(frozen=True)
class Every:
    """Takes a snapshot before the updates numbered 0, n, 2n, ...

    The first update of every `fit` gets a snapshot, whatever the schedule.

    Args:
        steps: Training steps between snapshots, at least 1.
    """

    steps: int

    def due(self, clock: Clock) -> Any:
        """Whether to take a snapshot before this update."""
        return clock.step % self.steps == 0


@dataclass(frozen=True)
class EpochEnds:
    """Takes a snapshot at the first step of a `fit` and at the last step of every epoch.

    If Keras does not know the length of an epoch, a snapshot is taken at every step, and the last
    one of each epoch is kept.
    """

    def due(self, clock: Clock) -> Any:
        """Whether to take a snapshot before this update."""
        done = clock.step - clock.first
        return (done == 0) | ((done + 1) % clock.period == 0)


@dataclass(frozen=True)
class Early:
    """Takes a snapshot at every one of the first steps, then follows another schedule.

    Args:
        steps: Number of first steps, starting with the untrained model.
        then: The schedule of all later steps.
    """

    steps: int
    then: Schedule

    def due(self, clock: Clock) -> Any:
        """Whether to take a snapshot before this update."""
        return (clock.step < self.steps) | self.then.due(clock)


def is_due(schedule: Schedule, clock: Clock) -> Any:
    """Whether to take a snapshot: if the schedule says so, and at every first step of a `fit`."""
    return (clock.step == clock.first) | schedule.due(clock)


def schedule_of(
    update_freq: int | Literal["batch", "epoch"] | Schedule, first_steps: int = 0
) -> Schedule:
    """The schedule that `update_freq` names, as in `keras.callbacks.TensorBoard`.

    Args:
        update_freq: A positive integer, `"batch"`, `"epoch"` or a schedule.
        first_steps: Number of steps at the start that all get a snapshot; step 0 is the first.

    Raises:
        ValueError: If either is out of range.

    Example:
        >>> schedule = schedule_of(100, first_steps=3)
        >>> [step for step in range(250) if schedule.due(Clock(step, 0, 1))]
        [0, 1, 2, 100, 200]
    """
    if not _is_count(first_steps, least=0):
        raise ValueError(
            "`first_steps` is the number of steps at the start that all get a snapshot, so it must "
            f"be an integer of at least 0. Received: first_steps={first_steps!r}."
        )
    schedule = _regular(update_freq)
    return Early(int(first_steps), schedule) if first_steps else schedule


def _regular(update_freq: Any) -> Schedule:
    if update_freq == "epoch":
        return EpochEnds()
    if update_freq == "batch":
        return Every(1)
    if hasattr(update_freq, "due"):
        return update_freq
    if not _is_count(update_freq, least=1):
        raise ValueError(
            "`update_freq` counts training steps between snapshots, so it must be an integer of at "
            "least 1, 'batch', 'epoch' or a schedule with a method `due(clock)`. "
            f"Received: update_freq={update_freq!r}."
        )
    return Every(int(update_freq))


def _is_count(number: Any, *, least: int) -> bool:
    integer = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    return integer and number >= least


def slots_of(model: Any) -> int:
    """How many looks one execution of the training function may take, within bounds."""
    return min(max(1, int(model.steps_per_execution or 1)), _MOST_SLOTS)
