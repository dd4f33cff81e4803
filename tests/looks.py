"""Looks made by hand, and what the rules say of them."""

import numpy as np

from keras_initlab._wire import SECTIONS, LayerInfo
from keras_initlab.monitor import Look
from keras_initlab.signal.evidence import Evidence
from keras_initlab.signal.looks import Section
from keras_initlab.signal.rules import problems_of

HEALTHY = {
    "count": 1000.0,
    "variance": 1.0,
    "effective_rank": 4.0,
    "rms": 1.0,
    "weight_rms": 0.3,
    "weight_variance": 0.1,
    "gradient_variance": 1.0,
    "gradient_norm": 1.0,
    "update_ratio": 1e-3,
}


def layer(name, depth, **options):
    options = {"activation": "tanh", "units": 8, **options}
    return LayerInfo(name=name, kind="Dense", depth=depth, **options)


def rows_of(names="abcd", **options):
    return tuple(layer(name, depth, **options) for depth, name in enumerate(names))


def look_of(rows=None, step=7, **columns):
    """A healthy look, but for the statistics given: one number, or one for each row."""
    rows = rows_of() if rows is None else rows
    sections = {}
    for section in ("activations", "weights", "theory"):
        names = SECTIONS[section]
        given = [columns.get(name, HEALTHY.get(name, 0.0)) for name in names]
        values = np.stack(
            [np.broadcast_to(np.float64(value), len(rows)) for value in given], axis=1
        )
        if section != "theory" or "predicted_variance" in columns:
            sections[section] = Section(rows, values)
    return Look(step, 0.0, sections)


def judged(look, first=None, previous=None):
    return problems_of(Evidence(look, first or look, previous, {}))


def signs(problems):
    """Rule, measured thing and layers of each problem."""
    return [(found.rule, found.what, "".join(found.layers)) for found in problems]
