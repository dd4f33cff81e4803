"""Profiles of a signal through depth, as a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_initlab.signal.extras import blank_figure, label

__all__ = ["BACKWARD", "FORWARD", "Curve", "profile_figure"]

# Blue and orange of Okabe and Ito, which the colour-blind can tell apart.
FORWARD, BACKWARD = "#0072b2", "#d55e00"


@dataclass(frozen=True)
class Curve:
    """One line of a panel.

    Args:
        label: Its name in the legend.
        values: A number for each layer, NaN where there is none.
        color: A colour of matplotlib's.
        style: Marker and line, as `plot` takes them.
        options: Further arguments of `plot`.
    """

    label: str
    values: Sequence[float]
    color: str
    style: str = "o-"
    options: Mapping[str, Any] = field(default_factory=dict)


def profile_figure(names: Sequence[str], panels: Mapping[str, Sequence[Curve]]) -> Any:
    """Curves layer by layer, in stacked panels, with a log axis wherever there are numbers.

    Args:
        names: Names of the layers, in call order.
        panels: Curves by the name of the panel's axis.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    figure = blank_figure(max(6.0, 0.3 * len(names)), 3.0 * len(panels))
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, curves) in zip(rows, panels.items(), strict=True):
        for curve in curves:
            values, options = np.asarray(curve.values, float), {"label": curve.label}
            axes.plot(
                range(len(names)),
                values,
                curve.style,
                color=curve.color,
                **options,
                **curve.options,
            )
        axes.set_ylabel(title)
        axes.legend()
        if any((line.get_ydata() > 0).any() for line in axes.lines):
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
    ticks = [label(name) for name in names]
    rows[-1].set_xticks(list(range(len(names))), ticks, rotation=60, ha="right")
    return figure
