"""What theory says about each watched layer before training, from its weights as they are."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_initlab.anatomy.nonlinearity import Nonlinearity
from keras_initlab.anatomy.selection import Selection
from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.traits import traits_of
from keras_initlab.anatomy.uses import argument_of
from keras_initlab.signal.advice import needed_variance, scheme_for
from keras_initlab.signal.rows import Link
from keras_initlab.signal.samples import weight_sample_of
from keras_initlab.theory import Activation, Kind, moments_of

__all__ = ["Start", "predicted", "starts_of"]

# So many elements of a weight are copied to the host, once, before training.
_MOST_ELEMENTS = 65_536

# Share of an output's mean square that the mean of the weights may bring unnoticed.
_LITTLE = 0.1


@dataclass(frozen=True)
class Start:
    """What is known of a layer's weights before training.

    Args:
        fan_in: Inputs that one unit sums, 0 for a table or a norm.
        mean: Mean of the kernel, table or scale.
        second: Its mean square.
        bias_mean: Mean of the biases, or of a norm's offsets.
        bias_second: Their mean square.
        mean_error: Standard error of `mean`.
        first: `C_w` of a kernel before it in the same layer, as in a separable convolution.
        inside: The share of a window's weights that lies on the signal, not on its padding.
        curve: The activation behind it, `None` where it is unknown.
        activation: Name of that activation, empty for nothing.
        alike: How many layers of the model have it.
        kind: What the shape of the kernel does not tell.
        argument: The layer's argument that draws the weights.
    """

    fan_in: float
    mean: float
    second: float
    bias_mean: float
    bias_second: float
    mean_error: float = 0.0
    first: float = 1.0
    inside: float = 1.0
    curve: str | Activation | None = None
    activation: str = ""
    alike: int = 1
    kind: Kind | None = None
    argument: str = "kernel_initializer"

    @property
    def weight_variance(self) -> float:
        """`C_w`, the weights' mean square times the fan."""
        return self.first * self.fan_in * self.second

    @property
    def gain(self) -> float:
        """What a mean square is multiplied with, where nothing comes from the padding."""
        return self.weight_variance * self.inside

    @property
    def leans(self) -> bool:
        """Whether the mean of the weights matters, and with it how alike the inputs are.

        Inputs that rise and fall together bring up to `fan_in` times `mean**2` over `second` as
        much as by the spread of the weights alone.
        """
        known = abs(self.mean) > 5 * self.mean_error
        return known and self.fan_in * self.mean**2 > _LITTLE * self.second

    @property
    def needed(self) -> float | None:
        """What `weight_variance` has to be to hold the signal, `None` where unknown."""
        return needed_variance(self.curve)

    @property
    def scheme(self) -> str:
        """A scheme with that variance, as code."""
        return scheme_for(self.curve, depth=self.alike, kind=self.kind)

    def before(
        self,
        curve: str | Activation | None,
        activation: str,
        *,
        depth: int = 1,
        kind: Kind | None = None,
    ) -> "Start":
        """The same with what follows it; arguments as of the class, `depth` for `alike`."""
        return replace(self, curve=curve, activation=activation, alike=depth, kind=kind)


@dataclass(frozen=True)
class _Signal:
    mean: float
    variance: float

    @property
    def second(self) -> float:
        return self.variance + self.mean**2


def starts_of(selection: Selection) -> dict[str, Start]:
    """By name, the watched layers of which theory can say something."""
    sites: dict[int, list[Site]] = {}
    for site in selection.anatomy.all_sites:
        sites.setdefault(id(site.layer), []).append(site)
    alike = Counter(site.activation for site in selection.anatomy.all_sites)
    found = {}
    for layer, name in selection.names.items():
        of_layer = sites.get(id(layer), [])
        start = _start_of(layer, of_layer)
        if start is not None and start.fan_in:
            then, kind = of_layer[-1].nonlinearity, of_layer[-1].use.kind
            start = start.before(then.curve, then.name, depth=alike[then.name], kind=kind)
            start = replace(start, argument=argument_of(layer, of_layer[-1].variable))
        if start is not None:
            found[name] = start
    return found


def _start_of(layer: Any, sites: list[Site]) -> Start | None:
    """Of one layer with its sites; `None` where theory has nothing to say."""
    kinds = keras.layers
    if not layer.built or getattr(layer, "quantization_mode", None):
        return None
    if isinstance(layer, (kinds.BatchNormalization, kinds.LayerNormalization)):
        gamma = getattr(layer, "gamma", None)
        return None if gamma is None else _described(layer, gamma)
    if not sites or any(site.fans is None for site in sites):
        return None
    if [site.role for site in sites] == ["table"]:
        return _described(layer, sites[0].variable)
    # A cell's gates, and what a layer of the user's own does with a kernel, are not followed.
    if any(site.role != "kernel" for site in sites):
        return None
    *before, last = sites
    first = math.prod(_fan_of(site) * _square_of(site.variable) for site in before)
    inside = math.prod(site.inside for site in sites)
    return _described(layer, last.variable, _fan_of(last), float(first), inside)


