"""What is measured of a signal."""

from dataclasses import dataclass

from keras_initlab._wire import HISTOGRAM_BINS
from keras_initlab.signal.activations import COLUMNS
from keras_initlab.signal.parameters import PARAMETER_COLUMNS

__all__ = ["Measures"]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What is measured, and on how many elements.

    Args:
        watch: One or more of `"activations"`, `"gradients"`, `"weights"` and `"updates"`.
        max_elements: Elements measured per layer, `None` for all.
        histograms: Whether activations and gradients are counted into bins too.
    """

    watch: tuple[str, ...]
    max_elements: int | None
    histograms: bool = False

    @property
    def bins(self) -> int:
        """Columns that hold a histogram."""
        return HISTOGRAM_BINS if self.histograms else 0

    @property
    def width(self) -> int:
        """Columns of the array."""
        return max(len(COLUMNS), len(PARAMETER_COLUMNS)) + self.bins

    @property
    def watches_weights(self) -> bool:
        """Whether anything of the optimizer's step is asked for."""
        return bool({"gradients", "weights", "updates"} & set(self.watch))
