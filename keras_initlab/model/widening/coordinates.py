"""The coordinate check: whether activations stay of one size while a model grows wider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keras_initlab.monitor import ActivationVarianceLogger
from keras_initlab.signal.extras import blank_figure, frame_of, plain
from keras_initlab.signal.printing import words
from keras_initlab.signal.report import Report

__all__ = ["CoordinateCheck", "coordinate_check"]

# A smaller power of the width counts as no growth; without transfer it is a half or more.
_FLAT = 0.25


@dataclass(frozen=True, repr=False)
class CoordinateCheck(Report):
    """Sizes of activations by width and step.

    Args:
        widths: The widths, rising.
        layers: Names of the watched layers, in call order.
        outputs: For each layer, whether it makes an output of the model.
        rms: Root mean square of each layer's activations,
            `(widths, seeds, steps + 1, layers)`; step 0 is the untrained model.

    Example:
        >>> rms = np.ones((2, 1, 3, 1)) * np.array([1.0, 4.0])[:, None, None, None]
        >>> CoordinateCheck((64, 256), ("hidden",), (False,), rms).slopes[-1]
        array([1.])
    """

    widths: tuple[int, ...]
    layers: tuple[str, ...]
    outputs: tuple[bool, ...]
    rms: np.ndarray

    @property
    def slopes(self) -> np.ndarray:
        """Power of the width with which each layer grows: `(steps + 1, layers)`.

        The least-squares slope of the logarithm of the median over seeds.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes = np.log2(np.median(self.rms, axis=1))
        x = np.log2(np.array(self.widths, float))
        x = x - x.mean()
        return np.asarray(np.tensordot(x, sizes, axes=(0, 0)) / np.sum(x**2))

    @property
    def drifting(self) -> dict[str, float]:
        """Slope of each layer that grows or shrinks with the width after the last step.

        An output may shrink: it starts small in a wide model, and grows during the steps.
        """
        found = {}
        for name, output, slope in zip(self.layers, self.outputs, self.slopes[-1], strict=True):
            if not abs(slope) <= _FLAT and not (output and slope < 0):
                found[name] = float(slope)
        return found

    @property
    def flat(self) -> bool:
        """Whether the sizes show that one learning rate suits all widths."""
        return not self.drifting

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON. A number that is not finite is `None`."""
        return plain(
            {
                "widths": list(self.widths),
                "layers": list(self.layers),
                "outputs": list(self.outputs),
                "rms": self.rms.tolist(),
                "slopes": self.slopes.tolist(),
                "flat": self.flat,
            }
        )

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row for each width, seed, step and layer.

        Raises:
            ImportError: If pandas is not installed.
        """
        return frame_of(
            [
                {
                    "width": self.widths[place[0]],
                    "seed": place[1],
                    "step": place[2],
                    "layer": self.layers[place[3]],
                    "rms": float(value),
                }
                for place, value in np.ndenumerate(self.rms)
            ]
        )

    def plot(self) -> Any:
        """A matplotlib figure: a panel for each step, size against width, a line for each layer.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        steps = self.rms.shape[2]
        figure = blank_figure(2.6 * steps + 1.4, 3.4)
        panels = figure.subplots(1, steps, sharex=True, sharey=True, squeeze=False)[0]
        middle = np.median(self.rms, axis=1)
        for step, panel in enumerate(panels):
            for place, name in enumerate(self.layers):
                shade = place / max(1, len(self.layers) - 1)
                colour = (0.9 * shade, 0.35, 0.9 * (1 - shade))
                panel.plot(self.widths, middle[:, step, place], "o-", color=colour, label=name)
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
            panel.set_title(f"after {step} steps" if step else "untrained")
            panel.set_xlabel("width")
        panels[0].set_ylabel("rms of activations")
        if len(self.layers) <= 12:
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
        return figure

    # --- as people read it ---------------------------------------------------------------------

    def __rich__(self) -> Group:
        last = self.rms.shape[2] - 1
        table = Table(title=f"Size of activations after {last} steps", box=SIMPLE_HEAD)
        table.add_column("layer", overflow="fold")
        for width in self.widths:
            table.add_column(f"width {width}", justify="right")
        table.add_column("grows as", justify="right")
        middle, drifting = np.median(self.rms, axis=1), self.drifting
        for place, name in enumerate(self.layers):
            sizes = [f"{value:.3g}" for value in middle[:, -1, place]]
            slope = f"width^{self.slopes[-1, place]:+.2f}"
            table.add_row(words(name), *sizes, Text(slope, "red" if name in drifting else "green"))
        return Group(table, words(self._verdict(), "green" if self.flat else "red"))

    def _verdict(self) -> str:
        if self.flat:
            return "All layers keep their size: a learning rate carries over."
        worst = max(self.drifting, key=lambda name: abs(self.drifting[name]))
        return (
            f"{worst} changes as width^{self.drifting[worst]:+.2f}: a learning rate does not carry "
            "over. Use initialize(model, width_base=...) and scale_learning_rates(model, base)."
        )


def coordinate_check(
    build_model: Callable[[int], keras.Model],
    widths: Sequence[int],
    data: tuple[Any, Any],
    *,
    steps: int = 4,
    seeds: int = 3,
) -> CoordinateCheck:
    """Train models of several widths for a few steps, and compare the sizes of their activations.

    If they agree, a learning rate that was tuned at one width suits the others. If the activations
    of a layer grow or shrink as a power of the width, it does not.

    Args:
        build_model: Returns a built and compiled model of a width, with the same layers every time.
        widths: At least two widths.
        data: One batch `(x, y)` as `fit` takes it; every step trains on it.
        steps: Training steps, at least 1.
        seeds: How many models of each width; the result is their median.

    Returns:
        The sizes, the powers of the width that they follow, and a verdict.

    Raises:
        ValueError: If there are fewer than two widths, or the models' layers do not correspond.

    Source:
        Yang et al. 2022, appendix D.1, https://arxiv.org/abs/2203.03466.

    Example:
        >>> def build(width):
        ...     layers = [keras.layers.Dense(width, "relu"), keras.layers.Dense(1)]
        ...     model = keras.Sequential([keras.Input((4,)), *layers])
        ...     model.compile("adam", "mse")
        ...     return model
        >>> batch = np.ones((8, 4)), np.ones((8, 1))
        >>> coordinate_check(build, [16, 32], batch, steps=1, seeds=1).rms.shape
        (2, 1, 2, 2)
    """
    widths = tuple(sorted({int(width) for width in widths}))
    if len(widths) < 2 or steps < 1 or seeds < 1:
        raise ValueError(
            "`widths` must hold at least two widths, `steps` and `seeds` must be positive. "
            f"Received: widths={list(widths)}, steps={steps}, seeds={seeds}."
        )
    found = []
    layers: list[Any] = []
    for width in widths:
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            rows, sizes = _activation_sizes(build_model(width), data, steps)
            layers = layers or rows
            if len(rows) != len(layers):
                raise ValueError(
                    "`build_model` must make the same layers at each width. Received: "
                    f"{len(layers)} watched calls at width {widths[0]}, {len(rows)} at {width}."
                )
            found.append(sizes)
    rms = np.array(found).reshape(len(widths), seeds, steps + 1, len(layers))
    names = tuple(row.name for row in layers)
    return CoordinateCheck(widths, names, tuple(row.is_output for row in layers), rms)


def _activation_sizes(
    model: Any, data: tuple[Any, Any], steps: int
) -> tuple[list[Any], list[list[float]]]:
    """The watched rows, and their sizes before each step and after the last."""
    x, y = data
    logger = ActivationVarianceLogger(
        update_freq=1, watch=("activations",), max_elements=None, on_problem=None, verbose=0
    )
    count = len(keras.tree.flatten(x)[0])
    # One step more, because a look is taken before its step.
    model.fit(
        x, y, batch_size=count, epochs=steps + 1, shuffle=False, verbose=0, callbacks=[logger]
    )
    sizes = [list(look.by_layer("rms").values()) for look in logger.looks]
    return list(logger.looks[0].sections["activations"].layers), sizes
