"""What a case of the field is, what is expected of it, and the list of all cases."""

import dataclasses
import functools
import importlib
from collections.abc import Callable, Collection
from typing import Any

import keras
import pytest

BACKEND = keras.backend.backend()
GROUPS = (
    *("recommenders", "sequence", "vision", "misc", "odd_ways"),
    *("data_faults", "weight_faults", "training_faults"),
)


@dataclasses.dataclass
class Case:
    """A compiled model, built or not, with what it is trained on.

    Args:
        model: The model.
        x: Arrays in any structure, or a dataset.
        y: Labels, `None` where `x` is a dataset or its own label.
        options: Further arguments of `fit`.
        inputs: A few rows as the model takes them, where `x` is a dataset.
        kept: Whether a model still holds what `initialize` must not touch.
    """

    model: Any
    x: Any
    y: Any = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    inputs: Any = None
    kept: Callable[[Any], bool] = lambda model: True


@dataclasses.dataclass(frozen=True)
class Entry:
    """A case by name, and what the tools have to say about it.

    Args:
        kind: `"healthy"`, `"odd"` or `"fault"`.
        group: The module that has it.
        build: Makes the case, the same numbers at every call.
        allowed: Rules that are a true complaint about an odd case.
        cause: What is wrong with a fault.
        also: Causes that are as right an answer.
        where: Layers of which at least one has to be named.
        refusal: Pattern of the words in which `initialize` has to refuse the data.
        backends: Where the case can run.
    """

    kind: str
    group: str
    build: Callable[[], Case]
    allowed: tuple[str, ...] = ()
    cause: str | None = None
    also: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    refusal: str = ""
    backends: tuple[str, ...] = ("tensorflow", "jax", "torch")


_ENTRIES: dict[str, Entry] = {}


def _registered(kind, **expected):
    def register(build):
        @functools.wraps(build)
        def seeded():
            # Names are counted from one again: TensorFlow adds in the order of names.
            keras.utils.clear_session(free_memory=False)
            keras.utils.set_random_seed(1)
            return build()

        if build.__name__ in _ENTRIES:
            raise ValueError(f"two cases have one name. Received: {build.__name__}")
        group = build.__module__.rpartition(".")[2]
        _ENTRIES[build.__name__] = Entry(kind, group, seeded, **expected)
        return seeded

    return register


healthy = functools.partial(_registered, "healthy")
odd = functools.partial(_registered, "odd")
fault = functools.partial(_registered, "fault")


def case_of(model, x, y, loss, optimizer="adam", *, epochs=3, batch=32, metrics=None, **more):
    """Compile a model and put its data beside it."""
    model.compile(optimizer, loss, metrics=metrics)
    if model.built:
        # TensorFlow traces a step twice that makes the variables of its optimizer.
        model.optimizer.build(model.trainable_variables)
    return Case(model, x, y, {"epochs": epochs, "batch_size": batch}, **more)


@functools.cache
def entries():
    """Every case that the backend can run, by name."""
    for group in GROUPS:
        importlib.import_module(f"field.cases.{group}")
    return {name: entry for name, entry in _ENTRIES.items() if BACKEND in entry.backends}


def every_case(unmarked: Collection[str] = (), wrong: Collection[str] = ()) -> Callable:
    """Run a test for each case of a group.

    Args:
        unmarked: Cases that run with the fast tests.
        wrong: Cases that are known to fail; one that passes fails the run.
    """

    def attach(test):
        unknown = {*unmarked, *wrong} - {*entries()} - {*_ENTRIES}
        if unknown:
            raise ValueError(f"there are no such cases. Received: {sorted(unknown)}")
        test.cases_of = lambda group: [
            pytest.param(name, id=name, marks=_marks(name, unmarked, wrong))
            for name, entry in entries().items()
            if entry.group == group
        ]
        return test

    return attach


def _marks(name, unmarked, wrong):
    marks = [] if name in unmarked else [pytest.mark.field]
    if name in wrong:
        marks.append(pytest.mark.xfail(strict=True, raises=AssertionError, reason="verdicts"))
    return marks
