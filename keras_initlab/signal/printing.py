"""Reports as text and as HTML, and the words that their cells share."""

import io
import math
from typing import Any

from rich.console import Console
from rich.text import Text

from keras_initlab._words import printable

__all__ = ["as_html", "as_text", "kind_in_words", "number_in_words", "share_in_words", "words"]

# Wide enough for the columns of a report, where nothing tells the width of a terminal.
_WIDTH = 150


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
