"""The state of Keras's optimizers: which numbers belong to which weight, and of what kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

__all__ = ["OptimizerState", "Slot"]

# What a slot holds: "first", a mean of gradients; "second", a mean of their squares; "value", a
# copy or mean of the weight; "columns", one number for each column of the weight; "linear", the
# sum from which Ftrl computes the weight.
_FIRST, _SECOND = ("momentum", "first"), ("velocity", "second")
_KEPT: dict[str, dict[str, tuple[str, str]]] = {
    "Adadelta": {
        "_accumulated_grads": ("accumulated_grad", "second"),
        "_accumulated_delta_vars": ("accumulated_delta_var", "second"),
    },
    "Adafactor": {
        "_r": ("row_velocity", "second"),
        "_c": ("column_velocity", "columns"),
        "_v": _SECOND,
    },
    "Adagrad": {"_accumulators": ("accumulator", "second")},
    "Adam": {
        "_momentums": _FIRST,
        "_velocities": _SECOND,
        "_velocity_hats": ("velocity_hat", "second"),
    },
    "Adamax": {"_m": _FIRST, "_u": ("norm", "second")},
    "Ftrl": {"_accumulators": ("accumulator", "second"), "_linears": ("linear", "linear")},
    "Lamb": {"_momentums": _FIRST, "_velocities": _SECOND},
    "Lion": {"_momentums": _FIRST},
    "LossScaleOptimizer": {},
    "MultiOptimizer": {},
    "Muon": {"momentums": _FIRST, "adam_velocities": _SECOND},
    "Nadam": {"_momentums": _FIRST, "_velocities": _SECOND},
    "RMSprop": {
        "_velocities": _SECOND,
        "_momentums": _FIRST,
        "_average_gradients": ("average_gradient", "first"),
    },
    "SGD": {"momentums": _FIRST},
    "ScheduleFreeAdamW": {"_momentums": ("momentum", "value"), "_velocities": _SECOND},
}
_OF_ALL = {
    "_model_variables_moving_average": ("average", "value"),
    "_accumulated_gradients": ("gradient_accumulator", "first"),
}
# Only where an argument asks for them.
_OPTIONAL = {"_velocity_hats", *_OF_ALL}
_SHARED = {
    "LossScaleOptimizer": ("step_counter", "dynamic_scale"),
    "Nadam": ("_u_product",),
}


@dataclass(frozen=True)
class Slot:
    """Numbers that an optimizer keeps for a weight.

    Args:
        name: Unlike those of the weight's other slots, `"velocity"` say.
        kind: `"first"`, `"second"`, `"value"`, `"columns"` or `"linear"`.
        variable: The numbers, of the weight's shape or with an axis left out.
        start: What every number is before training, 0 or more.
        floor: What a number of a row without gradients may exceed `start` by.
        optimizer: The optimizer that keeps it.
    """

    name: str
    kind: str
    variable: Any
    start: float
    floor: float
    optimizer: Any


class OptimizerState:
    """All numbers that a built optimizer keeps.

    Args:
        optimizer: A Keras optimizer; a `LossScaleOptimizer` and a `MultiOptimizer` with what is
            inside.

    Raises:
        TypeError: If the optimizer keeps a number that is not known here.
    """

    def __init__(self, optimizer: Any):
        self._slots: dict[int, dict[str, Slot]] = {}
        #: By name, the variables that belong to no weight: counters and products.
        self.shared: dict[str, Any] = {}
        for prefix, part in _parts_of(optimizer):
            self._add(prefix, part)

    def of(self, variable: Any) -> dict[str, Slot]:
        """The slots of a weight by name; none of a weight that is not trained."""
        return self._slots.get(id(variable), {})

    def _add(self, prefix: str, optimizer: Any) -> None:
        kind = _known_class(optimizer)
        rate = optimizer._learning_rate
        counted = {id(optimizer._iterations), id(rate)}
        self.shared[f"{prefix}iterations"] = optimizer._iterations
        for name in _SHARED.get(kind, ()):
            self.shared[f"{prefix}{name.strip('_')}"] = getattr(optimizer, name)
            counted.add(id(getattr(optimizer, name)))
        for attribute, (name, what) in (_KEPT[kind] | _OF_ALL).items():
            held = getattr(optimizer, attribute, () if attribute in _OPTIONAL else None)
            if held is None:
                raise _unknown(optimizer, f"it keeps no {attribute!r}")
            weights = optimizer._trainable_variables if len(held) else ()
            for weight, kept in zip(weights, held, strict=True):
                if kept is not None:
                    counted.add(id(kept))
                    self._keep(
                        weight, Slot(name, what, kept, *_start_of(optimizer, what), optimizer)
                    )
        left = [value.path for value in optimizer._variables if id(value) not in counted]
        if left:
            raise _unknown(optimizer, f"it also keeps {left[0]!r}")

    def _keep(self, weight: Any, slot: Slot) -> None:
        # Adafactor keeps one unused number where it does not factor.
        if slot.variable.shape or not weight.shape:
            self._slots.setdefault(id(weight), {})[slot.name] = slot


def _parts_of(optimizer: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    yield prefix, optimizer
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        yield from _parts_of(inner, f"{prefix}inner/")
    for place, part in enumerate(getattr(optimizer, "_inner_optimizers", ())):
        yield from _parts_of(part, f"{prefix}{place}/")


def _known_class(optimizer: Any) -> str:
    for cls in type(optimizer).__mro__:
        if cls.__name__ in _KEPT and cls is getattr(keras.optimizers, cls.__name__, None):
            return cls.__name__
    raise _unknown(optimizer, "it is none of Keras's optimizers")


def _start_of(optimizer: Any, kind: str) -> tuple[float, float]:
    if kind != "second":
        return 0.0, 0.0
    start = float(getattr(optimizer, "initial_accumulator_value", 0.0))
    # Adafactor adds this number to the square of every gradient.
    return start, 2.0 * float(getattr(optimizer, "epsilon_1", 0.0))


def _unknown(optimizer: Any, why: str) -> TypeError:
    return TypeError(
        f"The optimizer {optimizer.name!r} of class {type(optimizer).__name__} keeps numbers that "
        f"cannot be told apart: {why}. Try one of keras.optimizers, or `optimizer=False`, which "
        "carries the weights alone."
    )
