"""What every benchmark tells: rows that set one of our numbers beside a peer's."""

import argparse
import json
import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["Row", "parser_for", "show", "told"]

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
        ratio: A median over pairs (unitless), `None` without a peer.
        goal: What the ratio is to be, `">= 2.5"` say; empty if nothing was promised.
        backend: Backend of Keras, a dash where none matters.
    """

    case: str
    measure: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: float | None
    goal: str = ""
    backend: str = "-"

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if not self.goal or self.ratio is None:
            return ""
        order, bound = self.goal.split()
        return "met" if _ORDER[order](self.ratio, float(bound)) else "not met"


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
    for name in ("ours", "peer's", "ratio", "goal", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        numbers = [shown(value) for value in (row.ours, row.peer, row.ratio)]
        words = (row.case, row.backend, row.measure, row.peer_name)
        table.add_row(*words, *numbers, row.goal, row.verdict)
    console = Console()
    console.width = console.width if console.is_terminal else 160
    console.print(table)


def shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
