"""The scheme that fits a weight, from its layer and what follows it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from keras_initlab.anatomy.nonlinearity import LINEAR, Nonlinearity
from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.uses import forget_units_of, is_cell
from keras_initlab.initializers import (
    BagEmbedding,
    CriticalBias,
    CriticalNormal,
    HeNormal,
    LecunNormal,
    MuNormal,
    Orthogonal,
    PerGate,
    RandomNormal,
    Scaled,
    TiedEmbedding,
    UnitForgetBias,
    VarianceScaling,
    XavierNormal,
    Zeros,
)
from keras_initlab.model.initialization.fresh import own_draw
from keras_initlab.signal.advice import SELF_NORMALIZING
from keras_initlab.theory import CriticalPoint, Fans, Kind

__all__ = ["Advice", "Surroundings", "advice_for", "bias_advice_for"]

# With labels, outputs of numbers, and all outputs of models that look up tables, start this small
# beside the prior: the first loss is then that of the mean, or of the base rates, to a percent. In
# other models what lies below a small head waits until it has grown (decisions 0020 and 0022).
_OUTPUT_FACTOR = 0.1

# A hidden layer is not enlarged by more to reach its target. What comes to it is small because the
# model averages, pools or gates it, and it trains better small (decision 0022).
_GROWTH = 1.5

# A norm mends what is too large or too small by this factor in variance.
_MENDED = 1e3

# Length of a table's vectors where labels are learned. Longer vectors cost AUC, and so do layers
# that amplify short ones again (decision 0013).
_TABLE_FACTOR = 0.05


@dataclass(frozen=True)
class Surroundings:
    """Facts about a model that decide on the schemes of its weights.

    Args:
        labelled: Whether the labels are known.
        width_base: Width of the model that the learning rate was tuned on, `None` for no transfer.
        tables: Whether the model looks vectors up in tables.
        sequences: Whether it does, and has recurrent or attention layers.
        spreads: By `id` of an output layer that predicts numbers, the deviation of its labels.
    """

    labelled: bool
    width_base: int | None
    tables: bool = False
    sequences: bool = False
    spreads: Mapping[int, float] = field(default_factory=dict)

    @property
    def short_tables(self) -> bool:
        """Whether numbers enter beside short vectors, and the learning rate is not transferred."""
        return self.labelled and self.tables and self.width_base is None

    @property
    def output_variance(self) -> float:
        """The variance that an output should have at the start."""
        looks_up = self.labelled and self.tables and not self.sequences
        return _OUTPUT_FACTOR**2 if looks_up else 1.0


@dataclass(frozen=True)
class Advice:
    """A scheme for a weight, and the variance that the signal should have afterwards.

    Args:
        scheme: The scheme, `None` to leave the weight alone.
        target: Variance that the weights are corrected to: of what enters the activation, or of
            the vectors that a table gives; `None` for no correction.
        most: Whether the target is only an upper bound: a smaller signal is intended.
        reason: Why the weight is left alone.
        growth: The largest factor that a correction may have.
    """

    scheme: Any
    target: float | None = None
    most: bool = False
    reason: str = ""
    growth: float = math.inf


def advice_for(site: Site, around: Surroundings) -> Advice:
    """The scheme that fits a weight.

    Args:
        site: The weight.
        around: Facts about the model.
    """
    if site.role == "table":
        # What a layer adds for each place has no length of its own to keep.
        own = own_draw(site, math.inf) if site.is_of_positions else None
        return _for_table(site, around) if own is None else Advice(own)
    kind = site.use.kind
    if site.role == "other" or kind is None:
        return Advice(None, reason="what the layer does with it is not known")
    if site.role == "recurrent":
        return Advice(_per_gate(Orthogonal(), kind))
    # Without a graph the norms are unknown, and the output layer is only a guess.
    is_output = site.is_output and site.normed is not None
    beside = around.short_tables and site.is_of_numbers and not site.is_behind_table
    if beside and site.reads_inputs and _is_plain(site) and site.fans is not None:
        return _for_numbers(kind, site.fans)
    mended = site.normed and not is_output and around.width_base is None
    own = own_draw(site, _MENDED) if mended else None
    if own is not None:
        # Its size only sets how fast it learns.
        return Advice(own)
    # With labels there is a batch, and the weights are corrected by it.
    before = LINEAR if around.labelled else site.nonlinearity_before
    advice = (
        _for_output(site, kind, before, around) if is_output else _for_hidden(site, kind, before)
    )
    # Weights on padding add nothing.
    advice = replace(advice, scheme=_times(advice.scheme, 1 / site.inside))
    # What comes to a layer inside another one is not known: it may be the vectors of a table.
    behind = site.is_behind_table or (around.tables and site.normed is None)
    if beside or (around.labelled and behind):
        advice = replace(advice, most=True)
    if is_output or behind or is_cell(site.layer):
        return advice
    return replace(advice, growth=_GROWTH)


def _for_table(site: Site, around: Surroundings) -> Advice:
    if site.is_linear_term:
        return Advice(Zeros())
    length = _length_of_vectors(site, around)
    dimensions = int(site.variable.shape[1])
    combiner = getattr(site.layer, "combiner", None)
    scheme: Any = TiedEmbedding()
    if combiner is not None and (site.bag_size is not None or combiner == "sqrtn"):
        # The length is that of the combined rows of a bag.
        bag = BagEmbedding(combiner=combiner, bag_size=site.bag_size)
        scheme = Scaled(bag, length / math.sqrt(dimensions))
    elif length != 1:
        scheme = Scaled(scheme, length)
    return Advice(scheme, length**2 / dimensions)


def _length_of_vectors(site: Site, around: Surroundings) -> float:
    """The length that the vectors of a table should have."""
    length = _TABLE_FACTOR if around.labelled else 1.0
    if not site.pairs:
        return length
    # The sum of the products then has the variance of an output.
    product = float((around.output_variance * int(site.variable.shape[1]) / site.pairs) ** 0.25)
    return min(length, product) if around.labelled else product


def _for_output(site: Site, kind: Kind, before: Nonlinearity, around: Surroundings) -> Advice:
    if around.width_base is not None:
        return Advice(MuNormal(role="output", base_width=around.width_base, kind=kind))
    spread = around.spreads.get(id(site.layer))
    small = around.output_variance if spread is None else (_OUTPUT_FACTOR * min(1.0, spread)) ** 2
    target = small * (site.branch_share or 1.0)
    if site.is_dotted:
        # A product of two vectors of n entries has n times the variance of one product of entries.
        target = math.sqrt(target / site.variable.shape[-1])
    return Advice(_linear(kind, before, target), target)


def _for_hidden(site: Site, kind: Kind, before: Nonlinearity) -> Advice:
    if site.nonlinearity.swings:
        return Advice(None, reason="its size sets the wavelength: choose `SirenFirst`")
    advice = _for_signal(site, kind, before)
    # A norm behind it repairs the scale; weights shrunk for large inputs learn too fast.
    return replace(advice, target=None) if site.normed else advice


def _for_signal(site: Site, kind: Kind, before: Nonlinearity) -> Advice:
    then, share = site.nonlinearity, site.branch_share
    if share is not None and not site.normed:
        if then.is_linear:
            return Advice(_linear(kind, before, share), share)
        return Advice(_times(_held(then, kind), share), share)
    if then.is_linear:
        return Advice(_linear(kind, before, 1.0), 1.0)
    if then.name in SELF_NORMALIZING:
        return Advice(LecunNormal(kind=kind), 1.0)
    point = then.point
    if point is None:
        return Advice(LecunNormal(kind=kind), 1.0)
    # Tanh and its family hold a small signal and shrink a large one: it must not be amplified.
    scheme = _held(then, kind)
    if site.reads_unit_squares:
        # The weights hold the signal behind the activation, whose mean square differs from 1.
        scheme = _times(scheme, _square_behind(then))
    return Advice(scheme, _target(point), most=point.q == 0)


def _for_numbers(kind: Kind, fans: Fans) -> Advice:
    """For a layer that reads numbers beside tables: they must not drown short vectors.

    Decision 0014 has the measurement.
    """
    target = 2 * fans.fan_in / (fans.fan_in + fans.fan_out)
    return Advice(XavierNormal(kind=kind), min(1.0, target))


def _is_plain(site: Site) -> bool:
    """Whether it is a dense layer, and no output, end of a branch or factor of a product."""
    dense = isinstance(site.layer, keras.layers.Dense)
    return dense and not (site.is_output or site.is_dotted or site.branch_share is not None)


def _linear(kind: Kind, before: Nonlinearity, variance: float) -> Any:
    """The scheme whose sums have this variance, given the activation before the layer."""
    if before.name == "relu":
        scheme: Any = HeNormal(kind=kind)
    else:
        scheme, variance = LecunNormal(kind=kind), variance / _square_behind(before)
    return _times(scheme, variance)


def _times(scheme: Any, factor: float) -> Any:
    """A scheme with `factor` times the variance."""
    if factor == 1:
        return scheme
    if isinstance(scheme, Scaled):
        return Scaled(scheme.scheme, scheme.factor * math.sqrt(factor))
    if isinstance(scheme, HeNormal) and math.isclose(factor, 0.5):
        return LecunNormal(kind=scheme.kind)
    return Scaled(scheme, math.sqrt(factor))


def _square_behind(before: Nonlinearity) -> float:
    """The mean square behind an activation, for the signal that its weights hold."""
    point = before.point
    # An activation that only holds a small signal passes it unchanged.
    if point is None or point.q == 0:
        return 1.0
    return (_target(point) - point.bias_variance) / point.weight_variance


def _held(then: Nonlinearity, kind: Kind) -> Any:
    if then.name == "relu":
        return HeNormal(kind=kind)
    point = then.point
    if point is None:
        return LecunNormal(kind=kind)
    if _is_savable(then):
        return CriticalNormal(then.function, kind=kind)
    return VarianceScaling(scale=point.weight_variance, distribution="normal", kind=kind)


def _is_savable(then: Nonlinearity) -> bool:
    """Whether a scheme can name the activation in its configuration."""
    return isinstance(then.function, str)


def _target(point: CriticalPoint) -> float:
    return point.q if point.q > 0 else 1.0


def _per_gate(scheme: Any, kind: Kind) -> Any:
    return scheme if kind.gates == 1 else PerGate(scheme, gates=kind.gates)


def bias_advice_for(site: Site) -> Advice | None:
    """The scheme of the biases that go with a weight, `None` to leave them as they are."""
    units = forget_units_of(site.layer)
    if units and site.role == "recurrent":
        return Advice(UnitForgetBias(units=units))
    if (
        site.role != "kernel"
        or site.is_output
        or site.branch_share is not None
        or site.activation in SELF_NORMALIZING
    ):
        return None
    then = site.nonlinearity
    point = then.point
    if point is None or point.bias_variance == 0:
        return None
    if _is_savable(then):
        return Advice(CriticalBias(then.function))
    return Advice(RandomNormal(stddev=math.sqrt(point.bias_variance)))