def _described(
    layer: Any, weight: Any, fan_in: float = 0.0, first: float = 1.0, inside: float = 1.0
) -> Start:
    values = _values_of(weight)
    offsets = getattr(layer, "bias", None)
    offsets = getattr(layer, "beta", None) if offsets is None else offsets
    biases = np.zeros(1) if offsets is None else _values_of(offsets)
    return Start(
        fan_in,
        float(values.mean()),
        float((values**2).mean()),
        float(biases.mean()),
        float((biases**2).mean()),
        float(values.std() / math.sqrt(values.size)),
        first,
        inside,
    )


def _fan_of(site: Site) -> float:
    return 0.0 if site.fans is None else float(site.fans.fan_in)


def _square_of(weight: Any) -> float:
    return float((_values_of(weight) ** 2).mean())


def _values_of(weight: Any) -> np.ndarray:
    part = weight_sample_of(keras.ops.convert_to_tensor(weight), _MOST_ELEMENTS)
    return keras.ops.convert_to_numpy(keras.ops.cast(part, "float32")).astype(np.float64)


def predicted(
    links: Sequence[Link],
    starts: dict[str, Start],
    selection: Selection,
    inputs: Sequence[float],
    measured: np.ndarray,
) -> np.ndarray:
    """Mean and variance of each watched call's output at the first look.

    A layer whose inputs theory cannot follow starts again from what was measured there.

    Args:
        links: All calls in order, and where their inputs come from.
        starts: By name of the layer.
        selection: The layers that are watched.
        inputs: Mean squares of the tensors that enter the model.
        measured: `(rows, 2)` mean and variance as measured.

    Returns:
        `(rows, 2)` float64; NaN where theory is silent.

    Source:
        Poole et al. 2016, eq. 3, https://arxiv.org/abs/1606.05340, for one layer after another.
    """
    table = np.full((len(measured), 2), np.nan)
    known: list[_Signal | None] = []
    for link in links:
        arriving = [
            _entering(inputs[-1 - source]) if source < 0 else known[source]
            for source in link.sources
            if source >= 0 or -1 - source < len(inputs)
        ]
        start = starts.get(selection.names.get(link.layer, ""))
        signal = _after(link, arriving, start, selection.nonlinearity(link.layer))
        if signal is not None and link.row is not None and link.row < len(table):
            table[link.row] = signal.mean, signal.variance
        if signal is None and link.row is not None and link.row < len(table):
            signal = _Signal(*measured[link.row])
        known.append(signal)
    return table


def _entering(square: float) -> _Signal | None:
    """What enters the model, of which the mean square is known; `None` where it is not."""
    return None if math.isnan(square) else _Signal(0.0, square)


def _after(
    link: Link, arriving: list[_Signal | None], start: Start | None, then: Nonlinearity
) -> _Signal | None:
    traits = traits_of(link.layer)
    signals = [signal for signal in arriving if signal is not None]
    if start is not None and start.fan_in == 0:
        return _looked_up_or_normed(link.layer, start, signals)
    if not signals or len(signals) < len(link.sources):
        return None
    if start is not None:
        return _weighted(signals[0], start, then)
    if traits.passes:
        return signals[0]
    if isinstance(link.layer, keras.layers.Dropout) and traits.shapes:
        kept = 1 - link.layer.rate
        return _Signal(signals[0].mean, signals[0].second / kept - signals[0].mean ** 2)
    if traits.adds:
        return _Signal(sum(x.mean for x in signals), sum(x.variance for x in signals))
    if traits.joins and all(link.sizes):
        return _pooled(signals, [float(size or 0) for size in link.sizes])
    # A layer with weights of which nothing is known may do anything before its activation.
    silent = not then.name or (link.layer.weights and not traits.activates)
    return None if silent else _activated(then, signals[0].second)


def _looked_up_or_normed(layer: Any, start: Start, arriving: list[_Signal]) -> _Signal:
    if traits_of(layer).looks_up:
        return _Signal(start.mean, start.second - start.mean**2)
    spread = start.bias_second - start.bias_mean**2
    # What is small beside epsilon stays small.
    variance = arriving[0].variance if len(arriving) == 1 else math.inf
    share = variance / (variance + layer.epsilon) if math.isfinite(variance) else 1.0
    return _Signal(start.bias_mean, start.second * share + spread)


def _weighted(signal: _Signal, start: Start, then: Nonlinearity) -> _Signal | None:
    if start.leans:
        return None
    q = start.gain * signal.second + start.bias_second
    return _activated(then, q, linear_mean=start.bias_mean)


def _activated(then: Nonlinearity, q: float, linear_mean: float = 0.0) -> _Signal | None:
    if then.is_linear:
        return _Signal(linear_mean, q - linear_mean**2)
    if then.curve is None or not (math.isfinite(q) and q > 0):
        return None
    try:
        moments = moments_of(then.curve, q)
    except ValueError:
        return None
    return _Signal(moments.mean, moments.variance)


def _pooled(signals: Sequence[_Signal], sizes: Sequence[float]) -> _Signal:
    shares = np.asarray(sizes) / sum(sizes)
    means = np.array([signal.mean for signal in signals])
    second = float(shares @ np.array([signal.second for signal in signals]))
    mean = float(shares @ means)
    return _Signal(mean, second - mean**2)
