"""One page that holds the pictures of the tab and their data, and needs no server."""

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

import numpy as np

from keras_initlab._wire import LARGE_VARIANCE, THRESHOLDS, Problem
from keras_initlab.board.grouping import described_problems
from keras_initlab.board.series import Histograms, Series
from keras_initlab.board.thinning import thin

__all__ = ["SavedRun", "page_of", "static_files"]

# Numbers that a page holds: of all series together, and of all histograms; four bytes each, and a
# third more as text.
_MOST_NUMBERS, _MOST_COUNTS = 2_000_000, 500_000

# Looks that a page shows of one histogram.
_HISTOGRAM_LOOKS = 40

# Nothing is loaded from anywhere, whatever the logs hold.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline' data:",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)


@dataclass(frozen=True)
class SavedRun:
    """A run, as a page shows it.

    Args:
        name: Its name.
        sections: By name the looks of each section.
        edges: By name of a section which row enters which, `None` where that is not known.
        problems: What the callback found, oldest first.
        histograms: By tag.
        scheme: The scheme of most layers, empty where it is not known.
        metric: Name and value of the outcome, `None` where there is none.
        hparams: Hyperparameters by name.
    """

    name: str
    sections: Mapping[str, Series]
    edges: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    histograms: Mapping[str, Histograms] = field(default_factory=dict)
    scheme: str = ""
    metric: tuple[str, float] | None = None
    hparams: Mapping[str, Any] = field(default_factory=dict)


def page_of(runs: Sequence[SavedRun], title: str = "Signal") -> str:
    """The page as HTML.

    Args:
        runs: The runs, in the order in which they are listed.
        title: Of the page.

    Example:
        >>> page = page_of([])
        >>> page.startswith("<!doctype html>"), "http-equiv" in page
        (True, True)
    """
    files = static_files()
    modules = {name: text for name, text in files.items() if name.endswith(".js")}
    imports = {f"initlab/{name}": _module(text) for name, text in modules.items()}
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{files['signal.css']}</style>",
            f'<script type="application/json" id="initlab-data">{_inside(_content(runs))}</script>',
            f'<script type="importmap">{_inside({"imports": imports})}</script>',
            '</head><body><script type="module">',
            "import {render} from 'initlab/index.js'; render();",
            "</script></body></html>",
        )
    )


def static_files() -> dict[str, str]:
    """The modules and styles of the page, by name."""
    folder = resources.files("keras_initlab.board") / "static"
    paths = [path for path in folder.iterdir() if path.name.endswith((".js", ".css"))]
    return {
        path.name: path.read_text("utf-8") for path in sorted(paths, key=lambda path: path.name)
    }


def _module(text: str) -> str:
    """A module as an address; what it imports has the names of the page's import map."""
    named = text.replace("from './", "from 'initlab/")
    return f"data:text/javascript;base64,{base64.b64encode(named.encode()).decode()}"


def _inside(content: Any) -> str:
    """JSON that no parser of HTML takes for an end or a beginning of anything."""
    text = json.dumps(_finite(content), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(content: Any) -> Any:
    """The same with words for what JSON has no numbers for."""
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    if isinstance(content, dict):
        return {name: _finite(held) for name, held in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(held) for held in content]
    return content


def _content(runs: Sequence[SavedRun]) -> dict[str, Any]:
    sizes = [series.values.size for run in runs for series in run.sections.values()]
    share = min(1.0, _MOST_NUMBERS / max(1, sum(sizes)))
    counts = sum(len(run.histograms) for run in runs) * _HISTOGRAM_LOOKS * 192
    with_histograms = counts <= _MOST_COUNTS
    return {
        "thresholds": {**THRESHOLDS, "large": LARGE_VARIANCE},
        "runs": [_about(run, with_histograms) for run in runs],
        "problems": {run.name: described_problems(run.problems) for run in runs},
        "series": {
            run.name: {name: _packed(series, run, share) for name, series in run.sections.items()}
            for run in runs
        },
        "histograms": {
            run.name: {tag: _histogram(held) for tag, held in run.histograms.items()}
            for run in runs
            if with_histograms
        },
    }


def _about(run: SavedRun, with_histograms: bool) -> dict[str, Any]:
    name, value = run.metric or ("", 0.0)
    return {
        "name": run.name,
        "sections": {
            section: {
                "layers": [asdict(layer) for layer in series.layers],
                "edges": run.edges.get(section),
                "statistics": list(series.statistics),
                "last_step": int(series.steps[-1]) if len(series.steps) else 0,
            }
            for section, series in run.sections.items()
        },
        "histograms": sorted(run.histograms) if with_histograms else [],
        "scheme": run.scheme,
        "message": "",
        "hparams": {key: str(held) for key, held in run.hparams.items()},
        "metric": None if run.metric is None else {"name": name, "value": value},
    }


def _packed(series: Series, run: SavedRun, share: float) -> dict[str, Any]:
    """The looks of a section that have room; the first, the last and those with problems have."""
    looks = max(2, int(len(series.steps) * share))
    steps = np.array([problem.step for problem in run.problems[:30]], np.int64)
    kept = [int(place) for place in np.searchsorted(series.steps, steps)]
    places = thin(np.zeros((len(series.steps), 1)), looks, kept).last
    return {
        "steps": series.steps[places].tolist(),
        "looks": len(series.steps),
        "dropped": series.dropped,
        "values": _text(series.values[places]),
    }


def _histogram(held: Histograms) -> dict[str, Any]:
    places = thin(np.zeros((len(held.steps), 1)), _HISTOGRAM_LOOKS).last
    bins = held.bins[places]
    return {
        "steps": held.steps[places].tolist(),
        "shape": list(bins.shape),
        "bins": _text(bins),
    }


def _text(array: np.ndarray) -> str:
    """Numbers as float32 in base64, little endian."""
    with np.errstate(over="ignore"):
        return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()
