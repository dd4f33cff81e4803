"""Measures every layer of a model, forward and backward."""

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab._wire import SECTIONS, Problem
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.built import check_built
from keras_initlab.anatomy.selection import Selection, checked_filter
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.initializers.checks import checked_count
from keras_initlab.model.choices import LayerChoice, LossChoice
from keras_initlab.model.diagnosis.batch import Batch, batch_of, made_up, run_in_memory
from keras_initlab.model.diagnosis.layer_signals import layer_signals
from keras_initlab.model.diagnosis.passes import Measured, Pass, UnmeasurableError
from keras_initlab.model.diagnosis.signal_report import SignalReport
from keras_initlab.model.linting.finding import Finding
from keras_initlab.model.linting.lint import findings_in
from keras_initlab.signal.assemble import activation_section, weight_section
from keras_initlab.signal.data_rules import DataRules
from keras_initlab.signal.evidence import Evidence
from keras_initlab.signal.guard import in_one_line
from keras_initlab.signal.looks import Look, Section
from keras_initlab.signal.prediction import Start, predicted, starts_of
from keras_initlab.signal.rules import problems_of
from keras_initlab.signal.standing import standing_of
from keras_initlab.signal.telling import behind_causes

__all__ = ["diagnose", "diagnosed"]


def diagnose(
    model: keras.Model,
    data: Any = None,
    *,
    loss: LossChoice | None = None,
    layers: LayerChoice | None = None,
    examples: int = 512,
    max_elements: int | None = 65_536,
    ignore: Collection[str] = (),
) -> SignalReport:
    """Shows what happens to the signal in every layer, forward and backward, and what is wrong.

    The model runs once in training mode on one batch. Afterwards it is as before, bit for bit:
    weights, moving statistics, seeds and the settings of `compile`.

    Args:
        model: A built Keras model.
        data: Inputs as the model takes them, `(inputs, labels)`, `(inputs, labels, weights)`, or a
            dataset, of which the first batch is taken. `None` takes random inputs: normal
            numbers, ids within the vocabulary, masks. Where a length is open, it is the first of
            32, 16, 8, 4, 2, 1, 64 and 128 that the model accepts.
        loss: Loss for the gradients, as `compile` takes it; `None` for the compiled one. Without
            labels, a gradient of unit variance starts at the outputs.
        layers: The layers to measure, as for `ActivationVarianceLogger`; `None` for those that
            carry signal.
        examples: Number of examples to measure (count), at most.
        max_elements: Elements to measure per layer. 65,536 give a standard error of 0.6 % on the
            variance of independent elements; `None` takes all.
        ignore: Rules of the linter to leave out.

    Returns:
        The report: print it, plot it, or assert that it is healthy.

    Raises:
        ValueError: If the model is not built, the data do not fit its inputs or hold NaN, a loss
            is given without labels, or the model accepts none of the random inputs.

    Example:
        >>> model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(64, "relu", name="a",
        ...     kernel_initializer="he_normal"), keras.layers.Dense(1, name="b")])
        >>> report = diagnose(model)
        >>> report.healthy, [layer.name for layer in report.layers]
        (True, ['a', 'b'])
    """
    check_built(model)
    if max_elements is not None:
        checked_count(max_elements, "max_elements", "limits the elements measured per layer")
    anatomy = Anatomy(model)
    batch = batch_of(anatomy, data, examples)
    return diagnosed(
        anatomy, batch, loss=loss, layers=layers, max_elements=max_elements, ignore=ignore
    )


def diagnosed(
    anatomy: Anatomy,
    batch: Batch,
    *,
    loss: LossChoice | None = None,
    layers: LayerChoice | None = None,
    max_elements: int | None = None,
    ignore: Collection[str] = (),
) -> SignalReport:
    """`diagnose` on a batch that is checked already."""
    model = anatomy.model
    with _backend.without_remat(layers_in(model)):
        selection = Selection(anatomy, checked_filter(layers))
        chosen, notes = _loss_of(model, batch, loss)
        found = _Diagnosis(anatomy, selection, chosen, max_elements)
        causes = _data_problems(anatomy, batch, loss)
        return found.report(batch, findings_in(anatomy, ignore=ignore), notes, causes)


def _loss_of(model: Any, batch: Batch, loss: LossChoice | None) -> tuple[Any, tuple[str, ...]]:
    """The loss as an object, `None` for a unit cotangent, and notes about it."""
    if batch.y is None:
        if loss is not None:
            raise ValueError(
                f"`loss` compares outputs with labels. Received: loss={loss!r} and no labels. "
                "Try `data=(inputs, labels)`."
            )
        return None, ("gradients start at the outputs with unit variance: there are no labels",)
    if loss is None and not _backend.has_loss(model):
        return None, ("gradients start at the outputs with unit variance: no loss is compiled",)
    return _backend.fresh_loss(model, loss), ()


