"""The trainings of several schemes, as a figure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_initlab.model.comparing.record import Run
from keras_initlab.signal.extras import blank_figure, label

__all__ = ["comparison_figure"]

# The palette of Okabe and Ito, for colour-blind readers.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_LINES = ("-", "--", ":", "-.")


def comparison_figure(
    schemes: Mapping[str, Sequence[Run]], monitor: str, target: float | None
) -> Any:
    """The metric by epoch, a band from lowest to highest seed; variance by layer, on a log axis.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    figure = blank_figure(11.0, 4.5)
    left, right = figure.subplots(1, 2)
    for place, (name, runs) in enumerate(schemes.items()):
        style = {
            "color": _COLORS[place % len(_COLORS)],
            "linestyle": _LINES[place // len(_COLORS) % len(_LINES)],
        }
        _draw_curve(left, [run.history[monitor] for run in runs if monitor in run.history], style)
        _draw_profile(right, [run.first_variance for run in runs if run.first_variance], style)
        # A scheme without a curve still belongs in the legend.
        left.plot([], [], label=label(name), **style)
    if target is not None:
        left.axhline(target, color="gray", linewidth=0.8)
    left.set_xlabel("epoch")
    left.xaxis.get_major_locator().set_params(integer=True)
    left.legend()
    _finish(left, label(monitor))
    _finish(right, "variance of output, first snapshot")
    return figure


def _draw_curve(axes: Any, curves: list[Sequence[float]], style: dict[str, Any]) -> None:
    """Mean and range over the seeds, at every epoch that a seed has reached."""
    length = max((len(curve) for curve in curves), default=0)
    values = np.full((len(curves), length), math.nan)
    for row, curve in zip(values, curves, strict=True):
        row[: len(curve)] = curve
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return
    epochs, values = np.arange(1, length + 1)[known], values[:, known]
    axes.plot(epochs, np.nanmean(values, axis=0), marker="." if length < 20 else None, **style)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    axes.fill_between(epochs, low, high, color=style["color"], alpha=0.2)


def _draw_profile(axes: Any, profiles: list[Mapping[str, float]], style: dict[str, Any]) -> None:
    """The geometric mean over the seeds, layer by layer."""
    # Layers go by their place: Keras numbers unnamed ones anew in every model.
    rows = [list(profile.values()) for profile in profiles]
    if not rows:
        return
    values = np.array([row for row in rows if len(row) == len(rows[0])], float)
    values[~(values > 0)] = math.nan
    known = (~np.isnan(values)).any(axis=0)
    places = np.arange(values.shape[1])
    means = np.exp(np.nanmean(np.log(values[:, known]), axis=0))
    axes.plot(places[known], means, marker="o", **style)
    if not axes.get_xlabel():
        axes.set_xlabel("layer")
        axes.set_xticks(places, [label(name) for name in profiles[0]], rotation=60, ha="right")


def _finish(axes: Any, up: str) -> None:
    curves = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    drawn = np.concatenate([np.empty(0), *curves])
    if drawn.size and (drawn > 0).all():
        axes.set_yscale("log")
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
