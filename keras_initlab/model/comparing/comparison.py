"""The result of a comparison: as data, as a table and as a figure."""

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keras_initlab.model.comparing.record import Run
from keras_initlab.signal.extras import frame_of, plain
from keras_initlab.signal.printing import Fitting, share_in_words, words
from keras_initlab.signal.report import Report

__all__ = ["Comparison", "SchemeSummary"]


@dataclass(frozen=True)
class SchemeSummary:
    """The runs of one scheme, summarized.

    Args:
        scheme: Label of the scheme.
        runs: Number of runs.
        diverged: Runs whose loss is not finite at the end.
        failed: Runs that ended with an exception.
        mean: Mean of the final values of all finished runs, by metric.
        std: Their standard deviation over the seeds (unbiased), NaN for a single run.
        steps_to_target: Median over the runs that reached the target, `None` if none did.
        reached: Runs that reached the target.
        healthy: Share of runs that finished and showed no problem in any snapshot.
        looked: Runs that reached a first snapshot.
        first_problems: Problems in the first snapshots, in words, one for each rule.
    """

    scheme: str
    runs: int
    diverged: int
    failed: int
    mean: dict[str, float]
    std: dict[str, float]
    steps_to_target: float | None
    reached: int
    healthy: float
    looked: int
    first_problems: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Comparison(Report):
    """One model, trained under several schemes and seeds.

    Args:
        runs: The runs, by scheme and then by seed.
        target: Value of the monitored metric to reach, `None` for none.
        directory: Where TensorBoard finds the logs.

    Example:
        >>> run = Run("HeNormal", 0, "", "finished", history={"loss": (2.0, 1.0)}, steps=(8, 16))
        >>> Comparison((run,), None, "").summary()[0].mean
        {'loss': 1.0}
    """

    runs: tuple[Run, ...]
    target: float | None
    directory: str

    @property
    def monitor(self) -> str:
        """The metric that was compared with the target."""
        return next((run.monitor for run in self.runs if run.monitor), "loss")

    @property
    def schemes(self) -> dict[str, tuple[Run, ...]]:
        """The runs of each scheme."""
        labels = dict.fromkeys(run.scheme for run in self.runs)
        return {name: tuple(run for run in self.runs if run.scheme == name) for name in labels}

    def summary(self) -> list[SchemeSummary]:
        """One row for each scheme, in the order in which they were given."""
        return [_summary_of(name, runs) for name, runs in self.schemes.items()]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON. A number that is not finite is `None`."""
        return {
            "monitor": self.monitor,
            "target": self.target,
            "directory": self.directory,
            "summary": [plain(asdict(row)) for row in self.summary()],
            "runs": [run.to_dict() for run in self.runs],
        }

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row for each run: its final metrics and how it ended.

        Raises:
            ImportError: If pandas is not installed.
        """
        shown = ("scheme", "seed", "status", "steps_to_target", "duration_s", "healthy")
        rows = [
            {**{name: getattr(run, name) for name in shown}, **run.metrics} for run in self.runs
        ]
        return frame_of(rows)

    def plot(self) -> Any:
        """A matplotlib figure: the monitored metric by epoch, and the signal in the first snapshot.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        from keras_initlab.model.comparing.curves import comparison_figure

        return comparison_figure(self.schemes, self.monitor, self.target)

    # --- as people read it ---------------------------------------------------------------------

    def __rich__(self) -> Group:
        rows = self.summary()
        lines = [
            f"{row.scheme}, first snapshot, {text}" for row in rows for text in row.first_problems
        ]
        lines += [
            f"{run.scheme}, seed {run.seed} failed, {run.error.strip().splitlines()[0]}"
            for run in self.runs
            if run.status == "failed"
        ]
        return Group(self._fitting(rows), *(words(line, "red") for line in lines))

    def _fitting(self, rows: list[SchemeSummary]) -> Fitting:
        """The table; a narrow terminal shows fewer metrics, the watched one always."""
        names = self._metrics(rows)
        return Fitting(
            lambda without: self._table(rows, [name for name in names if name not in without]),
            names[:0:-1],
        )

    def _metrics(self, rows: list[SchemeSummary]) -> list[str]:
        names = list(dict.fromkeys(name for row in rows for name in row.mean))
        return sorted(names, key=lambda name: name != self.monitor)

    def _table(self, rows: list[SchemeSummary], names: list[str]) -> Table:
        table = Table(title="Schemes, mean ± standard deviation", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("scheme", overflow="fold")
        steps = [] if self.target is None else ["steps to\ntarget"]
        headers: list[str | Text] = ["runs", *map(words, names), *steps]
        for header in headers:
            table.add_column(header, justify="right", no_wrap=True)
        table.add_column("healthy", justify="right")
        table.add_column("first snapshot")
        for row in rows:
            reached = [] if self.target is None else [_reached(row)]
            table.add_row(
                words(row.scheme),
                _run_count(row),
                *(_spread(row, name) for name in names),
                *reached,
                share_in_words(row.healthy),
                _first_look(row),
            )
        return table


def _summary_of(name: str, runs: tuple[Run, ...]) -> SchemeSummary:
    finished = [run for run in runs if run.status == "finished"]
    metrics = {metric for run in finished for metric in run.metrics}
    values = {
        metric: [run.metrics[metric] for run in finished if metric in run.metrics]
        for metric in sorted(metrics)
    }
    steps = [run.steps_to_target for run in runs if run.steps_to_target is not None]
    by_rule = {
        text.partition(":")[0]: text for run in reversed(runs) for text in run.first_problems
    }
    return SchemeSummary(
        scheme=name,
        runs=len(runs),
        diverged=sum(run.status == "diverged" for run in runs),
        failed=sum(run.status == "failed" for run in runs),
        mean={metric: statistics.fmean(finals) for metric, finals in values.items()},
        std={metric: _std(finals) for metric, finals in values.items()},
        steps_to_target=statistics.median(steps) if steps else None,
        reached=len(steps),
        healthy=sum(run.healthy for run in runs) / len(runs),
        looked=sum(bool(run.first_variance) for run in runs),
        first_problems=tuple(by_rule.values()),
    )


def _first_look(row: SchemeSummary) -> Text:
    if row.first_problems:
        return words(", ".join(text.partition(":")[0] for text in row.first_problems), "red")
    return Text("no problem", "green") if row.looked else Text("-")


def _std(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else float("nan")


def _run_count(row: SchemeSummary) -> str:
    words = [f"{row.runs}"]
    words += [f"{row.diverged} diverged"] if row.diverged else []
    words += [f"{row.failed} failed"] if row.failed else []
    return ", ".join(words)


def _spread(row: SchemeSummary, name: str) -> str:
    if name not in row.mean:
        return "-"
    std = row.std[name]
    return f"{row.mean[name]:.4g}" + ("" if std != std else f" ± {std:.2g}")


def _reached(row: SchemeSummary) -> str:
    if row.steps_to_target is None:
        return "not reached"
    share = "" if row.reached == row.runs else f" ({row.reached} of {row.runs})"
    return f"{row.steps_to_target:g}{share}"
