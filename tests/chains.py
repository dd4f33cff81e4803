"""Chains of layers to initialize, and what is asked of them."""

import keras
import numpy as np
from keras import layers as kl
from keras import ops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 16)).astype("float32")

# What the issue of LSUV is held to: one percent on the batch.
PERCENT = 0.01


def values_of(model):
    return [np.array(ops.convert_to_numpy(each)) for each in model.variables]


def chain(activation, depth=3, units=256, last=None, **options):
    hidden = [kl.Dense(units, activation, name=f"h{k}", **options) for k in range(depth)]
    return keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(1, last, name="out")])


def schemes_of(report):
    return {_end_of(change.path): change.scheme for change in report.changes}


def reasons_of(report):
    return {_end_of(each.path): each.reason for each in report.changes if not each.scheme}


def _end_of(path):
    """Layer and variable, without the model."""
    return "/".join(path.split("/")[-2:])


def check_variance(values, expected):
    """Assert a variance to five standard errors of normal numbers."""
    values = np.asarray(values, np.float64)
    assert abs(np.square(values).mean() / expected - 1) < 5 * np.sqrt(2 / values.size)


def rows_of(report):
    return {layer.name: layer for layer in report.layers}


def deep(units=32, depth=4, **options):
    hidden = [kl.Dense(units, name=f"h{k}", **options) for k in range(depth)]
    return keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(1, name="out")])
