"""When to look."""

import numbers
from dataclasses import dataclass
from typing import Any

__all__ = ["EpochEnds", "Every", "schedule_of"]


@dataclass(frozen=True)
class Every:
    """Look before the updates numbered 0, n, 2n, ..."""

    steps: int

    def due(self, step: Any) -> Any:
        """Whether to look at this step, a number or a tensor of the training step."""
        return step % self.steps == 0


@dataclass(frozen=True)
class EpochEnds:
    """Look at the first step of a training run and at the last step of every epoch.

    Args:
        first: Step at which training starts.
        steps_per_epoch: `None` where Keras does not know it: then every step is looked at, and the
            last look of each epoch is kept.
    """

    first: int
    steps_per_epoch: int | None

    def due(self, step: Any) -> Any:
        """Whether to look at this step, a number or a tensor of the training step."""
        if self.steps_per_epoch is None:
            return step >= self.first
        return (step == self.first) | ((step - self.first + 1) % self.steps_per_epoch == 0)


def schedule_of(update_freq: Any, *, first: int, steps_per_epoch: int | None) -> Every | EpochEnds:
    """The schedule that `update_freq` names, as in `keras.callbacks.TensorBoard`.

    Raises:
        ValueError: If it is not `"batch"`, `"epoch"` or an integer of at least 1.
    """
    if update_freq == "epoch":
        return EpochEnds(first, steps_per_epoch)
    if update_freq == "batch":
        return Every(1)
    integer = isinstance(update_freq, numbers.Integral) and not isinstance(update_freq, bool)
    if not integer or update_freq < 1:
        raise ValueError(
            "`update_freq` counts training steps between looks, so it must be an integer of at "
            f"least 1, 'batch' or 'epoch'. Received: update_freq={update_freq!r}."
        )
    return Every(int(update_freq))
