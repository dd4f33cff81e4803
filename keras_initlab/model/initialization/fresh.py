"""Whether a weight is still as its layer drew it, or was trained or loaded since."""

import copy
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.anatomy.ledger import note_values, was_given
from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.uses import argument_of, forget_units_of
from keras_initlab.initializers import RandomScheme
from keras_initlab.model.host import gives_its_bias, rows_on_host
from keras_initlab.theory import fans_of, spread_of

__all__ = ["is_fresh", "own_draw", "remember", "starting_at_zero"]

# Elements to compare.
_SAMPLE = 1 << 14

# Standard errors by which a mean square may differ from what was drawn.
_SIGMAS = 6.0

# Variance of what a kernel gives on inputs of variance 1: below it a layer adds nothing.
_NOTHING = 1e-9

# Rows to check of an orthogonal kernel.
_FEW_ROWS = 64

# Half the width of a uniform distribution, and the ends of Keras's truncated normal, in standard
# deviations of the result.
_UNIFORM_END = math.sqrt(3.0)

# How far half precision may round a number past an end, as a share of the number.
_ROUNDING = {"bfloat16": 2.0**-8, "float16": 2.0**-11}


def remember(layer: Any, variable: Any, values: Any) -> None:
    """Note the values that a variable of a layer was given, as freshly drawn."""
    note_values(layer, variable.name, _fingerprint_of(rows_on_host(values, _SAMPLE)))


def is_fresh(layer: Any, sites: Sequence[Site]) -> bool:
    """Whether all weights of a layer can come from its initializers, or are what we drew.

    Keras does not report what was loaded. So biases and other constants must have their first
    values, because training moves them all. Orthogonal kernels must be orthogonal. Of other weights
    the mean square must lie within six standard errors of the initializer's, and no element may
    lie past the end of a uniform distribution.

    Args:
        layer: A layer.
        sites: Its weights that carry the signal.
    """
    at = {id(site.variable): site for site in sites if site.layer is layer}
    return all(
        _is_fresh(layer, variable, at.get(id(variable))) for variable in _backend.own_weights(layer)
    )


def starting_at_zero(sites: Sequence[Site]) -> set[int]:
    """By `id`, the kernels that start at zero, or so small that they give nothing, on purpose.

    These are outputs, ends of branches, and kernels beside biases that are not zero; the weights of
    unknown layers may be such. Where all kernels are zero, none is on purpose.

    Args:
        sites: The weights of a model that carry its signal.
    """
    kernels = [site for site in sites if site.role == "kernel"]
    zeros = [site for site in kernels if _gives_nothing(site)]
    if len(zeros) == len(kernels):
        return set()
    return {
        id(site)
        for site in zeros
        if site.is_output or site.added is not False or gives_its_bias(site.layer)
    }


def own_draw(site: Site, most: float) -> Any:
    """The initializer that the layer itself has for a weight.

    `None` where it is unknown, or draws no random numbers about zero.

    Args:
        site: The weight.
        most: `None` also where what it gives on inputs of variance 1 has more than this variance,
            or less than one over it.
    """
    initializer = getattr(site.layer, argument_of(site.layer, site.variable), None)
    if isinstance(initializer, keras.initializers.Orthogonal):
        return initializer
    _, center, second = _law_of(initializer, site) or ("", 0.0, 0.0)
    usual = not center and 1 / most < second * site.shape_fans.fan_in < most
    return initializer if usual else None


def _gives_nothing(site: Site) -> bool:
    sample = rows_on_host(site.variable.value, _SAMPLE)
    second = float(np.square(sample, dtype=np.float64).mean())
    return second * site.shape_fans.fan_in < _NOTHING


def _is_fresh(layer: Any, variable: Any, site: Site | None) -> bool:
    if "float" not in str(variable.dtype) or not math.prod(variable.shape):
        return True
    sample = rows_on_host(variable.value, _SAMPLE)
    if was_given(layer, variable.name, _fingerprint_of(sample)):
        return True
    initializer = getattr(layer, argument_of(layer, variable), None)
    constant = _constant_of(initializer, layer, variable)
    if constant is not None:
        return bool((sample == constant).all())
    law = None if site is None else _law_of(initializer, site)
    if law is None:
        return _has_its_form(initializer, variable)
    draw, center, second = law
    ratio = float(np.square(sample - center, dtype=np.float64).mean()) / second
    # Bounds of chi-squared over n (Wilson and Hilferty 1931). A normal has the fourth moment 3, the
    # others have less.
    width = 2 / (9 * sample.size)
    low, high = ((1 - width + sign * _SIGMAS * math.sqrt(width)) ** 3 for sign in (-1, 1))
    largest = float(np.abs(sample - center).max())
    end = _UNIFORM_END * math.sqrt(second) * (1.001 + _ROUNDING.get(str(variable.dtype), 0.0))
    inside = draw != "uniform" or largest <= end
    return low <= ratio <= high and inside


