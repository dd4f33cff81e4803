"""Training and examining a case, once for all tests of it."""

import dataclasses
import functools
import warnings
from typing import Any

import keras
import numpy as np
from field.register import entries
from monitoring import is_clean

from keras_initlab import ActivationVarianceLogger, diagnose, lint


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training left: numbers alone, so that the model can go."""

    history: dict[str, list[float]]
    weights: list[np.ndarray]
    optimizer: list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Watched:
    """What a training with the callback left.

    Args:
        trained: What the training left.
        looks: How many looks there were.
        report: What the callback has to say.
        warned: Warnings of ours.
        clean: Whether nothing of ours is left on the model.
    """

    trained: Trained
    looks: int
    report: Any
    warned: list[str]
    clean: bool


@dataclasses.dataclass(frozen=True)
class Examined:
    """What `diagnose` and `lint` have to say about the model before it is trained.

    Args:
        said: Problems and findings, or why the data were refused.
        changed: Variables of the model that are not what they were.
    """

    said: list[Any]
    changed: list[str]


def entry_of(name):
    return entries()[name]


def values_of(variables):
    return [np.array(keras.ops.convert_to_numpy(each)) for each in variables]


def fitted(case, *callbacks):
    model, options = case.model, {"verbose": 0, **case.options}
    history = model.fit(case.x, case.y, callbacks=list(callbacks), **options).history
    return Trained(history, values_of(model.variables), values_of(model.optimizer.variables))


@functools.cache
def plain(name):
    """A training without the callback."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fitted(entry_of(name).build())


@functools.cache
def watched(name, **options):
    """The same with the callback."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        case = entry_of(name).build()
        seeds = list(case.model._seed_generators)
        logger = ActivationVarianceLogger(update_freq=5, on_problem=None, verbose=0, **options)
        trained = fitted(case, logger)
    warned = [str(each.message) for each in caught if _is_ours(each)]
    return Watched(trained, len(logger.looks), logger.report, warned, is_clean(case.model, seeds))


def _is_ours(warning):
    return "keras_initlab" in f"{warning.category.__module__} {warning.filename}"


@functools.cache
def examined(name):
    """`diagnose` and `lint`, one after the other on one model."""
    case = built(name)
    variables = case.model.variables
    before = values_of(variables)
    said = [*_diagnosed(name, case), *lint(case.model)]
    trio = zip(variables, before, values_of(variables), strict=True)
    changed = [variable.path for variable, one, other in trio if not is_same(one, other)]
    return Examined(said, changed)


def _diagnosed(name, case):
    try:
        return diagnose(case.model, data_of(case)).problems
    except ValueError as refusal:
        if not entry_of(name).refusal:
            raise
        return [refusal]


def said_about(name):
    """Everything that a tool has to say about a case."""
    report = watched(name).report
    return [*report.problems, *getattr(report, "findings", ()), *examined(name).said]


def first_difference(one, other):
    """The place where two trainings part, `None` if they are the same bit for bit."""
    for part in ("history", "weights", "optimizer"):
        left, right = (keras.tree.flatten(getattr(each, part)) for each in (one, other))
        if len(left) != len(right):
            return f"{part}: {len(left)} and {len(right)} values"
        for k, pair in enumerate(zip(left, right, strict=True)):
            if not is_same(*pair):
                return f"{part}, number {k}: {_gap(*pair)}"
    return None


def is_same(left, right):
    """Whether two arrays are the same bit for bit, NaN included."""
    left, right = np.asarray(left), np.asarray(right)
    same_form = (left.dtype, left.shape) == (right.dtype, right.shape)
    return same_form and left.tobytes() == right.tobytes()


def _gap(left, right):
    gaps = np.abs(np.subtract(left, right, dtype="float64"))
    return f"{(gaps != 0).sum()} of {gaps.size} values differ, by at most {gaps.max():.2g}"


def built(name):
    """A case whose model has weights."""
    case = entry_of(name).build()
    if not case.model.built:
        case.model(rows_of(case))
    return case


def rows_of(case):
    """A few rows as the model takes them."""
    if case.inputs is not None:
        return case.inputs
    return keras.tree.map_structure(lambda column: keras.ops.convert_to_tensor(column[:8]), case.x)


def data_of(case):
    """What `diagnose` and `initialize` take."""
    return case.x if case.y is None else (case.x, case.y)
