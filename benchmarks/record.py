"""What every benchmark tells: rows that set one of our numbers beside a peer's."""

import argparse
import json
import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.intervals import Ratio

__all__ = ["UNCLEAR", "Row", "parser_for", "show", "told", "verdict_of"]

# Verdicts that more pairs may change.
UNCLEAR = ("too few pairs", "not told from noise")

_ORDER = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        case: What was done.
        measure: What was counted, with its unit.
        ours: Our number, a median.
        peer: The peer's number, a median; `None` if it could not do it.
        peer_name: Who the peer is.
        ratio: A median over pairs (unitless) with its interval, `None` without a peer. A number
            that does not vary from run to run is given alone.
        goal: What the ratio is to be, `">= 2.5"` say; empty if nothing was promised.
        backend: Backend of Keras, a dash where none matters.
    """

    case: str
    measure: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: Ratio | None
    goal: str = ""
    backend: str = "-"

    def __post_init__(self) -> None:
        if isinstance(self.ratio, int | float):
            object.__setattr__(self, "ratio", Ratio(*[float(self.ratio)] * 3))
        elif self.ratio is not None:
            # From JSON it comes as a list.
            object.__setattr__(self, "ratio", Ratio(*self.ratio))

    @property
    def verdict(self) -> str:
        """Whether the goal is met, where the interval lies on one side of it."""
        return "" if self.ratio is None else verdict_of(self.ratio, self.goal)


def verdict_of(ratio: Ratio, goal: str) -> str:
    """Whether a ratio reaches a goal; empty without one."""
    if not goal:
        return ""
    if ratio.low is None or ratio.high is None:
        return UNCLEAR[0]
    order, bound = goal.split()
    reached = {_ORDER[order](end, float(bound)) for end in (ratio.low, ratio.high)}
    return UNCLEAR[1] if len(reached) > 1 else "met" if reached.pop() else "not met"


def parser_for(doc: str) -> argparse.ArgumentParser:
    """A parser with what every benchmark can be asked."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a run that only shows it works")
    parser.add_argument("--record", type=Path, metavar="PATH", help="write the rows there, as JSON")
    return parser


def told(title: str, rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Print the rows, and write them where asked; a smoke run has no goals to reach."""
    if options.smoke:
        rows = [replace(row, goal="") for row in rows]
    show(title, rows)
    if options.record:
        options.record.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def show(title: str, rows: Sequence[Row]) -> None:
    """Print the rows as a table, whole where the output is no terminal."""
    table = Table(title=title)
    for name in ("what", "backend", "measure", "peer"):
        table.add_column(name, overflow="fold")
    for name in ("ours", "peer's", "ratio", "95 %", "goal", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        ratio = row.ratio or Ratio(None)
        numbers = [shown(value) for value in (row.ours, row.peer, ratio.value)]
        varies = ratio.low is not None and ratio.low != ratio.high
        numbers.append(f"{ratio.low:.4g} to {ratio.high:.4g}" if varies else "")
        words = (row.case, row.backend, row.measure, row.peer_name)
        table.add_row(*words, *numbers, row.goal, row.verdict)
    console = Console()
    console.width = console.width if console.is_terminal else 160
    console.print(table)


def shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
