"""Finds the first step of a `fit` whose loss or weights are not finite, and where that began."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab.anatomy.selection import Selection, is_loop
from keras_initlab.monitor.counting import (
    COLUMNS,
    RADIX,
    any_wrong,
    as_float,
    countable,
    filled,
    head_row,
    length_of,
    padded,
    parts_of,
    row_of,
    wrong_in,
)
from keras_initlab.monitor.updated import Updated
from keras_initlab.signal.calls import Call
from keras_initlab.signal.origin import Counted, Moved, Origin

__all__ = ["FirstNonfinite"]

# Tensors of a batch, and runs of the model in one step, that there is room for.
_DATA, _PASSES, _GROWTH = 64, 4, 64

# Column of the header in which a step on JAX carries whether its loss was wrong.
_LOSS = COLUMNS - 1


class FirstNonfinite:
    """Checks every step, and keeps the numbers of the first one that is not finite.

    A good step costs a sum over each updated weight. Only in a bad one the data, the layers' inputs
    and outputs, and the gradients are counted. The numbers stay until the next `fit`.

    Args:
        model: The model.
        selection: Its layers.
        weights: Whether weights are checked; else the loss alone.
        skips: Whether bad steps are taken back, so that all of the model's numbers are checked.
    """

    def __init__(self, model: Any, selection: Selection, *, weights: bool, skips: bool = False):
        self._selection, self._weights, self._skips = selection, weights, skips
        calls = sum(_backend.call_count(layer) for layer in selection.covered)
        self._forward = _DATA + _PASSES * calls + _GROWTH
        held = 4 * len(model.variables) if skips else len(model.trainable_variables)
        self._most = held + _GROWTH
        self._data: list[str] = []
        self._calls: list[tuple[str, str, bool]] = []
        self._moved: list[tuple[str, str]] = []
        shape = (1 + self._forward + self._most, COLUMNS)
        self.held = _backend.StepState(model, np.zeros(shape, np.float32))

    # --- in the step ---------------------------------------------------------------------------

    def check(
        self,
        clock: Any,
        losses: Sequence[Any],
        updated: Updated,
        data: Any,
        calls: list[Call],
        bad: Any = None,
    ) -> None:
        """Check a step that is over, and keep its numbers if it is the first bad one.

        Args:
            clock: With the number of the step.
            losses: Of the step.
            updated: What it did to the weights.
            data: Inputs, labels and sample weights.
            calls: The calls of layers.
            bad: Whether the step is bad, where that is known.
        """
        old = ops.convert_to_tensor(self.held.state.value)

        def table() -> Any:
            batch, seen = self._noted(data, calls)
            weights = self._counted_weights(updated)
            counts = [len(batch), len(seen), len(self._moved), length_of(data)]
            header = head_row(clock, any_wrong(losses), counts)
            forward = self._counted_forward(batch, seen)
            return ops.concatenate([header, forward, weights])

        with _backend.without_gradients():
            if bad is None:
                bad = _backend.beside(lambda: self._is_bad(old, losses, updated))
            else:
                bad = ops.logical_and(bad, old[0, 0] == 0)
            self.held.state.assign(_backend.when(bad, table, old))

    def check_forward(self, old: Any, clock: Any, loss: Any, data: Any, calls: list[Call]) -> Any:
        """The state after a forward pass on JAX, counted if its loss or its batch is not finite.

        A batch may be mended on its way, so it alone is no bad step.
        """
        batch, seen = self._noted(data, calls)
        begun = self._is_bad(old, [loss], Updated())
        odd = self._is_bad(old, batch, Updated())

        def table() -> Any:
            counts = [len(batch), len(seen), 0, length_of(data)]
            header = head_row(clock, any_wrong([loss]), counts, found=begun)
            forward = self._counted_forward(batch, seen)
            return ops.concatenate([header, forward, old[1 + self._forward :]])

        after = _backend.when(begun | odd, table, old)
        if not self._skips:
            return after
        # A step may have several losses, and its end asks for all of them.
        wrong = ops.maximum(old[0, _LOSS], any_wrong([loss]))
        return _with_loss(after, wrong)

    def loss_was_wrong(self, held: Any) -> Any:
        """On JAX, whether a loss of the step that ends was not finite."""
        return held[0, _LOSS] > 0

    def check_updates(self, old: Any, clock: Any, updated: Updated, bad: Any = None) -> Any:
        """The state after a whole step on JAX: with the weights of the bad step."""
        step = [as_float(part) for part in parts_of(clock)]
        counted = (old[0, 1] == step[0]) & (old[0, 2] == step[1])

        def table() -> Any:
            weights = self._counted_weights(updated)
            forward = [ops.where(counted, old[0, place], 0.0) for place in (4, 5)]
            counts = [*forward, len(self._moved), old[0, 7]]
            header = head_row(clock, ops.where(counted, old[0, 3], 0.0), counts)
            return ops.concatenate([header, old[1 : 1 + self._forward], weights])

        begun = counted & (old[0, 0] > 0)
        if bad is None:
            return _backend.when(begun | self._is_bad(old, [], updated), table, old)
        bad = ops.logical_and(bad, old[0, 0] == 0)
        return _with_loss(_backend.when(begun | bad, table, old), 0)

    def _is_bad(self, old: Any, losses: Sequence[Any], updated: Updated) -> Any:
        tensors = [*losses, *(updated.parts() if self._weights else [])]
        sums = [ops.sum(as_float(tensor)) for tensor in tensors]
        total = ops.sum(ops.stack(sums)) if sums else as_float(0)
        return ops.logical_not(ops.isfinite(total)) & (old[0, 0] == 0)

    def _noted(self, data: Any, calls: list[Call]) -> tuple[list[Any], list[tuple[Any, list]]]:
        """The tensors of the batch and of the calls that can be counted; keeps what each is."""
        self._data, batch = self._named(data)
        self._calls, seen = self._seen(calls)
        return batch, seen

    def _counted_forward(self, batch: list[Any], seen: list[tuple[Any, list]]) -> Any:
        rows = [row_of(tensor, []) for tensor in batch]
        rows += [row_of(output, inputs) for output, inputs in seen]
        return filled(rows, self._forward)

    @staticmethod
    def _named(data: Any) -> tuple[list[str], list[Any]]:
        """The float tensors of a batch, and what each is."""
        found = []
        for what, part in zip(("input", "label", "sample weight"), data, strict=True):
            flat = keras.tree.flatten(part)
            numbers = [f" {place}" if len(flat) > 1 else "" for place in range(len(flat))]
            found += [
                (what + number, countable(tensor))
                for number, tensor in zip(numbers, flat, strict=True)
            ]
        found = [(name, tensor) for name, tensor in found if tensor is not None][:_DATA]
        return [name for name, _ in found], [tensor for _, tensor in found]

    def _seen(
        self, calls: list[Call]
    ) -> tuple[list[tuple[str, str, bool]], list[tuple[Any, list]]]:
        """Of the calls that can be counted: name and class of the layer, output and inputs."""
        named, seen, made = [], [], set()
        for call in calls:
            output = countable(call.output)
            if output is None:
                continue
            inputs = [countable(tensor) for tensor in call.inputs if id(tensor) not in made]
            made.add(id(call.output))
            kind = type(call.layer).__name__
            named.append((self._name_of(call.layer), kind, is_loop(call.layer)))
            seen.append((output, [tensor for tensor in inputs if tensor is not None]))
        room = self._forward - _DATA
        return named[:room], seen[:room]

    def _name_of(self, layer: Any) -> str:
        name: str = self._selection.names.get(layer, layer.name)
        return name

    def _counted_weights(self, updated: Updated) -> Any:
        owners = {
            id(variable): self._name_of(layer)
            for layer in self._selection.covered
            for variable in _backend.own_weights(layer)
        }
        variables = updated.variables[: self._most]
        self._moved = [
            (owners[id(variable)], variable.name) if id(variable) in owners else ("", variable.path)
            for variable in variables
        ]
        pairs = zip(updated.gradients, updated.parts(), variables, strict=False)
        rows = [padded([wrong_in(gradient), wrong_in(value)]) for gradient, value, _ in pairs]
        return filled(rows, self._most)

    # --- on the host ---------------------------------------------------------------------------

    def forget(self) -> None:
        """Let the next bad step be the first one."""
        self.held.write(np.zeros(tuple(self.held.state.shape), np.float32))

    def read(self) -> Origin | None:
        """The first bad step; `None` if there was none so far."""
        for replica, table in enumerate(self.held.read()):
            if table[0, 0]:
                return self._origin(table, replica)
        return None

    def _origin(self, table: np.ndarray, replica: int) -> Origin:
        high, low, loss, data, calls, weights, length = (int(part) for part in table[0, 1:8])
        # On JAX a forward pass with a finite loss is not counted, and its calls are still known.
        data, calls = data or len(self._data), calls or len(self._calls)
        forward, moved = table[1 : 1 + data + calls], table[1 + self._forward :][:weights]
        kinds = [(name, "", False) for name in self._data[:data]] + self._calls[:calls]
        counted = [_counted(*kind, row) for kind, row in zip(kinds, forward.tolist(), strict=True)]
        return Origin(
            step=high * RADIX + low,
            loss=bool(loss),
            data=tuple(counted[:data]),
            calls=tuple(counted[data:]),
            weights=tuple(
                Moved(owner, name, int(row[0]), int(row[1]))
                for (owner, name), row in zip(self._moved, moved, strict=True)
            ),
            length=length,
            replica=replica,
        )


def _counted(name: str, kind: str, recurs: bool, row: list[float]) -> Counted:
    entered, wrong, examples = (int(number) for number in row[:3])
    places = tuple(int(place) for place in row[3:-2][:examples])
    return Counted(name, kind, entered, wrong, examples, places, int(row[-2]), row[-1], recurs)


def _with_loss(table: Any, wrong: Any) -> Any:
    return ops.slice_update(table, (0, _LOSS), ops.reshape(as_float(wrong), (1, 1)))
