"""One snapshot of the signal, and all snapshots of a training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_initlab._wire import SECTIONS, LayerInfo, Problem

__all__ = ["History", "Look", "Section", "numbers_by_layer"]

# Looks kept in memory. The event file keeps them all.
_MOST_LOOKS = 2_000


@dataclass(frozen=True)
class Section:
    """One table of a snapshot.

    Args:
        layers: The rows of `values`.
        values: `(layers, statistics)` float64, columns as `keras_initlab._wire.SECTIONS` names.
        histograms: `(layers, 64)` counts, or `None` if none were asked for.
        edges: `(from, to)`: the signal of the first row enters the second, with no row between;
            empty if that is not known.
    """

    layers: tuple[LayerInfo, ...]
    values: np.ndarray
    histograms: np.ndarray | None = None
    edges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Look:
    """Statistics of every watched layer at one training step.

    Args:
        step: Optimizer updates before this snapshot; 0 is the untrained model.
        wall_time_s: When it was read, in seconds since the epoch (Unix time).
        sections: Tables by name: `"activations"` and `"weights"`, in the first snapshot `"theory"`,
            and with a reference batch `"reference"`.
        problems: The problems that the rules find in it, empty if it is healthy.

    Example:
        >>> rows = (LayerInfo("dense", "Dense", "relu", 0),)
        >>> look = Look(0, 0.0, {"theory": Section(rows, np.array([[0.4, 0.25]]))})
        >>> look.by_layer("predicted_variance")
        {'dense': 0.25}
    """

    step: int
    wall_time_s: float
    sections: Mapping[str, Section] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """The watched calls, in call order."""
        section = self.sections.get("activations")
        return () if section is None else section.layers

    @property
    def healthy(self) -> bool:
        """Whether no rule finds a problem."""
        return not self.problems

    def by_layer(self, statistic: str) -> dict[str, float]:
        """One statistic of every layer that has it, in call order.

        Raises:
            ValueError: If there is no such statistic, or the snapshot does not hold it.
        """
        for name, section in self.sections.items():
            if statistic in SECTIONS[name]:
                column = section.values[:, SECTIONS[name].index(statistic)]
                rows = zip(section.layers, column, strict=True)
                return {layer.name: float(value) for layer, value in rows}
        known = [statistic for name in self.sections for statistic in SECTIONS[name]]
        raise ValueError(
            f"`statistic` must be one that the snapshot holds: {', '.join(known)}. "
            f"Received: statistic={statistic!r}."
        )


class History:
    """Snapshots in order, evenly spaced if very many; the first and the newest always stay."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._seen = 0
        self._stride = 1

    def __len__(self) -> int:
        return len(self._looks)

    def __getitem__(self, place: Any) -> Any:
        return self._looks[place]

    def __iter__(self) -> Iterator[Look]:
        return iter(self._looks)

    def append(self, look: Look) -> None:
        """Add the next snapshot."""
        if self._seen and (self._seen - 1) % self._stride:
            self._looks.pop()
        self._looks.append(look)
        self._seen += 1
        if len(self._looks) > _MOST_LOOKS:
            self._stride *= 2
            on_stride = self._looks[::2]
            self._looks = on_stride if on_stride[-1] is look else [*on_stride, look]

    def as_columns(self) -> dict[str, list[Any]]:
        """Columns of equal length, one row for each snapshot and layer; missing numbers are NaN."""
        names = [statistic for name, section in SECTIONS.items() for statistic in section]
        columns: dict[str, list[Any]] = {name: [] for name in ("step", "layer", *names)}
        for look in self._looks:
            for layer, numbers in numbers_by_layer(look).items():
                columns["step"].append(look.step)
                columns["layer"].append(layer)
                for name in names:
                    columns[name].append(numbers.get(name, float("nan")))
        return columns


def numbers_by_layer(look: Look) -> dict[str, dict[str, float]]:
    """All numbers of a snapshot, by layer and statistic."""
    rows: dict[str, dict[str, float]] = {}
    for name, section in look.sections.items():
        for layer, values in zip(section.layers, section.values.tolist(), strict=True):
            rows.setdefault(layer.name, {}).update(zip(SECTIONS[name], values, strict=True))
    return rows
