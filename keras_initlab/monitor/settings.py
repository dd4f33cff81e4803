"""What a logger watches, and the numbers of one look."""

from dataclasses import dataclass

import numpy as np

from keras_initlab.monitor.schedule import Schedule
from keras_initlab.signal.measures import Measures

__all__ = ["Glimpse", "Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings(Measures):
    """What a logger watches, and when.

    Args:
        schedule: When to look.
        skips: How many steps in a row may be taken back because they are not finite; 0 for none.
    """

    schedule: Schedule
    skips: int = 0


@dataclass(frozen=True)
class Glimpse:
    """The numbers of one look, as they came from the device.

    Args:
        step: Updates before the look.
        inputs: Mean squares of the tensors that enter the model.
        activations: One `(rows, columns)` array per replica.
        parameters: The same for weights.
    """

    step: int
    inputs: np.ndarray
    activations: list[np.ndarray]
    parameters: list[np.ndarray]
