"""The report of a diagnosis: one row for each call of a layer, and the problems."""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keras_initlab._wire import Problem
from keras_initlab.model.linting.finding import Finding, by_rule_and_fix
from keras_initlab.signal.extras import frame_of, plain
from keras_initlab.signal.figure import BACKWARD, FORWARD, Curve, profile_figure
from keras_initlab.signal.printing import (
    Fitting,
    kind_in_words,
    number_in_words,
    share_in_words,
    words,
)
from keras_initlab.signal.report import Verdict, in_words

__all__ = ["Change", "LayerSignal", "SignalReport"]

_NUMBERS = (
    ("before\nactivation", "before_variance"),
    ("variance", "variance"),
    ("theory", "predicted_variance"),
)
_SHARES = (("zero", "zero_fraction"), ("saturated", "saturated_fraction"))
_GRADIENTS = (
    ("gradient\nvariance", "gradient_variance"),
    ("weights'\ngradient", "weight_gradient_variance"),
)
# What a narrow terminal does without, the first ones first.
_OPTIONAL = (
    *("weights'\ngradient", "kernel", "fan in", "before\nactivation"),
    *("saturated", "zero", "theory", "kind"),
)


@dataclass(frozen=True)
class LayerSignal:
    """One call of a layer. A number that is unknown is NaN, or `None` for shape and fans.

    Args:
        name: The layer's name, its path where names repeat, with `#2` for a second call.
        kind: Class of the layer.
        activation: Its activation, empty for none.
        kernel_shape: Shape of its largest weight.
        fan_in: Connections into a unit, as the layer really has them.
        fan_out: Connections out of an input.
        weight_variance: Variance of the largest weight; of a table, of the rows looked up.
        before_mean: Mean of what enters the activation.
        before_variance: Its variance.
        mean: Mean of the output.
        variance: Variance of the output.
        predicted_mean: Mean of the output that theory expects.
        predicted_variance: Variance of the output that theory expects.
        zero_fraction: Share of the output that is exactly zero.
        dead_fraction: Share of units that are zero for every example.
        saturated_fraction: Share of the output where the activation is flat.
        nonfinite_count: Elements that are NaN or infinite.
        effective_rank: Directions that the units use: 1 if all are equal, as with zero weights.
        similarity: Correlation of two examples about zero: 1 if all examples give the same.
        gradient_variance: Variance of the loss's gradient with respect to the output.
        weight_gradient_variance: The same with respect to the largest weight.
        rules: The rules that the call breaks, empty for a healthy layer.
        verdict: The problem in words, with cause and fix, or `"healthy"`.
    """

    name: str
    kind: str
    activation: str
    kernel_shape: tuple[int, ...] | None
    fan_in: float | None
    fan_out: float | None
    weight_variance: float
    before_mean: float
    before_variance: float
    mean: float
    variance: float
    predicted_mean: float
    predicted_variance: float
    zero_fraction: float
    dead_fraction: float
    saturated_fraction: float
    nonfinite_count: float
    effective_rank: float
    similarity: float
    gradient_variance: float
    weight_gradient_variance: float
    rules: tuple[str, ...] = ()
    verdict: str = "healthy"


@dataclass(frozen=True)
class Change:
    """What `initialize` did with one variable.

    Args:
        path: Path of the variable in the model.
        scheme: The scheme that it was drawn from; empty if it was left alone.
        reason: Why it was left alone, or the factor on its first draw; may be empty.
    """

    path: str
    scheme: str
    reason: str = ""


