"""What a logger watches, and what one look at it brings back."""

from dataclasses import dataclass

import numpy as np

from keras_initlab.monitor.schedule import Schedule
from keras_initlab.monitor.step.activations import COLUMNS
from keras_initlab.monitor.step.histograms import BINS
from keras_initlab.monitor.step.parameters import PARAMETER_COLUMNS

__all__ = ["Glimpse", "Settings"]


@dataclass(frozen=True)
class Settings:
    """What a logger watches.

    Args:
        schedule: When to look.
        watch: Some of `"activations"`, `"gradients"`, `"weights"` and `"updates"`.
        max_elements: Elements looked at per layer, `None` for all.
        histograms: Whether activations and gradients are counted into bins too.
    """

    schedule: Schedule
    watch: tuple[str, ...]
    max_elements: int | None
    histograms: bool

    @property
    def bins(self) -> int:
        """Columns that hold a histogram."""
        return BINS if self.histograms else 0

    @property
    def width(self) -> int:
        """Columns of the array."""
        return max(len(COLUMNS), len(PARAMETER_COLUMNS)) + self.bins

    @property
    def watches_weights(self) -> bool:
        """Whether anything of the optimizer's step is asked for."""
        return bool({"gradients", "weights", "updates"} & set(self.watch))


@dataclass(frozen=True)
class Glimpse:
    """One look as it came from the device.

    Args:
        step: Updates before it.
        inputs: Mean squares of the tensors that enter the model.
        activations: One `(rows, columns)` array per replica.
        parameters: The same for the weights.
    """

    step: int
    inputs: np.ndarray
    activations: list[np.ndarray]
    parameters: list[np.ndarray]
