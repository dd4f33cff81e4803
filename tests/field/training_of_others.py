"""Models that others wrote, trained from one seed with the callback and without it."""

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from monitoring import TENSORFLOW, is_clean

from keras_initlab import ActivationVarianceLogger, diagnose, initialize, lint

# Each of them stands for what it repeats.
LOOPS = (keras.layers.RNN, keras.layers.Bidirectional, keras.layers.TimeDistributed)


@dataclass(frozen=True)
class Example:
    """A compiled model and what it trains on.

    Args:
        model: Compiled, built or not.
        x: Inputs as `fit` takes them.
        y: Labels, `None` where the model needs none.
        batch: Rows of a batch; the last one is partial.
    """

    model: Any
    x: Any
    y: Any = None
    batch: int = 4

    @property
    def data(self):
        return self.x if self.y is None else (self.x, self.y)

    @property
    def steps(self):
        rows = len(keras.tree.flatten(self.x)[0])
        assert rows % self.batch, "the last batch must be partial"
        return -(-rows // self.batch)


@dataclass(frozen=True)
class Trained:
    """What a training left, as arrays by name."""

    example: Example
    values: dict[str, np.ndarray]


def trained(build: Callable[[], Example], *callbacks: Any) -> Trained:
    """One epoch from a fixed seed."""
    example = started(build)
    model = example.model
    history = model.fit(
        *(example.x, example.y, example.batch),
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    values = {f"history {name}": np.array(numbers) for name, numbers in history.history.items()}
    # Names of layers count on in a process, so that variables go by their place.
    for place, variable in enumerate([*model.variables, *model.optimizer.variables]):
        values[f"variable {place}"] = np.array(keras.ops.convert_to_numpy(variable))
    return Trained(example, values)


def started(build: Callable[[], Example]) -> Example:
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    return build()


def gaps_between(one: Trained, other: Trained) -> dict[str, float]:
    """What differs in any bit, and the largest difference in it, the largest first."""
    gaps = dict.fromkeys(set(one.values) ^ set(other.values), np.inf)
    for name in set(one.values) & set(other.values):
        left, right = one.values[name], other.values[name]
        if _form(left) != _form(right):
            gaps[name] = np.inf
        elif left.tobytes() != right.tobytes():
            gaps[name] = float(np.abs(left.astype("float64") - right.astype("float64")).max())
    return dict(sorted(gaps.items(), key=lambda item: -item[1]))


def _form(values: np.ndarray) -> tuple:
    return values.dtype, values.shape


@contextlib.contextmanager
def without_grappler():
    """TensorFlow runs graphs as they were traced: it orders no sums anew."""
    if not TENSORFLOW:
        yield
        return
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


def check_training(build: Callable[[], Example], *, unseen: set[str] = frozenset(), **options: Any):
    """Assert that the callback sees all of a model and leaves its training as it is, bit for bit.

    Args:
        build: Makes the example.
        unseen: Kinds of layers with weights that no call of theirs passes through.
        **options: More options of the callback.
    """
    logger = ActivationVarianceLogger(update_freq=1, on_problem=None, verbose=0, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watched = trained(build, logger)
    check_sight(watched.example, logger, unseen)
    check_silence(caught)
    assert is_clean(watched.example.model), "something of ours is left on the model"
    plain = trained(build)
    gaps = gaps_between(plain, watched)
    assert not gaps, f"{gaps}, and between plain runs {gaps_between(plain, trained(build))}"


def check_sight(example: Example, logger: Any, unseen: set[str]):
    """Assert that each step was looked at, and in it each kind of layer that has weights."""
    notes, looks = logger.report.notes, logger.looks
    assert not [note for note in notes if "could not be watched" in note], notes
    assert len(looks) == example.steps, f"{len(looks)} looks in {example.steps} steps, {notes}"
    missed = kinds_with_weights(example.model) - kinds_in(looks[-1])
    assert missed == set(unseen), f"not seen: {missed}"


def check_silence(caught: list[Any]):
    """Assert that no warning comes from this package."""
    sources = [f"{each.category.__module__} {each.filename}: {each.message}" for each in caught]
    ours = [source for source in sources if "keras_initlab" in source]
    assert not ours, ours


def kinds_in(look: Any) -> set[str]:
    """Classes of the layers that a look holds."""
    return {layer.kind for section in look.sections.values() for layer in section.layers}


def kinds_with_weights(layer: Any) -> set[str]:
    """Classes of the layers in a model that hold trainable weights of their own."""
    kinds = set()
    for part in layer._flatten_layers(include_self=False, recursive=False):
        trains = any(variable.trainable for variable in part._trainable_variables)
        if isinstance(part, LOOPS) or trains:
            kinds.add(type(part).__name__)
        if not isinstance(part, LOOPS):
            kinds |= kinds_with_weights(part)
    return kinds


def check_tools(build: Callable[[], Example]):
    """Assert that the other tools have something to say about a fresh model, and do not fail."""
    example = started(build)
    model = example.model
    if not model.built:
        model(keras.tree.map_structure(lambda column: column[:2], example.x))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        diagnosis = diagnose(model, example.data)
        lint(model)
        drawn = initialize(model, seed=1)

    check_silence(caught)
    assert diagnosis.layers, "diagnose saw no layer"
    assert drawn.changes, "initialize drew nothing"
    assert all(np.isfinite(weight).all() for weight in model.get_weights()), "weights not finite"
