"""The report of a training, as data and as one table."""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keras_initlab._wire import LayerInfo, Problem
from keras_initlab.monitor.page import page_of_looks
from keras_initlab.signal.extras import frame_of
from keras_initlab.signal.figure import BACKWARD, FORWARD, Curve, profile_figure
from keras_initlab.signal.looks import History, Look, numbers_by_layer
from keras_initlab.signal.printing import (
    Fitting,
    kind_in_words,
    number_in_words,
    share_in_words,
    words,
)
from keras_initlab.signal.report import Verdict, in_words
from keras_initlab.signal.skipping import in_short

__all__ = ["TrainingReport"]

# Header, statistic, and whether a first value belongs beside the last one.
_COLUMNS = (
    ("variance", "variance", True),
    ("theory", "predicted_variance", False),
    ("dead", "dead_fraction", True),
    ("saturated", "saturated_fraction", True),
    ("gradient\nnorm", "gradient_norm", True),
    ("update\nratio", "update_ratio", True),
)
_SHARES = ("dead_fraction", "saturated_fraction")
# What a narrow terminal does without, the first ones first.
_OPTIONAL = ("theory", "saturated", "kind", "dead", "update\nratio")

_UNSEEN = "It is not known whether the signal is healthy."


@dataclass(frozen=True, repr=False)
class TrainingReport(Verdict):
    """The signal during training, from the first snapshot to the last.

    Args:
        layers: The watched calls, in call order.
        first: The first snapshot, `None` if there was none.
        last: The last snapshot.
        problems: All problems, in the order in which they were found.
        notes: What could not be watched, and why.
        blind: Whether something that should be watched was not seen at all; `notes` says why.
        skipped_steps: Training steps that were skipped because they were not finite.
        looks: All snapshots, oldest first.

    Example:
        >>> report = TrainingReport((), None, None, (), ())
        >>> report.healthy, report.to_dict()["problems"]
        (None, [])
    """

    layers: tuple[LayerInfo, ...]
    first: Look | None
    last: Look | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    blind: bool = False
    skipped_steps: tuple[int, ...] = ()
    looks: Sequence[Look] = ()

    @classmethod
    def of(
        cls,
        looks: History,
        problems: Sequence[Problem],
        notes: tuple[str, ...],
        blind: bool,
        skipped_steps: Sequence[int] = (),
    ) -> "TrainingReport":
        """The report on these snapshots."""
        told, skipped = tuple(problems), tuple(skipped_steps)
        if not len(looks):
            return cls((), None, None, told, notes, blind, skipped)
        last = looks[-1]
        rows = last.layers
        if not rows and "weights" in last.sections:
            rows = last.sections["weights"].layers
        return cls(rows, looks[0], last, told, notes, blind, skipped, tuple(looks))

    @property
    def healthy(self) -> bool | None:
        """Whether no snapshot showed a problem; `None` if no snapshot could show one."""
        if self.problems:
            return False
        return None if self.blind or self.last is None else True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: one entry per layer with its first and last numbers.

        A number that is not finite is `None`.
        """
        return {
            "healthy": self.healthy,
            "first_step": None if self.first is None else self.first.step,
            "last_step": None if self.last is None else self.last.step,
            "layers": [
                {
                    **asdict(layer),
                    "first": _numbers_of(self.first, layer.name),
                    "last": _numbers_of(self.last, layer.name),
                }
                for layer in self.layers
            ],
            "problems": [asdict(problem) for problem in self.problems],
            "notes": list(self.notes),
            "skipped_steps": list(self.skipped_steps),
        }

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one row per layer: its first and its last numbers.

        Raises:
            ImportError: If pandas is not installed.
        """
        rows = [_flat(layer) for layer in self.to_dict()["layers"]]
        return frame_of(rows, None if rows else ["name"]).set_index("name")

    def plot(self) -> Any:
        """A matplotlib figure: variance and gradient by depth, in the first snapshot and the last.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        panels = {
            "variance of output": [
                self._curve(self.first, "variance", "first snapshot", FORWARD, "o--"),
                self._curve(self.last, "variance", "last snapshot", FORWARD),
                self._curve(self.first, "predicted_variance", "theory", "gray", "--"),
            ],
            "norm of gradient": [
                self._curve(self.first, "gradient_norm", "first snapshot", BACKWARD, "o--"),
                self._curve(self.last, "gradient_norm", "last snapshot", BACKWARD),
            ],
        }
        return profile_figure([layer.name for layer in self.layers], panels)

    def _curve(
        self, look: Look | None, statistic: str, title: str, color: str, style: str = "o-"
    ) -> Curve:
        numbers = {} if look is None else numbers_by_layer(look)
        values = [numbers.get(layer.name, {}).get(statistic, math.nan) for layer in self.layers]
        return Curve(title, values, color, style)

    def _page(self) -> str:
        if not self.looks:
            return super()._page()
        return page_of_looks(self.looks, self.problems, "training")

    def complaints(self) -> list[str]:
        """Every problem in words; if nothing was seen, the reason."""
        lines = in_words(self.problems)
        unseen = self.healthy is None
        lines += [in_short(self.skipped_steps)] if self.skipped_steps else []
        return lines + ([_UNSEEN, *self.notes] if unseen else [])

    def __rich__(self) -> Group:
        """One table, the problems in words below it."""
        lines: list[Any] = [Fitting(self._table, self._optional())]
        lines += [words(line, "red") for line in in_words(self.problems)]
        if self.skipped_steps:
            lines.append(words(in_short(self.skipped_steps), "yellow"))
        lines += [words(f"note: {note}", "dim") for note in self.notes]
        if self.healthy:
            lines.append(Text("The signal is healthy in every snapshot.", "green"))
        elif self.healthy is None:
            lines.append(Text(_UNSEEN, "yellow"))
        return Group(*lines)

    def _optional(self) -> list[str]:
        known = {*_columns_of(self.first), *_columns_of(self.last)}
        shown = ["kind", *(header for header, statistic, _ in _COLUMNS if statistic in known)]
        return [name for name in _OPTIONAL if name in shown]

    def _table(self, without: Collection[str] = ()) -> Table:
        steps = [look.step for look in (self.first, self.last) if look is not None]
        title = f"Signal per layer, step {steps[0]} > step {steps[-1]}" if steps else "No snapshots"
        table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("layer", overflow="fold")
        if "kind" not in without:
            table.add_column("kind")
        first, last = (_columns_of(look) for look in (self.first, self.last))
        shown = [column for column in _COLUMNS if column[1] in first or column[1] in last]
        shown = [column for column in shown if column[0] not in without]
        for header, _, _ in shown:
            table.add_column(header, justify="right", no_wrap=True)
        for layer in self.layers:
            cells = [
                _cell(first.get(statistic, {}), last.get(statistic, {}), layer.name, statistic, two)
                for _, statistic, two in shown
            ]
            kind = [words(kind_in_words(layer.kind, layer.activation))]
            table.add_row(words(layer.name), *([] if "kind" in without else kind), *cells)
        return table


def _columns_of(look: Look | None) -> dict[str, dict[str, float]]:
    columns: dict[str, dict[str, float]] = {}
    for _, statistic, _ in _COLUMNS:
        try:
            columns[statistic] = {} if look is None else look.by_layer(statistic)
        except ValueError:
            continue
    return {name: column for name, column in columns.items() if column}


def _cell(first: dict, last: dict, layer: str, statistic: str, two: bool) -> str:
    values: Sequence[float | None] = (
        [first.get(layer), last.get(layer)] if two else [first.get(layer)]
    )
    in_words = share_in_words if statistic in _SHARES else number_in_words
    shown = [in_words(value) for value in values]
    return shown[0] if len(set(shown)) == 1 else "\n".join(shown)


def _numbers_of(look: Look | None, layer: str) -> dict[str, float | None]:
    numbers = {} if look is None else numbers_by_layer(look).get(layer, {})
    # JSON has no NaN and no infinity.
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _flat(layer: dict[str, Any]) -> dict[str, Any]:
    """An entry of `to_dict` with `first_variance` for `variance` of `first`, and so on."""
    plain = {name: value for name, value in layer.items() if name not in ("first", "last")}
    numbers = {
        f"{look}_{name}": value for look in ("first", "last") for name, value in layer[look].items()
    }
    return {**plain, **numbers}
