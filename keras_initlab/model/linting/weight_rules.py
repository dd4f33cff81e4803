"""The rules of the linter: from numbers of weights to findings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np

from keras_initlab import _backend
from keras_initlab.anatomy.uses import forget_units_of
from keras_initlab.model.host import gives_its_bias
from keras_initlab.model.linting.alike import groups_alike
from keras_initlab.model.linting.finding import Finding
from keras_initlab.model.linting.fixes import better_scheme
from keras_initlab.model.linting.product_rules import attention_logits, small_product
from keras_initlab.model.linting.subject import Sample, Subject
from keras_initlab.model.linting.table_rules import cold_rows, cold_unknown, id_range, shared_rows
from keras_initlab.model.priors import Prior
from keras_initlab.signal.advice import needed_variance
from keras_initlab.signal.leaving import USUAL_GRADIENT, leaves
from keras_initlab.theory import FLAT_SLOPE, Activation
from keras_initlab.theory.flatness import slopes_of

__all__ = ["RULES"]

# One layer that is off by this factor in variance ruins the signal; docs/lint.md says why.
_GAIN_FACTOR = 100.0

# The same, where the fans that the shape seems to have explain it.
_FAN_FACTOR = 10.0

# A unit is dead whose activation is flat so many standard deviations about its bias.
_DEAD_SIGMAS = 4.0

_HALF = 0.5

# Share of weights that may round to zero.
_FEW = 0.01

# Loss in nats, and standard deviations of the labels, that a bias may be off at the start.
_OFF_NATS, _OFF_SPREADS = 0.1, 1.0

_ZERO_BELOW = ("relu", "relu6")


def _nonfinite(subject: Subject) -> Iterator[Finding]:
    for variable in subject.broken:
        evidence = f"{variable.count} of {variable.size} weights are NaN or infinite"
        yield Finding(
            "nonfinite", variable.layer, (variable.path,), evidence, "Initialize the layer again"
        )


def _equal_units(subject: Subject) -> Iterator[Finding]:
    for sample in subject.samples:
        site = sample.site
        is_constant = sample.second == 0 and gives_its_bias(site.layer)
        if site.role != "kernel" or site.is_output or is_constant:
            continue
        evidence = _of_zeros(sample) if sample.second == 0 else _of_equal_units(sample)
        if evidence:
            yield _finding("equal-units", sample, evidence, better_scheme(site))


def _of_zeros(sample: Sample) -> str:
    """Zeros are intended at the end of a branch, and may be in an unknown layer."""
    if sample.site.activation in _ZERO_BELOW:
        return f"all weights are zero, and {sample.site.activation} lets no gradient through"
    if hasattr(sample.site.layer, "recurrent_kernel"):
        return "all weights are zero, so nothing enters the state"
    if sample.site.added is not False:
        return ""
    return "all weights are zero, so nothing passes through and no unit differs from another"


def _of_equal_units(sample: Sample) -> str:
    site = sample.site
    # Every unit of a depthwise kernel sees a channel of its own.
    if not sample.equal_units or site.use.kind is None or site.use.kind.name == "depthwise":
        return ""
    units = len(sample.lengths) // site.use.kind.gates
    return (
        f"all {units} units have the same weights, root mean square {np.sqrt(sample.second):.3g}, "
        "and only the gradients of later layers can make them differ"
    )


def _equal_rows(subject: Subject) -> Iterator[Finding]:
    for sample in subject.samples:
        # A table of zeros learns: the first gradients make its rows differ.
        if sample.site.role == "table" and sample.twin_rows > _HALF and sample.second > 0:
            evidence = f"{sample.twin_rows:.0%} of the rows repeat an earlier row"
            fix = 'Use embeddings_initializer="random_normal"'
            yield _finding("equal-rows", sample, evidence, fix)


def _same_weights(subject: Subject) -> Iterator[Finding]:
    for group in groups_alike(subject.samples):
        paths = [sample.site.path for sample in group.samples]
        evidence = (
            f"{_listed(paths)} begin with the same {group.count} numbers, correlation "
            f"{group.correlation:.3f}: one seed, or one initializer object, for all of them"
        )
        fix = "Give each layer an initializer of its own without an int seed"
        yield Finding("same-weights", group.samples[0].site.layer.name, tuple(paths), evidence, fix)


@dataclass(frozen=True)
class _Misfit:
    """A kernel whose variance does not fit; variances times `fan_in`.

    Args:
        sample: The kernel.
        fan_in: Connections into a unit, as the layer has them.
        found: Its mean square, times that.
        needed: What the activation needs.
        explained: Whether the fans are to blame that its shape seems to have.
    """

    sample: Sample
    fan_in: float
    found: float
    needed: float
    explained: bool


def _misfits(subject: Subject) -> Iterator[_Misfit]:
    for sample in subject.samples:
        site, fans = sample.site, sample.site.fans
        # What follows must be known: a norm repairs the scale.
        judged = site.role == "kernel" and site.normed is False and not site.is_output
        if not judged or sample.variance == 0 or fans is None:
            continue
        needed = needed_variance(site.nonlinearity.curve)
        if needed is None:
            continue
        # Weights on padding add nothing.
        second = sample.second * site.inside
        found, mistaken = second * fans.fan_in, second * site.shape_fans.fan_in
        # A branch may start small.
        if site.added and found < needed:
            continue
        ratio = max(found / needed, needed / found)
        # The shape's fans explain most of it.
        explained = max(mistaken / needed, needed / mistaken) < np.sqrt(ratio)
        if ratio > (_FAN_FACTOR if explained else _GAIN_FACTOR):
            yield _Misfit(sample, fans.fan_in, found, needed, bool(explained))


def _wrong_fan(subject: Subject) -> Iterator[Finding]:
    for misfit in _misfits(subject):
        if misfit.explained:
            site = misfit.sample.site
            evidence = (
                f"the shape {tuple(site.variable.shape)} suggests fan_in "
                f"{site.shape_fans.fan_in:g}, but the {type(site.layer).__name__} sums "
                f"{misfit.fan_in:g} inputs: its output has {misfit.found / misfit.needed:.2g} x "
                f"the variance that {site.activation or 'linear'} needs"
            )
            yield _finding("wrong-fan", misfit.sample, evidence, better_scheme(site))


def _gain(subject: Subject) -> Iterator[Finding]:
    misfits = [misfit for misfit in _misfits(subject) if not misfit.explained]
    learned = _grow_by_themselves(subject, [one for one in misfits if one.found < one.needed])
    for misfit in misfits:
        if misfit.found > misfit.needed or not learned:
            site = misfit.sample.site
            evidence = (
                f"weights of variance {misfit.found:.2g} / fan_in where "
                f"{site.activation or 'linear'} needs {misfit.needed:.3g} / fan_in to hold the "
                "signal"
            )
            cause = "weights-small" if misfit.found < misfit.needed else "weights-large"
            yield replace(
                _finding("gain", misfit.sample, evidence, better_scheme(site)), cause=cause
            )


def _grow_by_themselves(subject: Subject, small: list[_Misfit]) -> bool:
    """Whether kernels that are too small have a gradient that the model's optimizer can use.

    That of each is as small as all the others make it together, as if they stood in one row.
    """
    gains = np.array([np.sqrt(misfit.found / misfit.needed) for misfit in small])
    sizes = np.array([np.sqrt(misfit.sample.second) for misfit in small])
    gradients = USUAL_GRADIENT * np.prod(gains) / gains
    return bool(leaves(gradients, sizes, _backend.step_rule_of(subject.model)).any())


def _dead(subject: Subject) -> Iterator[Finding]:
    for sample in subject.samples:
        site = sample.site
        curve = site.nonlinearity.curve
        if sample.biases is None or curve is None or site.role != "kernel":
            continue
        dead = float(_is_flat(curve, sample.biases, sample.lengths).mean())
        if dead > _HALF:
            evidence = (
                f"{dead:.0%} of the units have a bias so far from zero that {site.activation} is "
                f"flat {_DEAD_SIGMAS:g} standard deviations around it, for inputs of variance 1"
            )
            yield _finding("dead", sample, evidence, 'Use bias_initializer="zeros"')


def _is_flat(activation: Activation, biases: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """For each unit, whether its activation is flat wherever its signal may lie."""
    reach = np.linspace(-_DEAD_SIGMAS, _DEAD_SIGMAS, 9)[:, np.newaxis]
    places = biases.astype(np.float64) + reach * lengths
    with np.errstate(all="ignore"):
        slopes = slopes_of(activation, places)
    return np.all(np.abs(slopes) < FLAT_SLOPE, axis=0)


def _forget(subject: Subject) -> Iterator[Finding]:
    for sample in subject.samples:
        units = forget_units_of(sample.site.layer)
        if not units or sample.site.role != "kernel" or sample.biases is None:
            continue
        forget = float(sample.biases[units : 2 * units].mean())
        if forget <= 0:
            evidence = (
                f"the forget gate's biases have mean {forget:.2g}: each step forgets half or more"
            )
            yield _finding("forget-bias", sample, evidence, "Use unit_forget_bias=True")


def _underflow(subject: Subject) -> Iterator[Finding]:
    for sample in subject.samples:
        if sample.site.layer.compute_dtype == "float16" and sample.tiny > _FEW:
            evidence = f"{sample.tiny:.0%} of the weights are zero in float16"
            yield _finding("underflow", sample, evidence, 'Use dtype="mixed_bfloat16"')


def _off_prior(subject: Subject) -> Iterator[Finding]:
    for prior in subject.priors:
        bias = np.asarray(keras.ops.convert_to_numpy(prior.layer.bias), np.float64).reshape(-1)
        evidence, kind = _cost_of_bias(prior, bias)
        if evidence:
            fix = f"bias_initializer=PriorBias.from_labels(labels{kind})"
            yield Finding("off-prior", prior.layer.name, (prior.layer.bias.path,), evidence, fix)


def _cost_of_bias(prior: Prior, bias: np.ndarray) -> tuple[str, str]:
    """The evidence against a bias, empty if there is none, and the argument that the fix needs."""
    if prior.bias is None:
        return "", ""
    drawn = keras.ops.convert_to_numpy(prior.bias(bias.shape, dtype="float32"))
    best = drawn.astype(np.float64)
    if prior.bias.mean is not None:
        off = float(np.max(np.abs(bias - best))) / prior.spread if prior.spread else 0.0
        text = f"the labels' mean lies {off:.1f} of their standard deviations from the bias"
        return (text if off > _OFF_SPREADS else ""), ', kind="regression"'
    if prior.bias.rates is not None:
        rates, logits = np.exp(best), bias - np.logaddexp.reduce(bias)
        cost, reached = float(np.sum(rates * (best - logits))), float(-np.sum(rates * best))
        kind = ', kind="multiclass"'
    else:
        rates = 1 / (1 + np.exp(-best))
        reached = float(np.mean(_cross_entropy(rates, best)))
        cost = float(np.mean(_cross_entropy(rates, bias))) - reached
        kind = ""
    text = (
        f"the bias costs {cost:.2f} of loss at the start; the base rates alone reach {reached:.3f}"
    )
    return (text if cost > _OFF_NATS else ""), kind


def _cross_entropy(rates: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, logits) - rates * logits


RULES: dict[str, Callable[[Subject], Iterator[Finding]]] = {
    "nonfinite": _nonfinite,
    "equal-units": _equal_units,
    "equal-rows": _equal_rows,
    "same-weights": _same_weights,
    "wrong-fan": _wrong_fan,
    "gain": _gain,
    "attention-logits": attention_logits,
    "small-product": small_product,
    "dead": _dead,
    "forget-bias": _forget,
    "underflow": _underflow,
    "off-prior": _off_prior,
    "id-range": id_range,
    "shared-rows": shared_rows,
    "cold-unknown": cold_unknown,
    "cold-rows": cold_rows,
}


def _finding(rule: str, sample: Sample, evidence: str, fix: str) -> Finding:
    return Finding(rule, sample.site.layer.name, (sample.site.path,), evidence, fix)


def _listed(names: list[str]) -> str:
    if len(names) <= 3:
        return " and ".join([", ".join(names[:-1]), names[-1]])
    return f"{', '.join(names[:2])} and {len(names) - 2} more"
