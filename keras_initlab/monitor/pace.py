"""The position of a `fit`: which steps a Keras batch covers, and whether one of them is due."""

from collections.abc import Mapping
from typing import Any

from keras_initlab.monitor.schedule import Clock, EpochEnds, Schedule, is_due

__all__ = ["Pace"]


class Pace:
    """Counts the steps of a `fit` on the host.

    Args:
        schedule: When to look.

    Attributes:
        clock: Before the next step.
    """

    def __init__(self, schedule: Schedule):
        self._schedule = schedule
        self._batch = -1
        self.clock = Clock(0, 0, 1)

    def begin_epoch(self) -> None:
        """Count batches from the start of the epoch."""
        self._batch = -1

    def pass_to(self, batch: int) -> range:
        """The steps that have run since the batch before, which the clock passes."""
        begin = int(self.clock.step)
        steps = range(begin, begin + max(1, batch - self._batch))
        self._batch = batch
        self.set_step(steps.stop)
        return steps

    def set_step(self, step: int) -> None:
        """Correct the clock."""
        self.clock = self.clock._replace(step=step)

    def is_due(self, steps: range, first: int) -> bool:
        """Whether one of these steps is looked at.

        Args:
            steps: Numbers of steps.
            first: From which step on the model is watched.
        """
        clock = self.clock._replace(first=first)
        return any(is_due(self._schedule, clock._replace(step=step)) for step in steps)

    def keeps_epoch_ends(self, params: Mapping[str, Any] | None) -> bool:
        """Whether every step is measured because the length of an epoch is not known."""
        known = (params or {}).get("steps")
        return isinstance(self._schedule, EpochEnds) and not known
