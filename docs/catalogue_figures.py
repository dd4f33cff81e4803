"""Draws a scheme's values beside their law, and its depth profile."""

import math
from pathlib import Path

import matplotlib
import numpy as np
from catalogue_examples import Example, values_of
from matplotlib.figure import Figure

matplotlib.rcParams.update(
    {
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 8,
        "font.size": 7,
        "svg.fonttype": "none",
        "svg.hashsalt": "keras_initlab",
    }
)

FIGURES = Path(__file__).parent / "images" / "catalogue"
BINS, WHOLE, CORNER, GRAM = 40, 8192, 64, 8
BLUE = "#0072b2"
LINES = {
    "relu": {"color": BLUE, "linestyle": "-"},
    "tanh": {"color": "#d55e00", "linestyle": "--"},
    "gelu": {"color": "#009e73", "linestyle": ":"},
    "sin": {"color": "#cc79a7", "linestyle": "-."},
}


def density(draw, center, spread, x):
    """The density that the values are drawn from."""
    if draw == "uniform":
        return np.where(abs(x - center) <= spread, 0.5 / spread, 0.0)
    bell = np.exp(-(((x - center) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    if draw == "normal":
        return bell
    return np.where(abs(x - center) <= 2 * spread, bell / math.erf(math.sqrt(2)), 0.0)


def histogram(axes, values, law):
    """Shares of the values as steps, the density as a line."""
    draw, center, spread = law
    heights, edges = np.histogram(values, BINS, density=True)
    axes.stairs(heights, edges, fill=True, color="#c6dbef")
    reach = spread * {"uniform": 1.2, "normal": 4}.get(draw, 2.4)
    x = np.linspace(center - reach, center + reach, 241)
    axes.plot(x, density(draw, center, spread, x), color="black", linewidth=1)
    axes.set(title=f"values ({draw.replace('_', ' ')})", yticks=[])


def matrix_of(values):
    """The weight as a matrix, cut between the axes that make it most square."""
    cuts = [math.prod(values.shape[:axis]) for axis in range(1, values.ndim)]
    return values.reshape(min(cuts, key=lambda rows: abs(math.log(rows * rows / values.size))), -1)


def heat(axes, matrix, title):
    """Colors from blue through white to red; of a large matrix the first rows and columns."""
    shown = matrix if matrix.size <= WHOLE else matrix[:CORNER, :CORNER]
    limit = abs(shown).max() or 1.0
    axes.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none")
    axes.set(title=title + (" (corner)" if shown.size < matrix.size else ""), xticks=[], yticks=[])
    axes.set_xlabel(f"colors: -{limit:.2g} to {limit:.2g}")


def bars(axes, values):
    """Each value by itself."""
    axes.bar(range(values.size), values.reshape(-1), color=BLUE)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(title="values", xticks=[0, values.size - 1] if values.size > 1 else [0])


def depth(axes, profiles):
    """The mean square by layer; what leaves the frame has vanished or exploded."""
    for activation, squares in profiles.items():
        layers = range(1, len(squares) + 1)
        axes.plot(layers, squares, label=activation, **LINES[activation])
    axes.set(yscale="log", ylim=(1e-6, 1e6), title="mean square by layer", xticks=[1, 10, 20, 30])
    axes.legend(frameon=False, ncols=2, loc="best", handlelength=2)


def panels_of(example: Example, profiles):
    """One function of axes for each panel."""
    values, law = values_of(example), example.law
    if law and law[2] > 0:
        panels = [lambda axes: histogram(axes, values, law)]
    elif values.ndim < 2:
        panels = [lambda axes: bars(axes, values)]
    else:
        matrix = matrix_of(values)
        panels = [lambda axes: heat(axes, matrix, "matrix")]
        if min(matrix.shape) >= GRAM:
            panels.append(lambda axes: heat(axes, matrix.T @ matrix, "products of its columns"))
    return [*panels, lambda axes: depth(axes, profiles)] if profiles else panels


def draw(example: Example, profiles) -> None:
    """Write the figure of one scheme as SVG, the same bytes each time."""
    panels = panels_of(example, profiles)
    figure = Figure(figsize=(2.3 * len(panels), 1.9), layout="constrained")
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, place in zip(panels, places, strict=True):
        panel(place)
    FIGURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(
        FIGURES / f"{example.cls.__name__}.svg", metadata={"Date": None, "Creator": None}
    )
