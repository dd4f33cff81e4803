"""The profile of a signal through depth, as a figure."""

from collections.abc import Sequence
from typing import Any

from keras_initlab.model.diagnosis.report import LayerSignal

__all__ = ["profile_figure"]

# Blue and orange of Okabe and Ito, which the colour-blind can tell apart.
_FORWARD, _BACKWARD = "#0072b2", "#d55e00"


def profile_figure(layers: Sequence[LayerSignal]) -> Any:
    """Variance of outputs, theory beside it, and of gradients, layer by layer on a log axis.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("`plot` needs matplotlib. Try `pip install matplotlib`.") from error
    figure = Figure(figsize=(max(6.0, 0.3 * len(layers)), 6.0), layout="constrained")
    forward, backward = figure.subplots(2, 1, sharex=True)
    places = range(len(layers))
    forward.plot(places, [x.variance for x in layers], "o-", color=_FORWARD, label="measured")
    theory = [x.predicted_variance for x in layers]
    forward.plot(places, theory, "--", color="gray", label="theory")
    forward.set_ylabel("variance of output")
    forward.legend()
    backward.plot(
        places, [x.gradient_variance for x in layers], "o-", color=_BACKWARD, label="outputs"
    )
    weights = [x.weight_gradient_variance for x in layers]
    backward.plot(places, weights, "s:", color=_BACKWARD, alpha=0.6, label="weights")
    backward.set_ylabel("variance of gradient")
    backward.legend()
    backward.set_xticks(list(places), [x.name for x in layers], rotation=60, ha="right")
    for axes in (forward, backward):
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
    return figure
