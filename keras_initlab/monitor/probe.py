"""Statistics of one training step in one array, which the host reads in one copy."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.anatomy.selection import Selection
from keras_initlab.monitor.first_batch import FirstBatch
from keras_initlab.monitor.nonfinite import FirstNonfinite
from keras_initlab.monitor.schedule import Clock, is_due, slots_of
from keras_initlab.monitor.settings import Glimpse, Settings
from keras_initlab.monitor.skips import Skips
from keras_initlab.monitor.touched import TouchedRows
from keras_initlab.monitor.updated import Updated
from keras_initlab.signal.calls import Call
from keras_initlab.signal.guard import Guard
from keras_initlab.signal.parameters import Weight, keep_before
from keras_initlab.signal.rows import Rows

__all__ = ["Probe"]

# A step number needs 31 bits and a float32 holds 24: it travels as two numbers.
_RADIX = 1 << 16

# Header: step as two numbers, calls, weights, inputs, then the inputs' mean squares.
_WEIGHTS, _HEADER = 3, 5


class Probe:
    """Computes the numbers of one logger inside the training step of one model.

    The array is `(slots, 1 + calls + weights, columns)`. There is one slot for each look that one
    execution of the training function may take. A slot has a header, the rows of the calls, and the
    rows of the weights. The clock counts in the step itself: on JAX a variable that a callback
    assigns has no effect in the middle of `fit`.

    Args:
        model: The model.
        selection: Which layers are watched.
        settings: What is watched, and when.

    Attributes:
        guard: Ends the probe at an error of ours.
        clock: Counts the steps: step, first step, period, looks taken.
        skips: Counts the steps taken back; `None` where none are.
        user: The watcher that uses the probe; a closed probe may get another user.
        on_growth: Called when the first step has given the model new layers or weights.
    """

    def __init__(self, model: Any, selection: Selection, settings: Settings):
        self.guard = Guard()
        self.user: Any = None
        self.on_growth: Callable[[], None] | None = None
        self.settings = settings
        self.layers = selection.covered
        self.eager = _backend.step_is_eager(model)
        self.rows = Rows(selection, settings)
        self.touched = TouchedRows(model, selection if settings.watches_weights else None)
        self._selection = selection
        self._slots = slots_of(model)
        self._read_step = -1
        self._host_clock = [0, 0, 1, 0]
        shape = (self._slots, 1 + self.rows.capacity, settings.width)
        self._state = _backend.StepState(model, np.zeros(shape, np.float32))
        self.clock = _backend.StepState(model, np.zeros(4, np.int32))
        self.nonfinite = FirstNonfinite(
            model, selection, weights=settings.watches_weights, skips=bool(settings.skips)
        )
        self.skips = Skips(model, settings.skips) if settings.skips else None
        self.batch = FirstBatch(model, selection.anatomy)
        self.states = [self.clock, self._state, self.nonfinite.held, self.batch.held]
        self.states += [*self.touched.states, *([self.skips.held] if self.skips else [])]

    def fits(self, model: Any) -> bool:
        """Whether the model still trains as it did when this probe was made."""
        now = slots_of(model), _backend.step_is_eager(model)
        return not self.guard.ended and now == (self._slots, self.eager)

    def serves(self, model: Any, selection: Selection, settings: Settings) -> bool:
        """Whether a logger with these settings may take the probe over."""
        same = self.settings == settings and self._selection.is_like(selection)
        return same and self.fits(model)

    def reset(self) -> None:
        """Clear all numbers."""
        self.user, self._read_step = None, -1
        for state in self.states:
            state.write(np.zeros(tuple(state.state.shape), state.state.dtype))

    # --- on the host, between steps ------------------------------------------------------------

    def start(self, clock: Clock) -> None:
        """Set the clock, before the first step of a `fit`."""
        self._host_clock = [int(number) for number in (*clock, 0)]
        self.clock.write(np.array(self._host_clock, np.int32))
        self._read_step = -1 if self._read_step >= clock.step else self._read_step
        self.nonfinite.forget()
        if self.skips is not None:
            self.skips.forget()

    def steps_done(self) -> int:
        """Number of the next step, as counted by the training steps themselves."""
        return self._host_clock[0] if self.eager else int(self.clock.read()[0][0])

    def read(self) -> list[Glimpse]:
        """The looks since the last reading, oldest first."""
        replicas = self._state.read()
        slots = [self._glimpse([held[slot] for held in replicas]) for slot in range(self._slots)]
        new = [look for look in slots if look is not None and look.step > self._read_step]
        new.sort(key=lambda look: look.step)
        self._read_step = new[-1].step if new else self._read_step
        return new

    def _glimpse(self, replicas: list[np.ndarray]) -> Glimpse | None:
        high, low, calls, weights, inputs = map(int, replicas[0][0, :_HEADER].tolist())
        if not calls and not weights:
            return None
        begin = 1 + self.rows.most_calls
        squares = [rows[0, _HEADER : _HEADER + inputs] for rows in replicas]
        return Glimpse(
            step=high * _RADIX + low,
            inputs=np.sum(squares, axis=0) / len(replicas),
            activations=[rows[1 : 1 + calls] for rows in replicas],
            parameters=[rows[begin : begin + weights] for rows in replicas],
        )

    # --- in the step ---------------------------------------------------------------------------

    def is_due(self) -> Any:
        """Whether this step takes a look; a tensor inside a compiled step."""
        return self._due(self.now())

    def now(self) -> Any:
        """The clock, numbers in an eager step and a tensor in a compiled one."""
        return self._host_clock if self.eager else ops.convert_to_tensor(self.clock.state.value)

    def _due(self, clock: Any) -> Any:
        return is_due(self.settings.schedule, Clock(clock[0], clock[1], clock[2]))

    def parts_before(self, weights: list[Weight]) -> None:
        """Keep samples of the weights from before the optimizer's step."""
        due = None if self.eager else self.is_due()
        keep_before(weights, due, self.settings.max_elements)

    def check(self, losses: Sequence[Any], *step: Any) -> None:
        """Note whether this step is the first whose numbers are not finite. For stateful steps."""
        with self.guard:
            self.nonfinite.check(self.now(), losses, *step)

    def check_forward(self, variables: list[Any], loss: Any, data: Any, calls: list[Call]) -> None:
        """The same after the forward pass of a functional step.

        Args:
            variables: Non-trainable variables after the pass, changed in place.
            loss: Its loss.
            data: Inputs, labels and sample weights.
            calls: The calls of layers.
        """
        with self.guard:
            place, clock = self.nonfinite.held.place(), variables[self.clock.place()]
            old = variables[place]
            variables[place] = self.nonfinite.check_forward(old, clock, loss, data, calls)

    def finish(self, calls: list[Call], weights: list[Weight], data: Any) -> None:
        """Take the look, if one is due, and move the clock. For stateful training steps.

        An eager step calls it only when a look is due, and `skip` else.
        """
        with self.guard:
            self.touched.mark(calls)
            clock = self.now()
            old = ops.convert_to_tensor(self._state.state.value)
            before = ops.convert_to_tensor(self.batch.held.state.value)
            seen = self.rows.signals(calls)

            def filled() -> tuple[Any, Any]:
                batch = self.batch.noted(clock[3], before, data)
                return self._filled(old, clock, seen, weights), batch

            held = old, before
            state, batch = filled() if self.eager else _backend.when(self._due(clock), filled, held)
            self._state.state.assign(state)
            self.batch.held.state.assign(batch)
            if self.eager:
                self._host_clock[0] += 1
                self._host_clock[3] += 1
            else:
                self.clock.state.assign(self._moved(clock))

    def skip(self, calls: Sequence[Call] = ()) -> None:
        """Finish an eager step without a look: note the rows, and move the clock."""
        with self.guard:
            self.touched.mark(calls)
            self._host_clock[0] += 1

    def finish_call(self, calls: list[Call]) -> None:
        """Write the rows of the calls where they are, inside the model's call on JAX."""
        with self.guard:
            self.touched.mark(calls)
            clock = self.now()
            old = ops.convert_to_tensor(self._state.state.value)
            seen = self.rows.signals(calls)
            filled = functools.partial(self._with_calls, old, clock, seen)
            state = _backend.when(self._due(clock), filled, old)
            self._state.state.assign(state)

    def finish_state(
        self,
        variables: list[Any],
        before: list[Any],
        weights: list[Weight],
        updated: Updated,
        data: Any,
        bad: Any = None,
    ) -> None:
        """Complete the look in the variables that a functional training step returns.

        Args:
            variables: Non-trainable variables after the step, changed in place.
            before: The same before the step.
            weights: With their samples before and after the update.
            updated: What the update did to all weights.
            data: Inputs, labels and sample weights.
            bad: Whether the step is to be taken back, where loggers ask for that.
        """
        with self.guard:
            place, clock = self._state.place(), before[self.clock.place()]
            batch, carried = self.batch.held.place(), list(variables)

            def filled() -> tuple[Any, Any]:
                first = self.batch.noted(clock[3], carried[batch], data)
                return self._with_weights(carried[place], clock, weights, carried), first

            old = carried[place], carried[batch]
            variables[place], variables[batch] = _backend.when(self._due(clock), filled, old)
            variables[self.clock.place()] = self._moved(clock)
            held = self.nonfinite.held.place()
            variables[held] = self.nonfinite.check_updates(variables[held], clock, updated, bad)

    def _moved(self, clock: Any) -> Any:
        looked = ops.cast(self._due(clock), "int32")
        return clock + _constant([1, 0, 0, 0], "int32") + _constant([0, 0, 0, 1], "int32") * looked

    def _filled(self, old: Any, clock: Any, seen: Any, weights: list[Weight]) -> Any:
        """The array with this look in its slot, joined from parts: updating slices is slower."""
        calls = [self.rows.of_calls(seen)] if seen.calls else []
        ends = self.rows.of_weights(weights, self.touched.untouched_shares_of)
        ends = [] if ends is None else [ends]
        gap = self.rows.most_calls - sum(rows.shape[0] for rows in calls)
        rest = self.rows.most_weights - sum(rows.shape[0] for rows in ends)
        header = ops.expand_dims(self._header(clock, seen, len(self.rows.weights)), 0)
        rows = ops.concatenate([header, *calls, *self._zeros(gap), *ends, *self._zeros(rest)])
        if self._slots == 1:
            return ops.expand_dims(rows, 0)
        return self._put(old, clock, rows, 0)

    def _zeros(self, count: int) -> list[Any]:
        return [ops.zeros((count, self.settings.width), "float32")] if count else []

    def _with_calls(self, old: Any, clock: Any, seen: Any) -> Any:
        rows = ops.expand_dims(self._header(clock, seen, 0), 0)
        if seen.calls:
            rows = ops.concatenate([rows, self.rows.of_calls(seen)])
        return self._put(old, clock, rows, 0)

    def _with_weights(self, old: Any, clock: Any, weights: list[Weight], carried: list[Any]) -> Any:
        untouched = functools.partial(self.touched.untouched_shares_of, carried=carried)
        rows = self.rows.of_weights(weights, untouched)
        if rows is None:
            return old
        count = ops.full((1, 1), float(rows.shape[0]), "float32")
        counted = self._put(old, clock, count, 0, column=_WEIGHTS)
        return self._put(counted, clock, rows, 1 + self.rows.most_calls)

    def _header(self, clock: Any, seen: Any, weights: int) -> Any:
        inputs = self.rows.input_squares(seen)[: self.settings.width - _HEADER]
        counts = [len(self.rows.calls), weights, len(inputs)]
        room = self.settings.width - _HEADER - len(inputs)
        step = ops.stack([clock[0] // _RADIX, clock[0] % _RADIX])
        fields = [step, _constant(counts, "float32"), *([ops.stack(inputs)] if inputs else [])]
        fields.append(_constant([0.0] * room, "float32"))
        return ops.concatenate([ops.cast(field, "float32") for field in fields])

    def _put(self, old: Any, clock: Any, rows: Any, first: int, column: int = 0) -> Any:
        slot = clock[3] % self._slots if self._slots > 1 else 0
        start = ops.stack([ops.cast(place, "int32") for place in (slot, first, column)])
        return ops.slice_update(old, start, ops.expand_dims(rows, 0))


def _constant(numbers: list, dtype: str) -> Any:
    return ops.convert_to_tensor(np.array(numbers, dtype))
