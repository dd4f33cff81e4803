"""The snapshots in memory as the page that the tab shows of a log."""

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_initlab._wire import SECTIONS, Problem
from keras_initlab.board.saved import SavedRun, page_of
from keras_initlab.board.series import Histograms, Series
from keras_initlab.signal.histograms import BIN_EDGES
from keras_initlab.signal.looks import Look, Section

__all__ = ["InlinePage", "page_of_looks"]


@dataclass(frozen=True)
class InlinePage:
    """A page that a notebook shows inside its cell.

    Args:
        page: The page as HTML.
        height: Of the frame, in pixels.
    """

    page: str
    height: int

    def _repr_html_(self) -> str:
        # The frame may run its own script and nothing else, whatever the names of layers say.
        return (
            f'<iframe sandbox="allow-scripts allow-downloads" srcdoc="{html.escape(self.page)}" '
            f'style="width: 100%; height: {self.height}px; border: none"></iframe>'
        )


def page_of_looks(looks: Sequence[Look], problems: Sequence[Problem], name: str) -> str:
    """The page on one training.

    Args:
        looks: The snapshots, oldest first.
        problems: All problems, oldest first.
        name: Of the run.
    """
    sections: dict[str, Series] = {}
    edges: dict[str, list[list[int]] | None] = {}
    histograms: dict[str, Histograms] = {}
    for section in SECTIONS:
        held = _alike(looks, section)
        if not held:
            continue
        _, last = held[-1]
        sections[section] = _series(held, section)
        edges[section] = [list(edge) for edge in last.edges] or None
        histograms |= _histograms(held, section)
    run = SavedRun(
        name=name,
        sections=sections,
        edges=edges,
        problems=sorted(problems, key=lambda problem: problem.step),
        histograms=histograms,
        scheme=_scheme(sections),
    )
    return page_of([run], f"Signal: {name}")


def _alike(looks: Sequence[Look], name: str) -> list[tuple[int, Section]]:
    """Steps and tables of a section, those with the newest rows."""
    held = [(look.step, look.sections[name]) for look in looks if name in look.sections]
    return [(step, section) for step, section in held if section.layers == held[-1][1].layers]


def _series(held: list[tuple[int, Section]], name: str) -> Series:
    steps, tables = zip(*held, strict=True)
    with np.errstate(over="ignore"):
        values = np.array([table.values for table in tables]).astype(np.float32)
    return Series(tables[-1].layers, SECTIONS[name], np.array(steps, np.int64), values)


def _histograms(held: list[tuple[int, Section]], name: str) -> dict[str, Histograms]:
    counted = [
        (step, section.histograms) for step, section in held if section.histograms is not None
    ]
    if not counted:
        return {}
    kind = {"activations": "activation", "weights": "gradient"}.get(name, name)
    edges = np.stack([BIN_EDGES[:-1], BIN_EDGES[1:]], axis=-1)
    steps = np.array([step for step, _ in counted], np.int64)
    found = {}
    for row, layer in enumerate(held[-1][1].layers):
        bins = [np.column_stack([edges, counts[row]]) for _, counts in counted]
        with np.errstate(over="ignore"):
            found[f"{kind}_histogram/{layer.name}"] = Histograms(steps, np.array(bins, np.float32))
    return found


def _scheme(sections: dict[str, Series]) -> str:
    layers = next((series.layers for series in sections.values()), ())
    carrying = [layer for layer in layers if layer.kind != "Embedding"] or layers
    schemes = Counter(layer.scheme for layer in carrying if layer.scheme)
    return schemes.most_common(1)[0][0] if schemes else ""
