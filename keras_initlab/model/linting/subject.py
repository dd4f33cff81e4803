"""The numbers of each weight that the rules read, on the host."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.model.host import rows_on_host
from keras_initlab.model.linting.table_uses import TableUse, table_uses
from keras_initlab.model.priors import Prior, priors_of

__all__ = ["PREFIX", "Broken", "Sample", "Subject", "subject_of"]

# Numbers from the start of a weight that are compared with those of others.
PREFIX = 4096

# Elements read of a weight.
_MOST = 1 << 22

# Rows of a table that are compared with all rows before them.
_EARLY_ROWS = 1 << 14


@dataclass(frozen=True)
class Sample:
    """A site, and the numbers computed from its weight.

    Args:
        site: The site.
        prefix: The first numbers of the weight in memory, float64.
        mean: Mean of all finite elements.
        second: Their mean square.
        equal_units: Whether all units have the same weights.
        twin_rows: Share of rows that repeat a row before them.
        tiny: Share of elements that are not zero, but round to zero in float16.
        lengths: Norm of each unit's weights.
        biases: The layer's biases, one per unit; `None` where it has none, or others.
    """

    site: Site
    prefix: np.ndarray
    mean: float
    second: float
    equal_units: bool
    twin_rows: float
    tiny: float
    lengths: np.ndarray
    biases: np.ndarray | None

    @property
    def variance(self) -> float:
        """Of the elements about their mean; 0 where that is rounding."""
        variance = self.second - self.mean**2
        return variance if variance > 1e-12 * self.second else 0.0


@dataclass(frozen=True)
class Broken:
    """A variable that is not finite: its layer's name, its path, how many elements, of how many."""

    layer: str
    path: str
    count: int
    size: int


@dataclass(frozen=True)
class Subject:
    """Everything that the rules read of a model."""

    model: Any
    samples: list[Sample]
    broken: list[Broken]
    priors: list[Prior]
    tables: list[TableUse]


def subject_of(anatomy: Anatomy, labels: Any = None, data: Any = None) -> Subject:
    """The numbers of a model's weights, the biases that labels suggest, and the rows of tables."""
    return Subject(
        anatomy.model,
        [_sample_at(site) for site in anatomy.sites],
        _broken_in(anatomy.model),
        priors_of(anatomy, labels),
        table_uses(anatomy, data),
    )


def _broken_in(model: Any) -> list[Broken]:
    found: dict[int, Broken] = {}
    for layer in layers_in(model):
        for variable in _backend.own_weights(layer):
            count = _nonfinite_count(variable)
            if count:
                size = math.prod(variable.shape)
                found[id(variable)] = Broken(layer.name, variable.path, count, size)
    return list(found.values())


def _nonfinite_count(variable: Any) -> int:
    if "float" not in str(variable.dtype):
        return 0
    value = ops.convert_to_tensor(variable)
    return int(ops.sum(ops.cast(ops.logical_not(ops.isfinite(value)), "int32")))


def _sample_at(site: Site) -> Sample:
    values = np.nan_to_num(_on_host(site.variable), posinf=0.0, neginf=0.0)
    rows = values.reshape(values.shape[0], -1)
    units = _by_unit(values, site.use.units)
    squares = np.square(units, dtype=np.float64)
    # Half of float16's smallest number rounds to zero.
    tiny = (values != 0) & (np.abs(values) < 2.0**-25)
    return Sample(
        site,
        _prefix_of(site.variable),
        float(values.mean(dtype=np.float64)),
        float(squares.mean()),
        units.shape[1] > 1 and bool((units == units[:, :1]).all()),
        _share_repeated(rows) if site.role == "table" else 0.0,
        float(tiny.mean()),
        np.sqrt(squares.sum(axis=0)),
        _biases_of(site.layer, units.shape[1]),
    )


def _share_repeated(rows: np.ndarray) -> float:
    """Share of rows that repeat one before them; in long tables their neighbour or early ones."""
    if len(rows) < 2:
        return 0.0
    neighbours = float((rows[1:] == rows[:-1]).all(axis=1).mean())
    early = rows[:_EARLY_ROWS]
    return max(neighbours, 1.0 - len({row.tobytes() for row in early}) / len(early))


def _by_unit(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """`(weights of a unit, units)`."""
    axes = tuple(axis % values.ndim for axis in axes)
    last = tuple(range(values.ndim - len(axes), values.ndim))
    units = math.prod(values.shape[axis] for axis in axes)
    return np.moveaxis(values, axes, last).reshape(-1, units)


def _biases_of(layer: Any, units: int) -> np.ndarray | None:
    bias = getattr(layer, "bias", None)
    own = any(bias is variable for variable in _backend.own_weights(layer))
    if bias is None or not own or math.prod(bias.shape) != units:
        return None
    return _on_host(bias).astype(np.float64).reshape(-1)


def _prefix_of(variable: Any) -> np.ndarray:
    value = ops.convert_to_tensor(variable)
    rows = math.ceil(PREFIX / math.prod(value.shape[1:]))
    start = ops.convert_to_numpy(ops.cast(value[:rows], "float32")).reshape(-1)[:PREFIX]
    return np.nan_to_num(start.astype(np.float64), posinf=0.0, neginf=0.0)


def _on_host(variable: Any) -> np.ndarray:
    return rows_on_host(ops.convert_to_tensor(variable), _MOST)
