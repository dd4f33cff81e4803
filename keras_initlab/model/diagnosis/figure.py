"""The profile of a signal through depth, as a figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_initlab.model.diagnosis.report import LayerSignal
from keras_initlab.model.extras import blank_figure, label

__all__ = ["profile_figure"]

# Blue and orange of Okabe and Ito, which the colour-blind can tell apart.
_FORWARD, _BACKWARD = "#0072b2", "#d55e00"


def profile_figure(layers: Sequence[LayerSignal]) -> Any:
    """Variance of outputs, theory beside it, and of gradients, layer by layer on a log axis.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    figure = blank_figure(max(6.0, 0.3 * len(layers)), 6.0)
    forward, backward = figure.subplots(2, 1, sharex=True)
    places = range(len(layers))
    forward.plot(places, _column(layers, "variance"), "o-", color=_FORWARD, label="measured")
    theory = _column(layers, "predicted_variance")
    forward.plot(places, theory, "--", color="gray", label="theory")
    forward.set_ylabel("variance of output")
    forward.legend()
    outputs, weights = (
        _column(layers, name) for name in ("gradient_variance", "weight_gradient_variance")
    )
    backward.plot(places, outputs, "o-", color=_BACKWARD, label="outputs")
    backward.plot(places, weights, "s:", color=_BACKWARD, alpha=0.6, label="weights")
    backward.set_ylabel("variance of gradient")
    backward.legend()
    backward.set_xticks(list(places), [label(x.name) for x in layers], rotation=60, ha="right")
    for axes in (forward, backward):
        if any((line.get_ydata() > 0).any() for line in axes.lines):
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
    return figure


def _column(layers: Sequence[LayerSignal], name: str) -> np.ndarray:
    return np.array([getattr(layer, name) for layer in layers])
