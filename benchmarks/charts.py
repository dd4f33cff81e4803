"""The charts of docs/performance.md, from the rows of a run."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import Row

__all__ = ["draw"]

FOLDER = Path(__file__).parents[1] / "docs" / "images"
OURS, THEIRS, GOAL = "#1b6ca8", "#b9bfc6", "#c0392b"


def draw(rows: Sequence[Row]) -> None:
    """Write `speed.svg` and `cost.svg`."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "keras_initlab", "font.size": 9})
    draws = [
        row for row in rows if row.measure == "seconds" and row.peer_name == "Keras" and row.ratio
    ]
    bars(draws, "Keras / ours: how many times faster", "speed.svg", [OURS] * len(draws))
    costs = [row for row in rows if row.measure == "CPU ms a step" and row.ratio]
    colors = [OURS if "ours" in row.case else THEIRS for row in costs]
    bars(costs, "CPU time of a step with the callback / without", "cost.svg", colors)


def bars(rows: Sequence[Row], title: str, name: str, colors: Sequence[str]) -> None:
    """One bar a row, a line where both are equal, and a mark where the goal is."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 0.8 + 0.22 * len(rows)), layout="constrained")
    places = range(len(rows))
    axes.barh(places, [row.ratio.value for row in rows], color=colors)
    for place, row in zip(places, rows, strict=True):
        axes.text(row.ratio.value, place, f" {row.ratio.value:.3g}", va="center")
        if row.ratio.low is not None:
            axes.plot([row.ratio.low, row.ratio.high], [place] * 2, color="black", linewidth=1)
        if row.goal:
            goal = float(row.goal.split()[1])
            axes.plot([goal, goal], [place - 0.45, place + 0.45], color=GOAL)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(places, [f"{row.case} ({row.backend})" for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}; red: the goal" if any(row.goal for row in rows) else title)
    figure.savefig(FOLDER / name, metadata={"Date": None})
    plt.close(figure)
