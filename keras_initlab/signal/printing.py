"""Reports as text and as HTML, and the words that their cells share."""

import io
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from keras_initlab._words import printable

__all__ = [
    "Fitting",
    "as_html",
    "as_text",
    "kind_in_words",
    "number_in_words",
    "share_in_words",
    "words",
]

# Wide enough for the columns of a report, where nothing tells the width of a terminal.
_WIDTH = 150


class Fitting:
    """A table that leaves out whole columns where it is wider than the terminal.

    Args:
        build: Makes the table without some columns.
        optional: Headers of the columns that may be left out, the first ones first.
    """

    def __init__(self, build: Callable[[Collection[str]], Table], optional: Sequence[str]):
        self.build = build
        self.optional = optional

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        width = options.max_width
        for count in range(len(self.optional) + 1):
            table = self.build(self.optional[:count])
            # Its width on a terminal without end.
            if Measurement.get(console, options.update(max_width=10_000), table).maximum <= width:
                break
        yield table
        if count:
            names = ", ".join(" ".join(name.split()) for name in self.optional[:count])
            yield Text(f"not shown in {width} columns: {names}", "dim")


def as_text(report: Any) -> str:
    """What `rich` would print, without colours."""
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None)
    console.print(report)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def as_html(report: Any) -> str:
    """What `rich` would print, for a notebook."""
    console = Console(record=True, file=io.StringIO(), width=_WIDTH)
    console.print(report)
    style = "white-space: pre; overflow-x: auto; line-height: normal; font-family: monospace"
    code_format = f'<pre style="{style}">{{code}}</pre>'
    return console.export_html(inline_styles=True, code_format=code_format)


def words(text: str, style: str = "") -> Text:
    """Text that is shown as it is: `rich` finds markup in plain strings, and passes ESC on."""
    return Text(printable(text), style)


def kind_in_words(kind: str, activation: str) -> str:
    """A layer's class and its activation, where it has one."""
    return kind if activation in ("", "linear") else f"{kind} {activation}"


def number_in_words(value: float | None) -> str:
    """A number of any size; a dash for none."""
    return "-" if value is None or math.isnan(value) else f"{value:.1e}"


def share_in_words(value: float | None) -> str:
    """A part of the whole; a dash for none."""
    return "-" if value is None or math.isnan(value) else f"{value:.0%}"
