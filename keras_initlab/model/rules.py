"""The rules of the linter: from numbers of weights to findings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from keras_initlab.model.alike import groups_alike
from keras_initlab.model.samples import Sample
from keras_initlab.theory import gain_of

__all__ = ["RULES", "Finding"]

# Off by this factor in variance a layer alone ruins the signal; docs/lint.md says why.
_GAIN_FACTOR = 100.0

# Off by this factor, and explained by the fans that a shape seems to have.
_FAN_FACTOR = 10.0

# A unit whose bias lies so many standard deviations below zero is dead.
_DEAD_SIGMAS = 4.0

_HALF = 0.5

_ZERO_BELOW = ("relu", "relu6")


@dataclass(frozen=True)
class Finding:
    """Something wrong with weights.

    Args:
        rule: Its name, as in docs/lint.md.
        layer: Name of the layer, the first one of several.
        paths: Paths of the variables concerned.
        evidence: What was found, with its numbers.
        fix: What to write instead, as code where it can be.
    """

    rule: str
    layer: str
    paths: tuple[str, ...]
    evidence: str
    fix: str

    def __str__(self) -> str:
        return f"{self.rule}, {self.layer}: {self.evidence}. {self.fix}."


def _nonfinite(samples: list[Sample]) -> Iterator[Finding]:
    for each in samples:
        if each.nonfinite:
            evidence = f"{each.nonfinite} of {_size(each)} weights are NaN or infinite"
            yield _finding("nonfinite", each, evidence, "Initialize the layer again")


def _equal_units(samples: list[Sample]) -> Iterator[Finding]:
    for each in samples:
        site = each.site
        zero_branch = each.second == 0 and (site.added or site.role == "other")
        if not each.equal_units or site.is_output or site.role == "table" or zero_branch:
            continue
        units, root = site.variable.shape[-1], np.sqrt(each.second)
        evidence = (
            f"all {units} units have the same weights, root mean square {root:.3g}, and stay alike "
            "for ever"
        )
        yield _finding("equal-units", each, evidence, f"Use {_argument(each)}={_scheme(each)}")


def _equal_rows(samples: list[Sample]) -> Iterator[Finding]:
    for each in samples:
        # A table of zeros learns: its rows part at their first gradients.
        if each.site.role == "table" and each.twin_rows > _HALF and each.second > 0:
            evidence = f"{each.twin_rows:.0%} of the rows repeat the row before them"
            yield _finding(
                "equal-rows", each, evidence, 'Use embeddings_initializer="random_normal"'
            )


def _same_weights(samples: list[Sample]) -> Iterator[Finding]:
    for group in groups_alike(samples):
        names = [each.site.path for each in group.samples]
        evidence = (
            f"{_listed(names)} begin with the same {group.count} numbers, correlation "
            f"{group.correlation:.3f}: one seed, or one initializer object, for all of them"
        )
        fix = "Give each layer an initializer of its own without an int seed"
        yield Finding("same-weights", group.samples[0].site.layer.name, tuple(names), evidence, fix)


def _misfits(samples: list[Sample]) -> Iterator[tuple[Sample, float, float, bool]]:
    """Kernels whose variance does not fit: measured and needed, times fan-in; fan to blame."""
    for each in samples:
        site = each.site
        judged = site.role == "kernel" and site.fans is not None and not site.normed
        if not judged or each.variance == 0 or site.is_output:
            continue
        try:
            needed = float(gain_of(site.activation or None) ** 2)
        except ValueError:
            continue
        found = each.second * site.fans.fan_in
        mistaken = each.second * site.shape_fans.fan_in
        ratio = max(found / needed, needed / found)
        # The shape's fans would explain most of it.
        explained = max(mistaken / needed, needed / mistaken) < np.sqrt(ratio)
        if ratio > (_FAN_FACTOR if explained else _GAIN_FACTOR):
            yield each, found, needed, explained


def _wrong_fan(samples: list[Sample]) -> Iterator[Finding]:
    for each, found, needed, explained in _misfits(samples):
        if explained:
            site = each.site
            evidence = (
                f"the shape {tuple(site.variable.shape)} seems to have fan_in "
                f"{site.shape_fans.fan_in:g}, the {type(site.layer).__name__} sums "
                f"{site.fans.fan_in:g}: its output has {found / needed:.2g} x the variance that "
                f"{site.activation or 'linear'} needs"
            )
            yield _finding("wrong-fan", each, evidence, f"Use {_argument(each)}={_kind(each)}")


def _gain(samples: list[Sample]) -> Iterator[Finding]:
    for each, found, needed, explained in _misfits(samples):
        if not explained:
            activation = each.site.activation or "linear"
            evidence = (
                f"weights of variance {found:.2g} / fan_in where {activation} "
                f"holds the signal at {needed:.3g} / fan_in"
            )
            yield _finding("gain", each, evidence, f"Use {_argument(each)}={_scheme(each)}")


def _dead(samples: list[Sample]) -> Iterator[Finding]:
    for each in samples:
        site = each.site
        if each.biases is None or site.activation not in _ZERO_BELOW or site.role != "kernel":
            continue
        if len(each.biases) != len(each.lengths):
            continue
        dead = float((each.biases < -_DEAD_SIGMAS * each.lengths).mean())
        if dead > _HALF:
            evidence = (
                f"{dead:.0%} of the units have a bias more than {_DEAD_SIGMAS:g} standard "
                f"deviations below zero, for inputs of variance 1, and {site.activation} passes "
                "nothing"
            )
            yield _finding("dead", each, evidence, 'Use bias_initializer="zeros"')


def _forget(samples: list[Sample]) -> Iterator[Finding]:
    for each in samples:
        if type(each.site.layer).__name__ != "LSTMCell" or each.site.role != "recurrent":
            continue
        if each.biases is None:
            continue
        units = len(each.biases) // 4
        forget = float(each.biases[units : 2 * units].mean())
        if forget <= 0:
            evidence = (
                f"the forget gate's biases have mean {forget:.2g}: each step forgets half or more"
            )
            yield _finding("forget-bias", each, evidence, "Use unit_forget_bias=True")


def _underflow(samples: list[Sample]) -> Iterator[Finding]:
    for each in samples:
        if each.site.layer.compute_dtype == "float16" and each.tiny > 0.01:
            evidence = f"{each.tiny:.0%} of the weights are zero in float16"
            yield _finding("underflow", each, evidence, 'Use dtype="mixed_bfloat16"')


RULES: dict[str, Callable[[list[Sample]], Iterator[Finding]]] = {
    "nonfinite": _nonfinite,
    "equal-units": _equal_units,
    "equal-rows": _equal_rows,
    "same-weights": _same_weights,
    "wrong-fan": _wrong_fan,
    "gain": _gain,
    "dead": _dead,
    "forget-bias": _forget,
    "underflow": _underflow,
}


def _finding(rule: str, sample: Sample, evidence: str, fix: str) -> Finding:
    return Finding(rule, sample.site.layer.name, (sample.site.path,), evidence, fix)


def _size(sample: Sample) -> int:
    return int(np.prod(sample.site.variable.shape))


def _listed(names: list[str]) -> str:
    if len(names) <= 3:
        return " and ".join([", ".join(names[:-1]), names[-1]])
    return f"{', '.join(names[:2])} and {len(names) - 2} more"


def _argument(sample: Sample) -> str:
    """Which argument of the layer draws this weight."""
    name = sample.site.variable.name.removesuffix("_kernel")
    if name == "kernel" and type(sample.site.layer).__name__.startswith("DepthwiseConv"):
        name = "depthwise"
    return f"{name}_initializer"


def _scheme(sample: Sample) -> str:
    activation = sample.site.activation
    if activation == "relu":
        return '"he_normal"'
    if activation in ("", "linear", "tanh", "sigmoid", "softmax"):
        return '"glorot_uniform"'
    try:
        gain_of(activation)
    except ValueError:
        return '"he_normal"'
    return f'keras_initlab.HeNormal(activation="{activation}")'


def _kind(sample: Sample) -> str:
    """Our scheme with what the shape does not say."""
    layer = sample.site.layer
    name = "depthwise" if "depthwise" in type(layer).__name__.lower() else ""
    name = name or ("transposed" if "Transpose" in type(layer).__name__ else "dense")
    return f'keras_initlab.HeNormal(kind="{name}")'
