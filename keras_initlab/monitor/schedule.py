"""Schedules: at which training steps to look."""

import numbers
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

__all__ = ["Clock", "Early", "EpochEnds", "Every", "Schedule", "is_due", "schedule_of"]


class Clock(NamedTuple):
    """The position of training, in integers, or in scalar tensors inside a compiled step.

    Args:
        step: Updates made before this one.
        first: The step at which this `fit` began.
        period: Steps of an epoch; 1 where Keras does not know them.
    """

    step: Any
    first: Any
    period: Any


class Schedule(Protocol):
    """Decides at which steps to look, with operators that work on numbers and on tensors."""

    def due(self, clock: Clock) -> Any:
        """Whether to look before this update."""


@dataclass(frozen=True)
class Every:
    """Look before the updates numbered 0, n, 2n, ...

    The first update of every `fit` has a snapshot, whatever the schedule.

    Args:
        steps: Training steps between snapshots, at least 1.
    """

    steps: int

    def due(self, clock: Clock) -> Any:
        """Whether to look before this update."""
        return clock.step % self.steps == 0


@dataclass(frozen=True)
class EpochEnds:
    """Look at the first step of a `fit` and at the last step of every epoch.

    Where Keras does not know the length of an epoch, a snapshot is taken at every step, and the
    last one of each epoch is kept.
    """

    def due(self, clock: Clock) -> Any:
        """Whether to look before this update."""
        done = clock.step - clock.first
        return (done == 0) | ((done + 1) % clock.period == 0)


@dataclass(frozen=True)
class Early:
    """Look at each of the first steps, then follow another schedule.

    Args:
        steps: How many steps count as the first ones, from the untrained model on.
        then: The schedule of all later steps.
    """

    steps: int
    then: Schedule

    def due(self, clock: Clock) -> Any:
        """Whether to look before this update."""
        return (clock.step < self.steps) | self.then.due(clock)


def is_due(schedule: Schedule, clock: Clock) -> Any:
    """Whether to look before this update: as the schedule says, and at the first of every `fit`."""
    return (clock.step == clock.first) | schedule.due(clock)


def schedule_of(
    update_freq: int | Literal["batch", "epoch"] | Schedule, first_steps: int = 0
) -> Schedule:
    """The schedule that `update_freq` names, as in `keras.callbacks.TensorBoard`.

    Args:
        update_freq: A positive integer, `"batch"`, `"epoch"` or a schedule.
        first_steps: Look at each of this many steps, from the untrained model on.

    Raises:
        ValueError: If either is out of range.

    Example:
        >>> schedule = schedule_of(100, first_steps=3)
        >>> [step for step in range(250) if schedule.due(Clock(step, 0, 1))]
        [0, 1, 2, 100, 200]
    """
    if not _is_count(first_steps, least=0):
        raise ValueError(
            "`first_steps` counts the steps from the start that are all looked at, so it must be "
            f"an integer of at least 0. Received: first_steps={first_steps!r}."
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
            "`update_freq` counts training steps between looks, so it must be an integer of at "
            "least 1, 'batch', 'epoch' or a schedule with a method `due(clock)`. "
            f"Received: update_freq={update_freq!r}."
        )
    return Every(int(update_freq))


def _is_count(number: Any, *, least: int) -> bool:
    integer = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    return integer and number >= least