class _Diagnosis:
    """The diagnosis of one model."""

    def __init__(self, anatomy: Anatomy, selection: Selection, loss: Any, most: int | None):
        self._anatomy, self._model = anatomy, anatomy.model
        self._selection = selection
        self._pass = Pass(self._model, selection, most, loss)

    def report(
        self,
        batch: Batch,
        findings: list[Finding],
        notes: tuple[str, ...],
        causes: tuple[Problem, ...] = (),
    ) -> SignalReport:
        """The report on one batch; what follows from a cause in the data is its symptom."""
        batch, measured = self._measured(batch)
        starts = starts_of(self._selection)
        look = self._look(measured, starts)
        standing = standing_of(self._pass.rows.links, self._selection)
        steps = _backend.step_rule_of(self._model)
        problems = tuple(
            replace(problem, text=problem.text.removeprefix(f"step {problem.step}, "))
            for problem in problems_of(Evidence(look, look, None, starts, standing, steps))
        )
        problems = behind_causes(causes, problems)
        sites = self._anatomy.all_sites
        rows = layer_signals(look, measured, self._selection, sites, (*problems, *findings), starts)
        notes = (*batch.notes, *notes, *self._unmeasured())
        return SignalReport(rows, problems, tuple(findings), notes, measured.loss)

    def _measured(self, batch: Batch) -> tuple[Batch, Measured]:
        if batch.others is None:
            return run_in_memory(self._pass.run, batch)
        examples, lengths = batch.size, (0, *batch.others)
        strange: list[tuple[Batch, Measured]] = []
        refusals: list[Exception] = []
        for length in lengths:
            tried = made_up(self._anatomy, examples, (length,)) if length else batch
            try:
                found = run_in_memory(self._pass.run, tried)
            except UnmeasurableError:
                raise
            # A model raises anything on inputs that are not its own.
            except Exception as error:
                if _backend.is_out_of_memory(error):
                    raise
                refusals = refusals or [error]
                continue
            if found[1].is_finite:
                return found
            # NaN may come from positions past the end of a table, or from the model itself.
            strange = strange or [found]
        if not strange:
            raise self._refused(len(lengths) > 1, refusals[0]) from refusals[0]
        return strange[0]

    def _refused(self, is_open: bool, refusal: Exception) -> ValueError:
        lengths = " of any length that was tried" if is_open else ""
        return ValueError(
            f"The model {self._model.name!r} accepts no random inputs{lengths}, so they cannot "
            f"replace data. Received: data=None, and {in_one_line(refusal)}. "
            "Try `data=` with a batch of inputs."
        )

    def _look(self, measured: Measured, starts: dict[str, Start]) -> Look:
        rows = self._pass.rows
        activations = activation_section(rows.calls, [measured.activations], 0)
        names = SECTIONS["activations"]
        seen = activations.values[:, [names.index("mean"), names.index("variance")]]
        theory = predicted(rows.links, starts, self._selection, measured.inputs, seen)
        sections = {"activations": activations, "theory": Section(activations.layers, theory)}
        if len(measured.weights):
            section = weight_section(rows.weights, [measured.weights], 0, rows.sizes)
            sections["weights"] = self._of_called(section)
        return Look(_backend.updates_done(self._model), time.time(), sections)

    def _of_called(self, section: Section) -> Section:
        """The weights without those of layers that were not called: nothing can reach them."""
        silent, norms = set(self._silent()), SECTIONS["weights"].index("gradient_norm")
        kept = [
            place
            for place, row in enumerate(section.layers)
            if row.name not in silent or section.values[place, norms] != 0
        ]
        layers = tuple(section.layers[place] for place in kept)
        return replace(section, layers=layers, values=section.values[kept])

    def _silent(self) -> list[str]:
        """Watched layers of which no call was measured."""
        rows, names = self._pass.rows, self._selection.names
        called = {id(link.layer) for link in rows.links if link.row is not None}
        silent = [names[layer] for layer in self._selection.watched if id(layer) not in called]
        return [name for name in silent if name not in rows.unseen]

    def _unmeasured(self) -> list[str]:
        rows, names = self._pass.rows, self._selection.names
        refused = self._pass.without_gradients
        hidden = {names[layer] for layer in self._pass.hidden if self._selection.watches(layer)}
        return [
            *([f"gradients were not measured: {refused}"] if refused else []),
            *(
                f"the gradient of {name} was not measured: a function recomputes it in the "
                "backward pass (keras.remat, tf.recompute_grad)"
                for name in sorted(hidden)
            ),
            *(
                f"{name} was not called, or returns nothing that can be measured"
                for name in self._silent()
            ),
            *(
                f"{name} runs its steps in a loop: only its whole output is measured"
                for name in self._selection.loops
            ),
            *(f"{name} {reason}" for name, reason in rows.unseen.items()),
        ]


def _data_problems(anatomy: Anatomy, batch: Batch, loss: Any) -> tuple[Problem, ...]:
    """What is wrong with the user's data; of random inputs nothing is said."""
    if batch.others is not None:
        return ()
    rules = DataRules(anatomy, loss)
    rows = rules.rows_of(batch.x, batch.y)
    return rules.problems(keras.ops.convert_to_numpy(keras.ops.stack(rows))) if rows else ()
