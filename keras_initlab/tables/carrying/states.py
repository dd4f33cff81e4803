"""The optimizers of two models, made ready for what moves between them."""

from typing import Any

from keras_initlab import _backend
from keras_initlab._backend import OptimizerState, Slot

__all__ = ["States"]


class States:
    """What the optimizers of two models keep.

    Args:
        old: The trained model.
        new: The other; its optimizer is built if it is not.

    Raises:
        TypeError: If an optimizer is unknown.
        ValueError: If the models have different optimizers.
    """

    def __init__(self, old: Any, new: Any):
        theirs, ours = _backend.optimizers_of(old), _backend.optimizers_of(new)
        kinds = [[type(one).__name__ for one in part] for part in (theirs, ours)]
        if kinds[0] != kinds[1]:
            told = [" and ".join(part) or "none" for part in kinds]
            raise ValueError(
                "Slots move between optimizers of the same class. Received: "
                f"{told[0]} in the old model, {told[1]} in the new one. Try `compile` with the "
                "same optimizer, or `optimizer=False`, which carries the weights alone."
            )
        self._pairs: list[tuple[OptimizerState, OptimizerState]] = []
        for before, now in zip(theirs, ours, strict=True):
            if not before.built:
                continue
            if not now.built:
                _build(now, new)
            self._pairs.append((OptimizerState(before), OptimizerState(now)))

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def slots(self, weight: Any, other: Any) -> list[tuple[Slot, Slot]]:
        """Slots of a weight of the new model, each with that of the old one, in the same order.

        Raises:
            ValueError: If the old optimizer keeps different ones.
        """
        found = []
        for before, now in self._pairs:
            held, wanted = before.of(other), now.of(weight)
            if held and wanted and held.keys() != wanted.keys():
                raise ValueError(
                    f"The optimizers keep different slots of the weight {weight.path!r}. Received: "
                    f"{', '.join(held)} in the old model, {', '.join(wanted)} in the new one. Try "
                    "an optimizer of the same arguments, or `optimizer=False`."
                )
            found += [(wanted[name], held[name]) for name in wanted if name in held]
        return found

    def shared(self) -> list[tuple[Any, Any]]:
        """Counters and products of the new optimizers, each with the old one.

        Raises:
            ValueError: If the old optimizer keeps different ones.
        """
        found = []
        for before, now in self._pairs:
            if before.shared.keys() != now.shared.keys():
                raise ValueError(
                    "The optimizers must be built alike. Received: "
                    f"{', '.join(before.shared)} in the old model, {', '.join(now.shared)} in the "
                    "new one. Try an optimizer of the same arguments, or `optimizer=False`."
                )
            found += [(now.shared[name], before.shared[name]) for name in now.shared]
        return found


def _build(optimizer: Any, model: Any) -> None:
    compiled: Any = getattr(model, "optimizer", None)
    if optimizer is not compiled:
        raise ValueError(
            f"The optimizer {optimizer.name!r} of {model.name!r} is not built, and only the model "
            "knows the weights that it trains. Try `optimizer.build(weights)` first."
        )
    compiled.build(model.trainable_variables)
