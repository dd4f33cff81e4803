"""Whether a weight is still as its layer has drawn it, or was trained or loaded since."""

import hashlib
import math
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.initializers import RandomScheme
from keras_initlab.model.sites import Site
from keras_initlab.theory import fans_of, spread_of

__all__ = ["is_fresh", "remember"]

# Elements compared, rows at equal distances.
_SAMPLE = 1 << 14
_WHOLE = 1 << 20

# Standard errors by which a mean square may differ from what was drawn.
_SIGMAS = 6.0

# Half the width of a uniform distribution, and the ends of Keras's truncated normal, in standard
# deviations of the result.
_UNIFORM_END = math.sqrt(3.0)

# What `initialize` has drawn: a digest by name of each variable, as long as its layer lives.
_drawn: "weakref.WeakKeyDictionary[Any, dict[str, bytes]]" = weakref.WeakKeyDictionary()


def remember(layer: Any, variable: Any, values: Any) -> None:
    """Note what a variable of a layer was given, as freshly drawn."""
    _drawn.setdefault(layer, {})[variable.name] = _digest_of(_sample_of(values))


def is_fresh(site: Site) -> bool:
    """Whether a weight can be what its layer's initializer gives, or what we drew.

    Keras does not tell whether a weight was loaded, so its mean square is held against that of its
    initializer, six standard errors either way, and its largest element against the end of a
    uniform distribution. A weight whose initializer is not known counts as fresh.
    """
    sample = _sample_of(site.variable.value)
    if _drawn.get(site.layer, {}).get(site.variable.name) == _digest_of(sample):
        return True
    law = _law_of(_initializer_of(site), site)
    if law is None:
        return True
    draw, center, second = law
    if draw == "constant":
        return bool((sample == sample.dtype.type(center)).all())
    off = abs(float(np.square(sample - center, dtype=np.float64).mean()) / second - 1)
    # The fourth moment of a normal is 3, that of others less; correlated rows (orthogonal) have
    # less spread still.
    enough = off <= _SIGMAS * math.sqrt(2 / sample.size)
    largest = float(np.abs(sample - center).max())
    return enough and (draw != "uniform" or largest <= _UNIFORM_END * math.sqrt(second) * 1.001)


def _digest_of(sample: np.ndarray) -> bytes:
    return hashlib.blake2b(sample.tobytes(), digest_size=16).digest()


def _sample_of(value: Any) -> np.ndarray:
    rows, size = (value.shape[0] if len(value.shape) else 1), math.prod(value.shape)
    stride = math.ceil(size / _SAMPLE)
    # To copy a small weight whole is quicker than an operation of the backend.
    if size > _WHOLE and 1 < stride <= rows:
        value, stride = _backend.gathered(value, np.arange(0, rows, stride)), 1
    held = ops.convert_to_numpy(value)
    return np.ascontiguousarray(held[::stride] if 1 < stride <= rows else held, np.float32)


def _initializer_of(site: Site) -> Any:
    name = site.variable.name.removesuffix("_kernel")
    if name == "kernel" and type(site.layer).__name__.startswith("DepthwiseConv"):
        name = "depthwise"
    return getattr(site.layer, f"{name}_initializer", None)


def _law_of(initializer: Any, site: Site) -> tuple[str, float, float] | None:
    """Draw, center and mean square about it; `None` where they are not known."""
    shape, kinds = tuple(site.variable.shape), keras.initializers
    if isinstance(initializer, (kinds.Zeros, kinds.Ones, kinds.Constant)):
        held = {kinds.Zeros: 0.0, kinds.Ones: 1.0}
        center = held.get(type(initializer), getattr(initializer, "value", None))
        return None if not isinstance(center, (int, float)) else ("constant", float(center), 0.0)
    if isinstance(initializer, RandomScheme):
        return _of_ours(initializer, shape)
    if isinstance(initializer, kinds.VarianceScaling):
        return _of_keras(initializer, shape, site)
    if isinstance(initializer, kinds.RandomNormal):
        return "normal", initializer.mean, initializer.stddev**2
    if isinstance(initializer, kinds.RandomUniform):
        low, high = initializer.minval, initializer.maxval
        return "uniform", (low + high) / 2, (high - low) ** 2 / 12
    return None


def _of_ours(initializer: RandomScheme, shape: tuple[int, ...]) -> tuple[str, float, float] | None:
    try:
        draw, center, spread = initializer._law_for(shape)
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