@dataclass(frozen=True, repr=False)
class SignalReport(Verdict):
    """The signal of a model, and its problems.

    Args:
        layers: One row for each call of a layer, in call order.
        problems: Problems of the signal, by the rules of the callback.
        findings: Problems of the weights, by the rules of the linter.
        notes: What was measured, and what could not be measured.
        loss: The loss on the batch; NaN where there are no labels.
        changes: What `initialize` did; empty for `diagnose`.

    Example:
        >>> report = SignalReport((), (), (), ("no layer was measured",))
        >>> print(report.healthy, report.complaints())
        None ['no layer was measured']
    """

    layers: tuple[LayerSignal, ...]
    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    loss: float = float("nan")
    changes: tuple[Change, ...] = ()

    @property
    def healthy(self) -> bool | None:
        """Whether signal and weights show no problem; `None` if no layer was measured."""
        if self.problems or self.findings:
            return False
        return True if self.layers else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON. A number that is not finite is `None`."""
        return {"healthy": self.healthy, **plain(asdict(self))}

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row for each call of a layer, by its name.

        Raises:
            ImportError: If pandas is not installed.
        """
        rows = [asdict(layer) for layer in self.layers]
        return frame_of(rows, list(LayerSignal.__dataclass_fields__)).set_index("name")

    def plot(self) -> Any:
        """A matplotlib figure: variance by depth, forward and backward.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        curves = {
            "variance of output": [
                self._curve("variance", "measured", FORWARD),
                self._curve("predicted_variance", "theory", "gray", "--"),
            ],
            "variance of gradient": [
                self._curve("gradient_variance", "outputs", BACKWARD),
                self._curve("weight_gradient_variance", "weights", BACKWARD, "s:", alpha=0.6),
            ],
        }
        return profile_figure([layer.name for layer in self.layers], curves)

    def _curve(self, name: str, title: str, color: str, style: str = "o-", **options: Any) -> Curve:
        values = [getattr(layer, name) for layer in self.layers]
        return Curve(title, values, color, style, options)

    # --- as people read it ---------------------------------------------------------------------

    def __rich__(self) -> Group:
        lines: list[Any] = [Fitting(self._table, self._optional())] if self.layers else []
        lines += [words(line, "red") for line in self._problems()]
        lines += [words(line, "cyan") for line in self._changes()]
        lines += [words(f"note: {note}", "dim") for note in self.notes]
        if self.healthy:
            lines.append(Text("The signal is healthy.", "green"))
        return Group(*lines)

    def complaints(self) -> list[str]:
        """Every problem in words, those of one cause together; if nothing was seen, the reason."""
        return list(self.notes) if self.healthy is None else self._problems()

    def _problems(self) -> list[str]:
        return in_words(self.problems) + by_rule_and_fix(self.findings)

    def _changes(self) -> list[str]:
        drawn: dict[str, list[str]] = {}
        left: dict[str, list[str]] = {}
        for change in self.changes:
            kind, _, _ = change.scheme.partition("(")
            paths = drawn.setdefault(kind, []) if kind else left.setdefault(change.reason, [])
            paths.append(change.path)
        count = sum(len(paths) for paths in drawn.values())
        lines = [f"drawn anew: {count} variables"] if self.changes else []
        lines += [f"from {name}: {_few(paths)}" for name, paths in drawn.items()]
        return lines + [f"left alone, {reason}: {_few(paths)}" for reason, paths in left.items()]

    def _statistics(self) -> dict[str, str]:
        """The statistics that are known, by the headers of their columns."""
        columns = (*_NUMBERS, *_SHARES, *_GRADIENTS)
        return {header: name for header, name in columns if self._is_known(name)}

    def _optional(self) -> list[str]:
        known = self._statistics()
        return [name for name in _OPTIONAL if name in ("kind", "kernel", "fan in", *known)]

    def _table(self, without: Collection[str] = ()) -> Table:
        table = Table(title="Signal per layer", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("layer", overflow="fold")
        columns: dict[str, list[Text | str]] = {
            "kind": [words(kind_in_words(layer.kind, layer.activation)) for layer in self.layers],
            "kernel": [" x ".join(map(str, layer.kernel_shape or ())) for layer in self.layers],
            "fan in": [
                "" if layer.fan_in is None else f"{layer.fan_in:g}" for layer in self.layers
            ],
        }
        for header, statistic in self._statistics().items():
            columns[header] = [_cell(layer, statistic) for layer in self.layers]
        shown = {header: cells for header, cells in columns.items() if header not in without}
        for header in shown:
            if header == "kind":
                table.add_column(header)
            else:
                table.add_column(header, justify="right", no_wrap=True)
        table.add_column("verdict")
        for row, layer in enumerate(self.layers):
            verdict = Text(", ".join(layer.rules) or "healthy", "red" if layer.rules else "green")
            table.add_row(words(layer.name), *(cells[row] for cells in shown.values()), verdict)
        return table

    def _is_known(self, statistic: str) -> bool:
        return any(not math.isnan(getattr(layer, statistic)) for layer in self.layers)


def _cell(layer: LayerSignal, statistic: str) -> str:
    in_words = share_in_words if statistic.endswith("fraction") else number_in_words
    return in_words(getattr(layer, statistic))


def _few(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"
