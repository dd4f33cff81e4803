"""What is known of the rows of each table: who reads them, and which of them training has moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.sites import Site
from keras_initlab.model.diagnosis.batch import Batch, batch_of, run_in_memory
from keras_initlab.signal.recording import Recording
from keras_initlab.tables.carrying.lookups import Lookups, Shifted

__all__ = ["TableUse", "table_uses"]

# Examples of the user's data that are run through the model.
_EXAMPLES = 8192

# A row is the mean of others to this share of its numbers, in float16 too.
_ROUNDING = 1e-3

# Rows whose numbers are read at once.
_CHUNK = 65_536


@dataclass(frozen=True)
class TableUse:
    """A table, and its rows.

    Args:
        site: The site of its weight.
        lookups: The lookups in the graph whose ids reach it.
        cold: Boolean `(rows,)`, rows that no gradient has ever come to, and that were not filled
            with zeros or with the mean row; `None` where the optimizer does not show it.
        ids: Integers `(examples, ids)`, what the examples read; `None` without data.
    """

    site: Site
    lookups: list[Shifted]
    cold: np.ndarray | None
    ids: np.ndarray | None

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.site.variable.shape[0])


def table_uses(anatomy: Anatomy, data: Any = None) -> list[TableUse]:
    """All tables of a model.

    Args:
        anatomy: Of a built Keras model.
        data: Inputs as `diagnose` takes them, or `None`.

    Raises:
        ValueError: If the data do not fit the model.
    """
    sites = [site for site in anatomy.sites if site.role == "table"]
    if not sites:
        return []
    lookups = Lookups(anatomy.model)
    states = list(_states_of(anatomy.model))
    ids = {} if data is None else _ids_read(anatomy, [site.layer for site in sites], data)
    return [
        _use_of(site, lookups.shifted(site.layer), ids.get(id(site.layer)), states)
        for site in sites
    ]


def _use_of(
    site: Site, lookups: list[Shifted], ids: np.ndarray | None, states: list[Any]
) -> TableUse:
    # All rows of a large table are read for it, so only where a rule will ask.
    asked = bool(lookups) or ids is not None
    return TableUse(site, lookups, _cold_rows(site.variable, states) if asked else None, ids)


def _states_of(model: Any) -> Iterator[_backend.OptimizerState]:
    """What the optimizers keep that have taken a step."""
    for optimizer in _backend.optimizers_of(model):
        if optimizer.built and int(ops.convert_to_numpy(optimizer.iterations)) > 0:
            try:
                yield _backend.OptimizerState(optimizer)
            except TypeError:
                # An optimizer of the user's own keeps what it likes.
                continue


def _cold_rows(variable: Any, states: list[_backend.OptimizerState]) -> np.ndarray | None:
    """Random rows without any trace of a gradient in the means that optimizers keep."""
    shape = tuple(variable.shape)
    slots = [
        slot
        for state in states
        for slot in state.of(variable).values()
        if slot.kind in ("first", "second") and tuple(slot.variable.shape[:1]) == shape[:1]
    ]
    if not slots or not variable.trainable or len(shape) != 2:
        return None
    values, kept = variable.value, [(slot, slot.variable.value) for slot in slots]
    moved = np.zeros(shape[0], bool)
    total = np.zeros(shape[1], "float64")
    for start in range(0, shape[0], _CHUNK):
        end = start + _CHUNK
        for slot, numbers in kept:
            far = np.abs(_part(numbers, start, end)) > slot.start + slot.floor
            moved[start:end] |= far.any(axis=1)
        total += moved[start:end].astype("float32") @ _part(values, start, end)
    return ~moved & _is_random(values, total / max(int(moved.sum()), 1), shape[0])


def _is_random(values: Any, mean: np.ndarray, count: int) -> np.ndarray:
    """Rows that are neither zero nor the mean of those that training has moved."""
    random = np.zeros(count, bool)
    for start in range(0, count, _CHUNK):
        part = _part(values, start, start + _CHUNK)
        filled = np.isclose(part, mean, rtol=_ROUNDING, atol=_ROUNDING * np.abs(mean).max())
        random[start : start + _CHUNK] = (part != 0).any(axis=1) & ~filled.all(axis=1)
    return random


def _part(values: Any, start: int, end: int) -> np.ndarray:
    part = np.asarray(ops.convert_to_numpy(ops.cast(values[start:end], "float32")))
    return part.reshape(len(part), -1)


def _ids_read(anatomy: Anatomy, layers: list[Any], data: Any) -> dict[int, np.ndarray]:
    """By `id` of a layer, the ids with which the examples read it."""

    def ids_of(batch: Batch) -> dict[int, np.ndarray]:
        with Recording().recording(layers) as calls, _backend.without_gradients():
            anatomy.model(batch.x, training=False)
        found: dict[int, list[np.ndarray]] = {}
        for call in calls:
            for tensor in [] if call.ids is None else [call.ids]:
                ids = None if _backend.is_sparse(tensor) else _backend.concrete(tensor)
                if ids is not None and ids.ndim and len(ids) == batch.size:
                    rows = ids.astype("int64").reshape(len(ids), -1)
                    found.setdefault(id(call.layer), []).append(rows)
        return {place: np.concatenate(parts, axis=1) for place, parts in found.items()}

    _, found = run_in_memory(ids_of, batch_of(anatomy, data, _EXAMPLES))
    return found
