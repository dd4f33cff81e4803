"""The signal of a stack, layer by layer, before anything is measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from keras_initlab.theory.maps import Phi
from keras_initlab.theory.moments import moments_of

__all__ = ["SignalProfile", "StackLayer", "signal_profile"]


@dataclass(frozen=True)
class StackLayer:
    """One layer of a stack: weights, biases, then an activation.

    Args:
        activation: Name, Keras activation, callable, `Activation`, or `None` for linear.
        weight_variance: `C_w`, the weights' variance times `fan_in` (unitless).
        bias_variance: `C_b`, the biases' variance.
        backward_variance: The weights' variance times `fan_out`; `None` for a square layer.
    """

    activation: Phi
    weight_variance: float
    bias_variance: float = 0.0
    backward_variance: float | None = None


@dataclass(frozen=True)
class SignalProfile:
    """Predicted signal of a wide stack at its first step, in the order of the layers.

    Args:
        preactivation: Mean square before each activation.
        mean: Mean after each activation.
        variance: Variance after each activation.
        gradient: Mean square of the gradient at each preactivation, for a unit cotangent at the
            output of the last layer.
    """

    preactivation: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    gradient: tuple[float, ...]


def signal_profile(layers: Sequence[StackLayer], *, input_second: float = 1.0) -> SignalProfile:
    """Predicted forward and backward signal of a stack of layers.

    Args:
        layers: From input to output.
        input_second: Mean square of the input's features, positive.

    Raises:
        ValueError: If there are no layers, or a signal dies or overflows on the way.

    Source:
        Forward: Poole et al. 2016, eq. 3, https://arxiv.org/abs/1606.05340. Backward: Schoenholz et
        al. 2017, eq. 13, https://arxiv.org/abs/1611.01232.

    Example:
        >>> profile = signal_profile([StackLayer("relu", 2.0)] * 3)
        >>> [round(q, 12) for q in profile.preactivation]
        [2.0, 2.0, 2.0]
    """
    if not layers:
        raise ValueError("A stack needs at least one layer. Received: layers=[].")
    lengths, moments, second = [], [], input_second
    for layer in layers:
        q = layer.weight_variance * second + layer.bias_variance
        lengths.append(q)
        moments.append(moments_of(layer.activation, q))
        second = moments[-1].second
    gradient = [moments[-1].slope_second]
    for layer, below in zip(reversed(layers[1:]), reversed(moments[:-1]), strict=True):
        backward = layer.backward_variance
        backward = layer.weight_variance if backward is None else backward
        gradient.append(gradient[-1] * backward * below.slope_second)
    return SignalProfile(
        preactivation=tuple(lengths),
        mean=tuple(moment.mean for moment in moments),
        variance=tuple(moment.variance for moment in moments),
        gradient=tuple(reversed(gradient)),
    )
