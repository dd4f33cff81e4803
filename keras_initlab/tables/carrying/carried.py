"""What was carried over, as data and as a table."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as Printed

__all__ = ["Carried", "CarriedTable"]


@dataclass(frozen=True)
class CarriedTable:
    """The rows of one table.

    Args:
        name: The layer's name, or the weight's path.
        kept: Rows whose token both vocabularies hold.
        new: Rows whose token is new.
        dropped: Old rows whose token is gone.
        tokens: Where the tokens come from.
        slots: Names of the optimizer's slots that moved with the rows.
    """

    name: str
    kept: int
    new: int
    dropped: int
    tokens: str
    slots: tuple[str, ...]


@dataclass(frozen=True)
class Carried:
    """What `carry_over` has moved.

    Printed, it is a table.

    Args:
        tables: The tables.
        copied: Paths of the other weights that were copied.
        left: Why weights of the new model were not copied, by path.
        slots: Names of the optimizer's slots that were copied for the other weights.
        iterations: Training steps of the old optimizer, `None` where no optimizer was carried.
    """

    tables: tuple[CarriedTable, ...]
    copied: tuple[str, ...]
    left: dict[str, str]
    slots: tuple[str, ...]
    iterations: int | None

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return dict(json.loads(json.dumps(asdict(self))))

    def __str__(self) -> str:
        console = Console(width=120, color_system=None)
        with console.capture() as captured:
            console.print(self)
        return captured.get().rstrip()

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        printed = Printed(title="Carried over")
        for heading in ("table", "kept", "new", "dropped", "tokens", "slots"):
            right = heading in ("kept", "new", "dropped")
            printed.add_column(heading, justify="right" if right else "left", overflow="fold")
        for table in self.tables:
            counts = (f"{count:,}" for count in (table.kept, table.new, table.dropped))
            printed.add_row(table.name, *counts, table.tokens, ", ".join(table.slots) or "-")
        yield printed
        yield f"{len(self.copied)} other weights copied."
        if self.iterations is None:
            yield "No optimizer was carried."
        else:
            names = ", ".join(self.slots) or "no slots"
            steps = f"{self.iterations:,}"
            yield f"Optimizer at step {steps}, with {names}; the new learning rate stays."
        for path, why in self.left.items():
            yield f"Not copied: {path}, {why}."
