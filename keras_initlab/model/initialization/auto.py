"""Which scheme is right for a weight, from its layer and what follows it."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import keras

from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.uses import forget_units_of
from keras_initlab.initializers import (
    BagEmbedding,
    CriticalBias,
    CriticalNormal,
    HeNormal,
    LecunNormal,
    MuNormal,
    Orthogonal,
    PerGate,
    Scaled,
    TiedEmbedding,
    UnitForgetBias,
    XavierNormal,
    Zeros,
)
from keras_initlab.theory import CriticalPoint, Fans, Kind, critical_point

__all__ = ["Advice", "Surroundings", "advice_for", "bias_advice_for"]

# A length that LeCun's weights keep by themselves: the slope of its length map is below 1.
_SELF_NORMALIZING = ("selu",)

# Outputs of labelled data start this small beside the prior: the first loss is then that of the
# base rates, to a percent.
_OUTPUT_FACTOR = 0.1

# Length of a table's vectors where labels are learned, and what follows is not blown up again:
# longer ones, or layers that make up for short ones, cost AUC (decision 0013).
_TABLE_FACTOR = 0.05


@dataclass(frozen=True)
class Surroundings:
    """What a model is like around its weights.

    Args:
        labelled: Whether the labels are known.
        width_base: Width of the model that the learning rate was tuned on, `None` for no transfer.
        tables: Whether there are tables that vectors are looked up in.
    """

    labelled: bool
    width_base: int | None
    tables: bool = False

    @property
    def short_tables(self) -> bool:
        """Whether numbers stand beside short vectors, at a width that is not carried over."""
        return self.labelled and self.tables and self.width_base is None

    @property
    def output_variance(self) -> float:
        """What an output is to have at the start."""
        return _OUTPUT_FACTOR**2 if self.labelled else 1.0


@dataclass(frozen=True)
class Advice:
    """A scheme for a weight, and what the signal is to be afterwards.

    Args:
        scheme: The scheme, `None` to leave the weight alone.
        target: Variance of what enters the activation, of a table what it gives, to correct the
            weights to; `None` for none.
        most: Whether the target is a bound alone: a smaller signal is meant.
        reason: Why the weight is left alone.
    """

    scheme: Any
    target: float | None = None
    most: bool = False
    reason: str = ""


def advice_for(site: Site, around: Surroundings) -> Advice:
    """The scheme that fits a weight.

    Args:
        site: The weight.
        around: What the model is like.
    """
    if site.role == "table":
        return _for_table(site, around)
    kind = site.use.kind
    if site.role == "other" or kind is None:
        return Advice(None, reason="what the layer does with it is not known")
    if site.role == "recurrent":
        return Advice(_per_gate(Orthogonal(), kind))
    # Outside of a graph, where norms are not known, which layer is the output is a guess.
    is_output = site.is_output and site.normed is not None
    beside = around.short_tables and site.is_of_numbers and not site.is_behind_table
    if beside and site.reads_inputs and _is_plain(site) and site.fans is not None:
        return _for_numbers(kind, site.fans)
    # Labels come with a batch, by which the weights are corrected.
    before = "" if around.labelled else site.activation_before
    advice = (
        _for_output(site, kind, before, around) if is_output else _for_hidden(site, kind, before)
    )
    # What lies on padding adds nothing.
    advice = replace(advice, scheme=_times(advice.scheme, 1 / site.inside))
    if beside or (around.labelled and site.is_behind_table):
        return replace(advice, most=True)
    return advice


def _for_table(site: Site, around: Surroundings) -> Advice:
    if site.is_linear_term:
        return Advice(Zeros())
    length = _length_of_vectors(site, around)
    dimensions = int(site.variable.shape[1])
    combiner = getattr(site.layer, "combiner", None)
    scheme: Any = TiedEmbedding()
    if combiner is not None and (site.bag_size is not None or combiner == "sqrtn"):
        # That length after the rows of a bag are combined.
        bag = BagEmbedding(combiner=combiner, bag_size=site.bag_size)
        scheme = Scaled(bag, length / math.sqrt(dimensions))
    elif length != 1:
        scheme = Scaled(scheme, length)
    return Advice(scheme, length**2 / dimensions)


def _length_of_vectors(site: Site, around: Surroundings) -> float:
    """What the vectors that a layer gives are to have, as the root of the mean square."""
    length = _TABLE_FACTOR if around.labelled else 1.0
    if not site.pairs:
        return length
    # The sum of the products has the variance that an output is to have.
    product = float((around.output_variance * int(site.variable.shape[1]) / site.pairs) ** 0.25)
    return min(length, product) if around.labelled else product


def _for_output(site: Site, kind: Kind, before: str, around: Surroundings) -> Advice:
    if around.width_base is not None:
        return Advice(MuNormal(role="output", base_width=around.width_base, kind=kind))
    target = around.output_variance * (site.branch_share or 1.0)
    if site.is_dotted:
        # A product of two vectors of n entries has the variance of n products of two of them.
        target = math.sqrt(target / site.variable.shape[-1])
    return Advice(_linear(kind, before, target), target)


def _for_hidden(site: Site, kind: Kind, before: str) -> Advice:
    activation, share = site.activation, site.branch_share
    if share is not None and not site.normed:
        if activation in ("", "linear"):
            return Advice(_linear(kind, before, share), share)
        return Advice(_times(_held(activation, kind), share), share)
    if activation in ("", "linear"):
        return Advice(_linear(kind, before, 1.0), 1.0)
    if activation in _SELF_NORMALIZING:
        return Advice(LecunNormal(kind=kind), 1.0)
    point = _point(activation)
    if point is None:
        return Advice(LecunNormal(kind=kind), 1.0)
    # Tanh and its kin hold a small signal and shrink a large one: it must not be blown up.
    scheme = _held(activation, kind)
    if site.reads_unit_squares:
        # It holds what an activation makes of the signal, which is less, or more.
        scheme = _times(scheme, _square_behind(activation))
    return Advice(scheme, _target(point), most=point.q == 0)


def _for_numbers(kind: Kind, fans: Fans) -> Advice:
    """Of a layer that reads numbers beside tables: they must not drown short vectors.

    Decision 0014 has the measurement.
    """
    target = 2 * fans.fan_in / (fans.fan_in + fans.fan_out)
    return Advice(XavierNormal(kind=kind), min(1.0, target))


def _is_plain(site: Site) -> bool:
    """Whether a dense layer is neither an output, nor the end of a branch, nor one of a product."""
    dense = isinstance(site.layer, keras.layers.Dense)
    return dense and not (site.is_output or site.is_dotted or site.branch_share is not None)


def _linear(kind: Kind, before: str, variance: float) -> Any:
    """The scheme whose sums have a variance, for what the activation before the layer leaves."""
    if before == "relu":
        scheme: Any = HeNormal(kind=kind)
    else:
        scheme, variance = LecunNormal(kind=kind), variance / _square_behind(before)
    return _times(scheme, variance)


def _times(scheme: Any, factor: float) -> Any:
    """A scheme with so many times the variance."""
    if factor == 1:
        return scheme
    if isinstance(scheme, Scaled):
        return Scaled(scheme.scheme, scheme.factor * math.sqrt(factor))
    if isinstance(scheme, HeNormal) and math.isclose(factor, 0.5):
        return LecunNormal(kind=scheme.kind)
    return Scaled(scheme, math.sqrt(factor))


def _square_behind(activation: str) -> float:
    """The mean square that an activation makes of the signal that its weights hold."""
    point = _point(activation) if activation else None
    # What holds a small signal alone gives as much as it gets.
    if point is None or point.q == 0:
        return 1.0
    return (_target(point) - point.bias_variance) / point.weight_variance


def _held(activation: str, kind: Kind) -> Any:
    if activation == "relu":
        return HeNormal(kind=kind)
    return (
        LecunNormal(kind=kind)
        if _point(activation) is None
        else CriticalNormal(activation, kind=kind)
    )


def _target(point: CriticalPoint) -> float:
    return point.q if point.q > 0 else 1.0


@lru_cache(maxsize=64)
def _point(activation: str) -> CriticalPoint | None:
    try:
        return critical_point(activation)
    except ValueError:
        return None


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
        or site.activation in _SELF_NORMALIZING
    ):
        return None
    point = _point(site.activation) if site.activation else None
    if point is None or point.bias_variance == 0:
        return None
    return Advice(CriticalBias(site.activation))