def _constant_of(initializer: Any, layer: Any, variable: Any) -> Any:
    """The first value of a weight that is not drawn; `None` if it is drawn, or not known."""
    kinds = keras.initializers
    units = forget_units_of(layer)
    if units and variable.name == "bias":
        opened = 1.0 if layer.unit_forget_bias else 0.0
        zeros = isinstance(initializer, kinds.Zeros)
        return np.repeat([0.0, opened, 0.0, 0.0], units) if zeros else None
    if isinstance(initializer, (kinds.Zeros, kinds.Ones)):
        return float(isinstance(initializer, kinds.Ones))
    value = getattr(initializer, "value", None)
    constant = isinstance(initializer, kinds.Constant) and isinstance(value, (int, float))
    return np.float32(value) if constant else None


def _has_its_form(initializer: Any, variable: Any) -> bool:
    """Whether a weight can come from its `Orthogonal` or `Identity`.

    True of the other schemes of Keras and of ours, and where no initializer is known. What an array
    or an initializer of the user's own gives may be anything, pretrained vectors say.
    """
    values = variable.value
    if isinstance(initializer, keras.initializers.Constant) or not _is_known(initializer):
        return False
    if isinstance(initializer, keras.initializers.Identity):
        eye = initializer.gain * np.eye(*variable.shape)
        return bool(np.allclose(ops.convert_to_numpy(values), eye))
    if not isinstance(initializer, keras.initializers.Orthogonal):
        return True
    held = ops.convert_to_numpy(ops.cast(values, "float32"))
    rows = held.reshape(-1, held.shape[-1])
    rows = rows.T if rows.shape[0] > rows.shape[1] else rows
    rows = rows[:_FEW_ROWS].astype(np.float64) / initializer.gain
    return bool(np.abs(rows @ rows.T - np.eye(len(rows))).max() < 1e-2)


def _is_known(initializer: Any) -> bool:
    """Whether an initializer is one of Keras or of this package; true where there is none."""
    home = type(initializer).__module__.partition(".")[0]
    return initializer is None or home in ("keras", "keras_initlab")


def _fingerprint_of(sample: np.ndarray) -> bytes:
    return hashlib.blake2b(sample.tobytes(), digest_size=16).digest()


def _law_of(initializer: Any, site: Site) -> tuple[str, float, float] | None:
    """Draw, center and mean square about it; `None` where they are not known."""
    shape, kinds = tuple(site.variable.shape), keras.initializers
    if isinstance(initializer, RandomScheme):
        return _of_ours(initializer, shape, site)
    if isinstance(initializer, kinds.VarianceScaling):
        return _of_keras(initializer, shape, site)
    if isinstance(initializer, kinds.RandomNormal):
        return "normal", initializer.mean, initializer.stddev**2
    if isinstance(initializer, kinds.RandomUniform):
        low, high = initializer.minval, initializer.maxval
        return "uniform", (low + high) / 2, (high - low) ** 2 / 12
    return None


def _of_ours(
    initializer: RandomScheme, shape: tuple[int, ...], site: Site
) -> tuple[str, float, float] | None:
    if site.use.axes and getattr(initializer, "input_axes", ()) is None:
        # Keras sets the axes only on the copy that it draws with.
        initializer = copy.copy(initializer)
        initializer.input_axes, initializer.output_axes = site.use.axes.values()
    try:
        draw, center, spread = initializer.law_for(shape)
    except ValueError:
        return None
    return draw, center, (spread / spread_of(draw, 1.0)) ** 2


def _of_keras(
    initializer: Any, shape: tuple[int, ...], site: Site
) -> tuple[str, float, float] | None:
    if type(initializer).__call__ is not keras.initializers.VarianceScaling.__call__:
        return None
    fans = fans_of(shape, **(site.use.axes or {}))
    fan = {
        "fan_in": fans.fan_in,
        "fan_out": fans.fan_out,
        "fan_avg": fans.fan_avg,
    }.get(initializer.mode)
    if fan is None:
        return None
    draw = "uniform" if initializer.distribution == "uniform" else "normal"
    return draw, 0.0, initializer.scale / max(1.0, fan)
