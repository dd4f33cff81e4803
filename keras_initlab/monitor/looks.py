"""What one look at the model saw."""

from dataclasses import dataclass

import numpy as np

from keras_initlab._wire import STATISTICS, LayerInfo

__all__ = ["Look"]


@dataclass(frozen=True)
class Look:
    """Statistics of every watched layer at one training step.

    Args:
        step: Optimizer updates before this look; 0 is the untrained model.
        wall_time_s: Seconds since the epoch at which it was read.
        layers: The rows of `values`.
        values: `(layers, statistics)` float64, columns as in `keras_initlab._wire.STATISTICS`.

    Example:
        >>> rows = (LayerInfo("dense", "Dense", "relu", 0),)
        >>> look = Look(0, 0.0, rows, np.array([[8, 0.5, 0.25, 0.5, 0.0, 0.0]]))
        >>> look.by_layer("variance")
        {'dense': 0.25}
    """

    step: int
    wall_time_s: float
    layers: tuple[LayerInfo, ...]
    values: np.ndarray

    def by_layer(self, statistic: str) -> dict[str, float]:
        """One statistic of every layer, in call order.

        Raises:
            ValueError: If there is no such statistic.
        """
        if statistic not in STATISTICS:
            raise ValueError(
                f"`statistic` must be one of {', '.join(STATISTICS)}. "
                f"Received: statistic={statistic!r}."
            )
        column = self.values[:, STATISTICS.index(statistic)]
        return {layer.name: float(value) for layer, value in zip(self.layers, column, strict=True)}
