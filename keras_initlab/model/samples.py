"""What the rules look at: numbers of each weight, on the host."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.model.sites import Site, sites_of

__all__ = ["PREFIX", "Sample", "samples_of"]

# Numbers compared between weights, from the start of each.
PREFIX = 4096

# Of larger weights rows at equal distances are looked at.
_MOST = 1 << 22


@dataclass(frozen=True)
class Sample:
    """A site with what was computed from its weight.

    Args:
        site: The site.
        prefix: The first numbers of the weight in memory, float64.
        mean: Mean of all finite elements.
        second: Their mean square.
        nonfinite: How many elements are not finite.
        equal_units: Whether all units, the last axis, have the same weights.
        twin_rows: Share of rows that repeat the row before them.
        tiny: Share of elements that are not zero, but round to zero in float16.
        biases: The layer's biases, `None` where it has none.
        lengths: Norm of each unit's weights.
    """

    site: Site
    prefix: np.ndarray
    mean: float
    second: float
    nonfinite: int
    equal_units: bool
    twin_rows: float
    tiny: float
    biases: np.ndarray | None
    lengths: np.ndarray

    @property
    def variance(self) -> float:
        """Of the elements about their mean; 0 where that is rounding."""
        variance = self.second - self.mean**2
        return variance if variance > 1e-12 * self.second else 0.0


def samples_of(model: Any) -> list[Sample]:
    """All sites of a model with their numbers.

    Raises:
        ValueError: If the model has no weights yet.
    """
    return [_sample_of(site) for site in sites_of(model)]


def _sample_of(site: Site) -> Sample:
    values = _on_host(site.variable).astype(np.float32, copy=False)
    finite = np.isfinite(values)
    broken = int(values.size - finite.sum())
    held = np.where(finite, values, 0) if broken else values
    count = max(1, values.size - broken)
    units = held.reshape(-1, held.shape[-1])
    rows = held.reshape(held.shape[0], -1)
    squares = np.square(units, dtype=np.float64)
    magnitude = np.abs(held)
    # Half of float16's smallest number rounds to zero.
    tiny = (magnitude > 0) & (magnitude < 2.0**-25)
    bias = getattr(site.layer, "bias", None)
    return Sample(
        site,
        _prefix_of(site.variable),
        float(held.sum(dtype=np.float64) / count),
        float(squares.sum() / count),
        broken,
        units.shape[1] > 1 and bool((units == units[:, :1]).all()),
        float((rows[1:] == rows[:-1]).all(axis=1).mean()) if len(rows) > 1 else 0.0,
        float(tiny.mean()),
        None if bias is None else _on_host(bias).astype(np.float64).reshape(-1),
        np.sqrt(squares.sum(axis=0)),
    )


def _prefix_of(variable: Any) -> np.ndarray:
    value = ops.convert_to_tensor(variable)
    rows = max(1, math.ceil(PREFIX / math.prod(value.shape[1:])))
    start = ops.convert_to_numpy(ops.cast(value[:rows], "float32")).reshape(-1)[:PREFIX]
    return np.nan_to_num(start.astype(np.float64), posinf=0.0, neginf=0.0)


def _on_host(variable: Any) -> np.ndarray:
    value = ops.convert_to_tensor(variable)
    size, rows = math.prod(value.shape), value.shape[0] if len(value.shape) else 1
    stride = math.ceil(size / _MOST)
    if 1 < stride <= rows:
        value = _backend.gathered(value, np.arange(0, rows, stride))
    return np.asarray(ops.convert_to_numpy(ops.cast(value, "float32")))
