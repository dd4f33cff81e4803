"""One logger on one model: turns the numbers of its probe into judged looks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from keras_initlab import _backend
from keras_initlab._wire import SECTIONS, Problem
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.selection import Filter, NothingToWatchError, Selection
from keras_initlab.monitor.reference import Reference
from keras_initlab.monitor.row_facts import RowFacts
from keras_initlab.monitor.schedule import Clock
from keras_initlab.monitor.sessions import session_of
from keras_initlab.monitor.settings import Glimpse, Settings
from keras_initlab.monitor.skips import SkipLog, Skips
from keras_initlab.signal.assemble import activation_section, weight_section
from keras_initlab.signal.evidence import Evidence
from keras_initlab.signal.guard import in_one_line
from keras_initlab.signal.looks import History, Look, Section
from keras_initlab.signal.origin import problem_of_origin
from keras_initlab.signal.prediction import predicted, starts_of
from keras_initlab.signal.rules import problems_of
from keras_initlab.signal.skipping import at_limit, marked_as_skipped
from keras_initlab.signal.telling import behind_causes, behind_lasting, following, lasting

__all__ = ["Watcher"]

_MEAN = SECTIONS["activations"].index("mean")
_VARIANCE = SECTIONS["activations"].index("variance")


class Watcher:
    """Opens and closes a probe on a model, and turns its numbers into looks.

    Args:
        model: The model.
        settings: What to watch.
        chosen: Which layers, `None` for those that carry signal.
        reference: A fixed batch to measure as well, or `None`.

    Attributes:
        empty: Why there is nothing to watch, if the first step showed that.
        skips: The steps that were taken back.
    """

    def __init__(self, model: Any, settings: Settings, chosen: Filter | None, reference: Any):
        self._model = model
        self._settings = settings
        self._chosen = chosen
        self._batch = reference
        self._starts: dict = {}
        self._first_step = -1
        self._clock = Clock(0, 0, 1)
        self.empty = ""
        self.skips = SkipLog()
        self._stopped = False
        self._told: tuple[Problem, ...] = ()
        self._grows_since: int | None = None
        self._of_data: tuple[Problem, ...] | None = None
        self._referred: tuple[list, np.ndarray] | None = None
        may_grow = bool(_backend.unbuilt_layers(model))
        self._select(Selection(Anatomy(model), chosen, may_be_empty=may_grow))

    def _select(self, selection: Selection) -> None:
        self._selection = selection
        self._probe = session_of(self._model).probe_for(selection, self._settings)
        self._facts = RowFacts(self._probe.rows, selection)
        self._probe.user = self
        self._reference: Reference | None = None
        if self._batch is not None:
            self._reference = Reference(self._model, selection, self._settings, self._batch)

    def _select_anew(self) -> None:
        """Choose the layers again, after the first step has built the model."""
        step = self._probe.steps_done()
        self.close()
        try:
            self._select(Selection(Anatomy(self._model), self._chosen))
        except NothingToWatchError as error:
            self.empty = str(error)
            return
        self.open()
        self._first_step = -1
        self.start(self._clock._replace(step=step, first=step))

    def fits(self, model: Any, chosen: Filter | None) -> bool:
        """Whether this watcher can go on, so that nothing is traced anew."""
        if model is not self._model or self._probe.user is not self:
            return False
        return self._probe.fits(model) and self._selection.is_like(
            Selection(Anatomy(model), chosen)
        )

    @property
    def is_open(self) -> bool:
        """Whether the model's steps are watched now."""
        return session_of(self._model).is_open(self._probe)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be watched, everything once."""
        notes = [
            f"{name} runs its steps in a loop: only its whole output is watched"
            for name in self._selection.loops
        ]
        notes += [f"{name} {reason}" for name, reason in self._probe.rows.unseen.items()]
        if self._probe.guard.error is not None:
            cause = in_one_line(self._probe.guard.error)
            notes.append(f"the training step could not be watched: {cause}")
        return tuple(notes)

    @property
    def first(self) -> int:
        """The step from which the model is watched in this `fit`."""
        return int(self._clock.first)

    @property
    def failed(self) -> bool:
        """Whether an error of ours has ended the watching."""
        return self._probe.guard.ended

    def open(self) -> None:
        """Put the covers on."""
        self._probe.on_growth = self._select_anew
        session_of(self._model).open(self._probe)

    def start_at(self, last: int, epoch: int, per_epoch: int) -> Clock:
        """Set the clock at the start of a `fit`.

        Args:
            last: The first step that is later than all looks so far.
            epoch: Where Keras begins to count.
            per_epoch: Steps of an epoch, 0 if Keras does not know their number.
        """
        step = max(_backend.updates_done(self._model), last) or epoch * per_epoch
        clock = Clock(step, step, max(1, per_epoch))
        self.start(clock)
        return clock

    def start(self, clock: Clock) -> None:
        """Set the clock, and keep the weights of the first step for theory."""
        self._clock, self._told, self._grows_since, self._of_data = clock, (), None, None
        self.skips.begin()
        self._stopped = False
        if self._first_step < 0:
            self._starts = starts_of(self._selection)
            self._steps = _backend.step_rule_of(self._model)
            self._first_step = clock.step
        self._probe.start(clock)

    def bad_step(self, now_s: float) -> list[Look]:
        """The first step of this `fit` whose loss or weights were not finite, told once.

        Where such steps are skipped, also the one at which there were too many.

        Args:
            now_s: Seconds since the epoch.
        """
        if self._probe.skips is not None:
            return self._skipped(self._probe.skips, now_s)
        return self._first_bad(now_s)

    def _first_bad(self, now_s: float) -> list[Look]:
        silent = bool(self._told) or self._probe.guard.ended
        origin = None if silent else self._probe.nonfinite.read()
        if origin is None:
            return []
        problem = problem_of_origin(replace(origin, grows_since=self._grows_since))
        problem = marked_as_skipped(problem) if self._settings.skips else problem
        self._told = self._behind((problem,), ())
        return [Look(origin.step, now_s, problems=self._told)]

    def _skipped(self, skips: Skips, now_s: float) -> list[Look]:
        skipped = skips.read()
        self.skips.hear(skipped)
        looks = self._first_bad(now_s) if skipped.count else []
        if skipped.over and self._told and not self._stopped:
            self._stopped = True
            last = at_limit(self._told[0], skipped.steps[-skipped.row :])
            looks.append(Look(last.step, now_s, problems=(last,)))
        return looks

    def close(self) -> None:
        """Take the covers off."""
        session_of(self._model).close(self._probe)

    def steps_done(self) -> int:
        """Number of the next step."""
        return self._probe.steps_done()

    def look_at_reference(self) -> None:
        """Measure the reference batch with the weights as they are."""
        if self._reference is not None:
            self._referred = self._reference.look()

    def looks(self, past: History, now_s: float) -> Iterator[Look]:
        """The looks since the last reading; before one that is not finite, the step that began it.

        Args:
            past: The looks before; the caller appends each new one.
            now_s: Seconds since the epoch.
        """
        if self._probe.guard.ended:
            return
        if self._settings.skips:
            yield from self.bad_step(now_s)
        for glimpse in self._probe.read():
            late = len(past) and past[-1].step >= glimpse.step
            if late or self._is_skipped(glimpse.step):
                continue
            look = Look(glimpse.step, now_s, self._sections(glimpse, not len(past)))
            first, previous = (past[0], past[-1]) if len(past) else (look, None)
            evidence = Evidence(
                look, first, previous, self._starts, self._facts.standing(), self._steps
            )
            # Whatever else there is follows from numbers that are not finite.
            problems = problems_of(evidence)
            if self._of_data is None:
                self._of_data = self._probe.batch.problems(glimpse.step)
                problems = behind_causes(self._of_data, problems)
            else:
                problems = self._behind(problems, first.problems)
            rules = {problem.rule for problem in problems}
            if self._grows_since is None and "exploding" in rules:
                self._grows_since = glimpse.step
            if "nonfinite" in rules and not self._settings.skips:
                yield from self.bad_step(now_s)
            yield replace(look, problems=self._told if self._is_late(look) else problems)

    def _is_late(self, look: Look) -> bool:
        """Whether all that a look shows follows from the step that was told."""
        told = self._told and not self._settings.skips
        return bool(told) and look.step >= self._told[0].step

    def _is_skipped(self, step: int) -> bool:
        """Whether a step was taken back, so that a look at it shows what has not come."""
        skipped = step in self.skips.steps
        if skipped and self._of_data is None:
            # The batch of the first look is the one to be judged.
            self._of_data = ()
        return skipped

    def _behind(
        self, problems: tuple[Problem, ...], first: tuple[Problem, ...]
    ) -> tuple[Problem, ...]:
        """What comes after the first look, beside the causes that were found then."""
        if self._of_data:
            return tuple(following(problem, self._of_data[0]) for problem in problems)
        cause = lasting(problems, first)
        return tuple(behind_lasting(one, cause) for one in problems) if cause else problems

    def _sections(self, glimpse: Glimpse, is_first: bool) -> dict[str, Section]:
        sections, rows, bins = {}, self._probe.rows, self._settings.bins
        if "activations" in self._settings.watch:
            # A step of the user's own on JAX may have dropped the numbers of the calls.
            seen = rows.calls[: len(glimpse.activations[0])]
            section = activation_section(seen, glimpse.activations, bins)
            sections["activations"] = replace(section, edges=self._facts.edges(seen))
        if len(glimpse.parameters[0]):
            counted = bins if "gradients" in self._settings.watch else 0
            section = weight_section(rows.weights, glimpse.parameters, counted, rows.sizes)
            sections["weights"] = self._exact(section, glimpse)
        if self._referred is not None:
            infos, numbers = self._referred
            sections["reference"] = activation_section(infos, [numbers], bins)
            self._referred = None
        if is_first and glimpse.step == self._first_step and "activations" in sections:
            sections["theory"] = self._theory(sections["activations"], glimpse)
        return sections

    def _exact(self, section: Section, glimpse: Glimpse) -> Section:
        """With several replicas, a row counts as untouched if none of them has touched it."""
        if len(glimpse.parameters) == 1:
            return section
        shares = self._probe.touched.untouched_shares()
        column = SECTIONS["weights"].index("untouched_fraction")
        by_name = {
            self._selection.names[layer]: shares.get(id(layer)) for layer in self._selection.watched
        }
        for row, layer in enumerate(section.layers):
            share = by_name.get(layer.name)
            if share is not None:
                section.values[row, column] = share
        return section

    def _theory(self, section: Section, glimpse: Glimpse) -> Section:
        values = predicted(
            self._probe.rows.links,
            self._starts,
            self._selection,
            list(glimpse.inputs),
            section.values[:, [_MEAN, _VARIANCE]],
        )
        return Section(section.layers, values)
