"""Counts the training steps that were skipped because they were not finite."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab._wire import Problem
from keras_initlab.signal.looks import Look
from keras_initlab.signal.skipping import in_short

__all__ = ["SkipLog", "Skipped", "Skips"]

# Columns: how many, how many in a row, whether that reached the limit, the step behind the last
# one, and the numbers of the last steps.
_COUNT, _ROW, _OVER, _NEXT, _HEAD = 0, 1, 2, 3, 4
_LAST = 256


@dataclass(frozen=True)
class Skipped:
    """The steps of a `fit` that were skipped.

    Args:
        count: How many.
        row: How many in a row, up to the last one.
        over: Whether that is as many as allowed, so that nothing more was trained.
        steps: The last of them, oldest first.
    """

    count: int = 0
    row: int = 0
    over: bool = False
    steps: tuple[int, ...] = ()


class SkipLog:
    """The skipped steps of all fits of a logger.

    Attributes:
        steps: Their numbers, oldest first.
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self._seen = 0

    def begin(self) -> None:
        """Listen to another `fit`."""
        self._seen = 0

    def hear(self, skipped: Skipped) -> None:
        """Add what was skipped since the last time."""
        new = skipped.count - self._seen
        if new > 0:
            self.steps += skipped.steps[-new:]
            self._seen = skipped.count

    def summary(self, step: int, now_s: float) -> list[Look]:
        """A look without tables that says how many they were, where more than the first were.

        Args:
            step: Of the look.
            now_s: Seconds since the epoch.
        """
        if len(self.steps) < 2:
            return []
        text, count = in_short(self.steps), float(len(self.steps))
        problem = Problem("nonfinite", "steps", (), step, count, 0.0, text)
        return [Look(step, now_s, problems=(problem,))]


class Skips:
    """Counts skipped steps in the training step itself, and ends training at the limit.

    From the step on that reaches the limit every step is taken back, so the model waits, as it was,
    for the host to see it.

    Args:
        model: The model.
        limit: Steps in a row that may be skipped.
    """

    def __init__(self, model: Any, limit: int):
        self._limit = limit
        self.held = _backend.StepState(model, np.zeros(_HEAD + _LAST, np.int32))

    # --- in the step ---------------------------------------------------------------------------

    def noted(self, state: Any, step: Any, bad: Any) -> tuple[Any, Any]:
        """The state after a step, and whether the step is taken back.

        Args:
            state: The numbers so far.
            step: The number of the step.
            bad: Whether it was not finite.
        """
        over = state[_OVER] > 0
        counted = ops.logical_and(bad, ops.logical_not(over))
        after = _backend.when(counted, lambda: self._counted(state, step), state)
        return after, ops.logical_or(bad, over)

    def note(self, step: Any, bad: Any) -> Any:
        """Whether the step is taken back. For stateful training steps."""
        state = ops.convert_to_tensor(self.held.state.value)
        after, undone = self.noted(state, step, bad)
        self.held.state.assign(after)
        return undone

    def note_in(self, variables: list[Any], step: Any, bad: Any) -> Any:
        """The same where a functional step carries the count among its variables."""
        place = self.held.place()
        variables[place], undone = self.noted(variables[place], step, bad)
        return undone

    def _counted(self, state: Any, step: Any) -> Any:
        step = ops.cast(step, "int32")
        row = ops.where(state[_NEXT] == step, state[_ROW] + 1, 1)
        head = ops.stack([state[_COUNT] + 1, row, row >= self._limit, step + 1])
        here = ops.arange(_LAST, dtype="int32") == state[_COUNT] % _LAST
        return ops.concatenate([ops.cast(head, "int32"), ops.where(here, step, state[_HEAD:])])

    # --- on the host ---------------------------------------------------------------------------

    def forget(self) -> None:
        """Start to count from zero, for another `fit`."""
        self.held.write(np.zeros(_HEAD + _LAST, np.int32))

    def read(self) -> Skipped:
        """What was skipped so far."""
        numbers = self.held.read()[0].tolist()
        count, last = numbers[_COUNT], numbers[_HEAD:]
        places = range(max(0, count - _LAST), count)
        steps = tuple(last[place % _LAST] for place in places)
        return Skipped(count, numbers[_ROW], bool(numbers[_OVER]), steps)
