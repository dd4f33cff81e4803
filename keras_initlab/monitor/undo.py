"""Takes a training step back, as if its batch had never come."""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from keras_initlab import _backend
from keras_initlab.monitor.counting import as_float
from keras_initlab.monitor.updated import Updated

__all__ = ["Undo", "chosen", "is_broken"]


class Undo:
    """The state of a model before a step that changes variables in place.

    All that the step may change is kept before it: weights, statistics, slots and counters of the
    optimizers, seeds, metrics. So the step itself stays as it is, whatever it does, and only its
    end depends on whether it was finite.

    Args:
        model: The model.
    """

    def __init__(self, model: Any):
        self._model = model
        with _backend.without_gradients():
            self._kept = [(held, _backend.kept_value(held)) for held in _variables_of(model)]
            self._beside = _backend.kept_beside(model)

    def widened(self, updated: Updated) -> Updated:
        """What a step did to weights, with all else of the model and its optimizers."""
        trained = _backend.trained_variables(self._model)
        return updated.with_others([held for held in trained if _backend.is_float(held)])

    def is_bad(self, losses: Sequence[Any], updated: Updated) -> Any:
        """Whether a loss is not finite, or a number of the model is no longer finite.

        Args:
            losses: Of the step.
            updated: What it did to the model, widened.
        """
        values = {id(held): value for held, value in self._kept}
        before = [values.get(id(held)) for held in updated.variables]
        with _backend.without_gradients():
            return is_broken(losses, before, updated, around=_backend.beside)

    def put_back(self, undone: Any, logs: Any) -> Any:
        """Take the step back if it is to be; returns its logs, which are then those before it.

        Args:
            undone: Whether it is taken back.
            logs: What the step has returned.
        """
        names = logs if isinstance(logs, dict) else {}
        # What depends on the condition, where a compiled step takes tensors only.
        tensors = {name: value for name, value in names.items() if hasattr(value, "dtype")}

        def restored() -> Any:
            for variable, value in self._kept:
                variable.assign(value)
            _backend.put_back_beside(self._beside)
            found = _backend.metric_logs(self._model, logs)
            return {name: found[name] for name in tensors}, as_float(1)

        with _backend.without_gradients():
            chosen, _ = _backend.when(undone, restored, (tensors, as_float(0)))
        return {**names, **chosen} if isinstance(logs, dict) else logs


def _variables_of(model: Any) -> list[Any]:
    return [*_backend.trained_variables(model), *_backend.passing_variables(model)]


def is_broken(
    losses: Sequence[Any],
    before: Sequence[Any],
    updated: Updated,
    around: Callable[[Callable], Any] = lambda function: function(),
) -> Any:
    """Whether a loss is not finite, or a number is no longer finite.

    One sum decides at nearly every step. Only if it is not finite, every number is checked: a model
    may hold infinite numbers on purpose, and a sum of large ones may overflow.

    Args:
        losses: Of a step.
        before: Values of the variables before the step; `None` where they are not known.
        updated: The variables, and what the step did to them.
        around: What runs a function beside the step.
    """

    def doubtful() -> Any:
        tensors = [*losses, *updated.parts()]
        total = sum((ops.sum(as_float(tensor)) for tensor in tensors), as_float(0))
        return ops.logical_not(ops.isfinite(total))

    def broken() -> Any:
        wrong = [ops.any(ops.logical_not(ops.isfinite(loss))) for loss in losses]
        for old, new in zip(before, updated.whole(), strict=True):
            lost = ops.logical_not(ops.isfinite(new))
            lost = lost if old is None else ops.logical_and(lost, ops.isfinite(old))
            wrong.append(ops.any(lost))
        return ops.any(ops.stack(wrong)) if wrong else ops.convert_to_tensor(False)

    return _backend.when(around(doubtful), broken, ops.convert_to_tensor(False))


def chosen(undone: Any, before: Sequence[Any], after: Sequence[Any], ours: set[int]) -> list[Any]:
    """The values that a functional step returns: those before it if it is taken back.

    Args:
        undone: Whether it is.
        before: Values before the step.
        after: Values after it.
        ours: Places that are kept as the step left them.
    """
    places = [place for place in range(len(after)) if place not in ours]
    old = [before[place] for place in places]
    new = [after[place] for place in places]
    made = iter(_backend.when(undone, lambda: old, new))
    return [after[place] if place in ours else next(made) for place in range(len(after))]
