"""Draws the weights of a whole model anew, in place."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.built import check_built
from keras_initlab.anatomy.ledger import note_scheme
from keras_initlab.anatomy.selection import checked_filter
from keras_initlab.initializers.catalogue import label_of
from keras_initlab.initializers.checks import checked_count, checked_seed
from keras_initlab.model.choices import LayerChoice, SchemeChoice
from keras_initlab.model.diagnosis.batch import Batch, batch_of, run_in_memory
from keras_initlab.model.diagnosis.diagnose import diagnosed
from keras_initlab.model.diagnosis.signal_report import Change, SignalReport
from keras_initlab.model.initialization.correct import Corrected, corrected
from keras_initlab.model.initialization.fresh import remember
from keras_initlab.model.initialization.plan import PlanEntry, Request, plan_of
from keras_initlab.sampling import cores

__all__ = ["initialize"]


def initialize(
    model: keras.Model,
    scheme: SchemeChoice = "auto",
    *,
    data: Any = None,
    seed: int | None = None,
    only: LayerChoice | None = None,
    skip: LayerChoice | None = None,
    overwrite: bool = False,
    width_base: int | None = None,
    examples: int = 512,
) -> SignalReport:
    """Draws new weights for a model, every weight from the scheme that fits its layer.

    The weights change in place; the settings of `compile` and the optimizer's state stay. Frozen,
    trained and loaded weights are left alone. If anything fails, nothing changes.

    Args:
        model: A built Keras model.
        scheme: `"auto"` chooses for each weight by its layer and by what follows it
            (docs/initialize.md has the table). A scheme of this package or of Keras, or the name of
            one, applies to all kernels. A mapping from patterns of layer names to schemes uses the
            first pattern that matches a layer.
        data: Inputs, or `(inputs, labels)`. Every layer is then corrected to its target variance
            on this batch, in call order. With labels, the biases of the outputs predict the base
            rates.
        seed: Integer for repeatable weights: one stream for each weight, the same on all backends.
            `None` for fresh weights.
        only: The layers to draw, as for `ActivationVarianceLogger`, and all inside them; `None` for
            all.
        skip: The layers to leave alone.
        overwrite: Whether to redraw trained and loaded weights too, with their biases and the
            statistics of batch normalization.
        width_base: Width of the model that the learning rate was tuned on. Outputs are then drawn
            from `MuNormal`, so that the rate still fits.
        examples: Number of examples of `data` to measure (count), at most.

    Returns:
        A report: what was drawn, and what was left alone and why. With `data` it also has the
        signal, as `diagnose` shows it.

    Raises:
        ValueError: If the model is not built, a scheme does not fit a weight, the data do not fit
            the model, or a layer's signal is not finite.
        TypeError: If an argument has the wrong type.

    Source:
        The correction follows Mishkin and Matas 2015, https://arxiv.org/abs/1511.06422. Ours takes
        every kind of layer, and one pass.

    Example:
        >>> model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(64, "gelu"),
        ...     keras.layers.Dense(1)])
        >>> report = initialize(model, seed=0)
        >>> [change.scheme for change in report.changes]
        ['Scaled(CriticalNormal, 1.31)', 'Scaled(LecunNormal, 0.765)', 'CriticalBias']
    """
    check_built(model)
    checked_seed(seed)
    if width_base is not None:
        checked_count(width_base, "width_base", "is the width of the model that was tuned")
    anatomy = Anatomy(model)
    batch = None if data is None else batch_of(anatomy, data, examples)
    labels = None if batch is None else batch.y
    if isinstance(data, tuple) and labels is not None:
        # The base rates are those of all labels, not only of the examples measured.
        labels = data[1]
    request = Request(
        scheme, seed, labels, checked_filter(only), checked_filter(skip), overwrite, width_base
    )
    work = _Work(model, plan_of(anatomy, request))
    if batch is not None:
        batch = work.correct(batch)
    if batch is None:
        work.assign()
        report = SignalReport((), (), (), ("no data: the signal was not measured",))
    else:
        with work.assigned():
            report = diagnosed(anatomy, batch)
    return replace(report, changes=work.changes(), notes=(*report.notes, *work.notes()))


@dataclass
class _Work:
    """Values for the variables of a model, until all of them are known."""

    model: Any
    plan: list[PlanEntry]

    def __post_init__(self) -> None:
        self._drawn = [entry for entry in self.plan if entry.advice.scheme is not None]
        # A weight of up to one block of random numbers has no threads of its own.
        with ThreadPoolExecutor(cores()) as threads:
            drawn = list(threads.map(PlanEntry.values, self._drawn))
        self._values = {
            id(entry.variable): value for entry, value in zip(self._drawn, drawn, strict=True)
        }
        self._corrected: dict[int, Corrected] = {}

    def correct(self, batch: Batch) -> Batch:
        """Correct the values by a batch, and return the part of it that fits into memory."""
        batch, self._corrected = run_in_memory(
            lambda held: corrected(self.model, self._drawn, self._values, held), batch
        )
        self._values |= {key: weight.value for key, weight in self._corrected.items()}
        return batch

    @contextmanager
    def assigned(self) -> Iterator[None]:
        """A context with all values written to the model; after an error the old ones are back."""
        before = [ops.copy(ops.convert_to_tensor(entry.variable)) for entry in self._drawn]
        self.assign()
        try:
            yield
        except BaseException:
            for entry, values in zip(self._drawn, before, strict=True):
                entry.variable.assign(values)
            raise

    def assign(self) -> None:
        """Write all values to the model."""
        for entry in self._drawn:
            values = self._values[id(entry.variable)]
            entry.variable.assign(values)
            remember(entry.layer, entry.variable, values)
            site = entry.site
            if site and entry.variable is site.variable and site.role in ("kernel", "table"):
                note_scheme(entry.layer, label_of(entry.advice.scheme))

    def changes(self) -> tuple[Change, ...]:
        """What was done with each variable."""
        return tuple(self._change(entry) for entry in self.plan)

    def _change(self, entry: PlanEntry) -> Change:
        path, advice = str(entry.variable.path), entry.advice
        if advice.scheme is None:
            return Change(path, "", advice.reason)
        found = self._corrected.get(id(entry.variable))
        if found is None:
            return Change(path, label_of(advice.scheme))
        reason = f"not corrected: {found.reason}" if found.reason else f"x {found.factor:.3g}"
        return Change(path, label_of(advice.scheme), reason)

    def notes(self) -> list[str]:
        """Which layers could not be corrected, and how far the others differ on other data."""
        found = [
            (entry.layer.name, self._corrected[id(entry.variable)])
            for entry in self._drawn
            if id(entry.variable) in self._corrected
        ]
        left: dict[str, list[str]] = {}
        for name, held in found:
            left.setdefault(held.reason, []).append(name)
        right = left.pop("", [])
        told = [f"not corrected: {', '.join(names)}: {reason}" for reason, names in left.items()]
        if not right:
            return told
        known = [(name, held) for name, held in found if not held.reason]
        errors = {name: held.error for name, held in known if not math.isnan(held.error)}
        if not errors:
            said = "on this one example; the variances on others are not known"
            return [*told, f"corrected to within 1 % {said}"]
        name = max(errors, key=lambda layer: errors[layer])
        said = f"on this batch; on others the variances differ by about {errors[name]:.0%} ({name})"
        return [*told, f"corrected to within 1 % {said}"]
