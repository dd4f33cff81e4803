"""Made-up models as saved pages, and what a browser has drawn of them."""

import numpy as np

from keras_initlab._wire import SECTIONS, LayerInfo
from keras_initlab.board.saved import SavedRun
from keras_initlab.board.series import Series

VARIANCE = SECTIONS["activations"].index("variance")


class Model:
    """Rows and edges of a made-up model."""

    def __init__(self):
        self.layers, self.edges = [], []

    def add(self, name, kind, *before, activation=""):
        row = len(self.layers)
        self.layers.append(LayerInfo(name, kind, activation, row, units=8))
        self.edges += [[begin, row] for begin in before]
        return row

    def chain(self, prefix, count, *before):
        """Dense layers behind one another; gives the last one's row."""
        for number in range(count):
            before = (self.add(f"{prefix}_{number}", "Dense", *before, activation="relu"),)
        return before[0]

    def run(self, name, variances, *, known=True, problems=()):
        values = np.random.default_rng(0).random((len(variances), len(self.layers), 14))
        values[:, :, VARIANCE] = variances
        series = Series(
            tuple(self.layers),
            SECTIONS["activations"],
            10 * np.arange(len(values)),
            values.astype("f4"),
        )
        edges = {"activations": self.edges if known else None}
        return SavedRun(name, {"activations": series}, edges, problems)


def towers():
    """Two towers with tables, called in turn, that meet in a product."""
    model = Model()
    users, items = model.add("users", "Embedding"), model.add("items", "Embedding")
    user, item = users, items
    for number in range(3):
        user = model.add(f"user_{number}", "Dense", user, activation="relu")
        item = model.add(f"item_{number}", "Dense", item, activation="relu")
    model.add("score", "Dot", user, item)
    return model


def transformer(blocks):
    model = Model()
    x = model.add("tokens", "Embedding")
    for number in range(blocks):
        name = f"block_{number}"
        norm = model.add(f"{name}_norm", "LayerNormalization", x)
        up = model.add(f"{name}_up", "Dense", norm, activation="gelu")
        down = model.add(f"{name}_down", "Dense", up)
        x = model.add(f"{name}_add", "Add", x, down)
    model.add("head", "Dense", x)
    return model


def columns(tab):
    """Names along the axis with the middle of their columns."""
    heads = [tip.split(" (")[0] for tip in tab.tips()]
    boxes = tab.run(
        "return [...document.querySelectorAll('.column')].map((e) => "
        "Number(e.getAttribute('x')) + Number(e.getAttribute('width')) / 2)"
    )
    return dict(zip(heads, boxes, strict=True))


def ends(tab, kind):
    """Points of a path as lists of places; one list for each piece."""
    text = tab.run("return document.querySelector(arguments[0]).getAttribute('d')", kind)
    pieces = [piece.split("L") for piece in text.split("M") if piece]
    return [[tuple(map(float, point.split())) for point in piece] for piece in pieces]


def variances_of(logger, step):
    (look,) = [look for look in logger.looks if look.step == step]
    section = look.sections["activations"]
    return {
        layer.name: float(row[VARIANCE])
        for layer, row in zip(section.layers, section.values, strict=True)
    }


def shown_variances(tab, run):
    """What the tips of the depth profile say of a run, by layer."""
    return {name: numbers[0] for name, numbers in _shown(tab, run) if len(numbers) == 1}


def shown_blocks(tab, run):
    """Least, median and greatest variance of each folded block, by its name."""
    return {name: numbers for name, numbers in _shown(tab, run) if len(numbers) == 3}


def _shown(tab, run):
    for tip in tab.tips():
        head, *lines = tip.split("\n")
        (line,) = [line for line in lines if line.startswith(f"{run}: ")]
        numbers = line.removeprefix(f"{run}: ").split(",")[0].replace("\u2212", "-")
        yield head.split(" (")[0], [float(number) for number in numbers.split(" \u00b7 ")]
