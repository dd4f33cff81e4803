"""How far the steps of an optimizer follow the size of a gradient."""

import math
from dataclasses import dataclass
from typing import Any

import keras

from keras_initlab._backend.model import optimizers_of

# From here on an optimizer counts as one that follows the size of a gradient.
_FOLLOWS = 1e-2


@dataclass(frozen=True)
class StepRule:
    """What is known of the steps of an optimizer.

    Args:
        smallest: Gradients above this are divided by their size; 0 where none are, or nothing is
            known.
        rate: Smaller gradients are multiplied by this, all steps that momentum repeats added up; 0
            where that is not known, or changes with the steps.
    """

    smallest: float = 0.0
    rate: float = 0.0

    @property
    def divides(self) -> bool:
        """Whether a gradient's size does not matter, down to small ones."""
        return 0 < self.smallest < _FOLLOWS


def step_rule_of(model: Any) -> StepRule:
    """The rule of a model's optimizer; of several the one that is slowest with small gradients."""
    rules = [_rule(single) for optimizer in optimizers_of(model) for single in _singles(optimizer)]
    if not rules:
        return StepRule()
    plain = not all(rule.smallest for rule in rules)
    smallest = 0.0 if plain else max(rule.smallest for rule in rules)
    rates = [rule.rate for rule in rules if not plain or not rule.smallest]
    return StepRule(smallest, min(rates))


def _singles(optimizer: Any) -> list[Any]:
    """The optimizers that a loss scale, or one of several, stands around."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return list(getattr(inner, "optimizers", None) or [inner])


def _rule(optimizer: Any) -> StepRule:
    kinds = keras.optimizers
    if isinstance(optimizer, kinds.SGD):
        return StepRule(0.0, _rate(optimizer) / (1 - optimizer.momentum or 1))
    if isinstance(optimizer, kinds.Lion):
        # It takes the sign.
        return StepRule(float.fromhex("0x1p-126"))
    if isinstance(optimizer, kinds.Adagrad | kinds.Ftrl):
        smallest = math.sqrt(optimizer.initial_accumulator_value)
        return StepRule(smallest, _rate(optimizer) / smallest if smallest else 0.0)
    if isinstance(optimizer, kinds.Adafactor):
        return StepRule(math.sqrt(optimizer.epsilon_1))
    epsilon = float(getattr(optimizer, "epsilon", 0.0))
    # These two add it to the square.
    inside = isinstance(optimizer, kinds.RMSprop | kinds.Adadelta)
    return StepRule(math.sqrt(epsilon) if inside else epsilon)


def _rate(optimizer: Any) -> float:
    """The learning rate, 0 where a schedule sets it."""
    rate = optimizer.get_config().get("learning_rate")
    return float(rate) if isinstance(rate, float | int) else 0.0
