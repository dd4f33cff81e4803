"""The rules on labels: whether a head and its loss fit each other, and the labels fit both."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_initlab._wire import Problem
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.signal.telling import Cause, told

__all__ = [
    "LARGE",
    "OF_CLASSES",
    "OF_NUMBERS",
    "RANGES",
    "ClassRule",
    "NumberRule",
    "activation_of_head",
    "data_problem",
    "described",
]

# Root mean square of a column, or of labels, from which on they drown weights of any scheme.
LARGE = 30.0

# Share of the examples or labels that may be odd.
_SOME = 0.05

# What the last activation can give.
RANGES = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "cosine": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, math.inf),
    "exponential": (0.0, math.inf),
}

OF_NUMBERS = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
OF_CLASSES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")


def data_problem(
    rule: str, what: str, layers: list[Any], value: float, limit: float, seen: str, cause: Cause
) -> Problem:
    """A problem of the data of layers, its step 0."""
    names = tuple(dict.fromkeys(layer.name for layer in layers))
    return told(Problem(rule, what, names, 0, float(value), float(limit), ""), seen, cause)


def activation_of_head(anatomy: Anatomy, head: Any) -> str:
    """The name of the last activation, `"linear"` where there is none, empty where unknown."""
    if isinstance(head, keras.layers.Dot):
        return "cosine" if head.normalize else "linear"
    name = anatomy.nonlinearities.of(head).name
    return name or ("linear" if hasattr(head, "kernel") else "")


def described(loss: Any) -> tuple[str, bool]:
    """The name of a loss, as a function, and whether it takes logits."""
    name = getattr(loss, "__name__", "") or type(loss).__name__
    logits = isinstance(loss, keras.losses.Loss) and bool(loss.get_config().get("from_logits"))
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), logits


@dataclass(frozen=True)
class ClassRule:
    """Whether a head and its labels suit a cross entropy.

    Args:
        head: The layer whose outputs the loss takes.
        activation: Its activation.
        loss: The name of the loss.
        from_logits: Whether the loss takes logits.
        again: Whether the loss applies the activation to what it gets.
        units: Outputs of the head.
    """

    head: Any
    activation: str
    loss: str
    from_logits: bool
    again: bool
    units: int | None

    @property
    def highest(self) -> int:
        """The highest label that the loss takes."""
        return self.units - 1 if self.loss.startswith("sparse") and self.units else 1

    @property
    def is_of_one(self) -> bool:
        """Whether an example can have one class only, and its labels show how many it has."""
        one = self.activation == "softmax" and (self.units or 0) > 1
        return one and not self.loss.startswith("sparse")

    def __call__(self, row: np.ndarray) -> Iterator[Problem]:
        """What is wrong, by the numbers of the labels."""
        head, loss = self.head.name, self.loss
        if self.activation == "softmax" and self.units == 1:
            yield self._mismatch(
                f"{head} takes the softmax of one unit, which is always 1",
                f"no gradient of the loss {loss} passes through it",
                "end in a sigmoid",
                'activation="sigmoid"',
            )
        elif self.activation == "linear" and not self.from_logits:
            binary = loss.startswith("binary")
            right = "sigmoid" if binary else "softmax"
            yield self._mismatch(
                f"{head} has a linear activation",
                f"the loss {loss} treats its outputs as probabilities",
                f'use from_logits=True, or activation="{right}"',
                f'activation="{right}"',
            )
        elif self.activation in ("sigmoid", "softmax") and self.again:
            yield self._mismatch(
                f"{head} ends in {self.activation}",
                f"the loss {loss} with from_logits=True applies it again",
                "use a linear head, or from_logits=False",
                'activation="linear"',
            )
        if self.is_of_one and row[4] > _SOME:
            yield self._mismatch(
                f"{row[4]:.0%} of the examples have several labels",
                f"the softmax of {head} gives all of its outputs a sum of 1",
                "end in a sigmoid, with the loss binary_crossentropy",
                'activation="sigmoid"',
            )
        if row[3] > 0:
            yield self._mismatch(
                f"{row[3]:.0%} of the labels lie outside 0 to {self.highest}",
                f"the loss {loss} expects only these for the {self.units} outputs of {head}",
                "number the classes from 0, and give the head one output per class",
            )

    def _mismatch(self, seen: str, reason: str, fix: str, code: str = "") -> Problem:
        cause = Cause("head-loss-mismatch", reason, fix, code)
        return data_problem(
            "head-loss-mismatch", "labels", [self.head], self.units or 0, 0, seen, cause
        )


@dataclass(frozen=True)
class NumberRule:
    """Whether labels have a size and a range that a head reaches."""

    head: Any
    activation: str
    loss: str

    def __call__(self, row: np.ndarray) -> Iterator[Problem]:
        """What is wrong, by the numbers of the labels."""
        size, least, largest, outside = row[:4].tolist()
        low, high = RANGES.get(self.activation, (-math.inf, math.inf))
        if outside > _SOME:
            yield data_problem(
                *("head-loss-mismatch", "labels", [self.head], outside, _SOME),
                f"the labels range from {least:.3g} to {largest:.3g}, and the outputs of "
                f"{self.head.name} ({self.activation}) from {low:.3g} to {high:.3g}",
                Cause(
                    "head-loss-mismatch",
                    f"so the loss {self.loss} cannot go down",
                    "scale the labels to that range, or end in a linear layer",
                    'activation="linear"',
                    {"outside": outside},
                ),
            )
        elif size > LARGE and math.isinf(high):
            yield data_problem(
                *("label-scale", "labels", [self.head], size, LARGE),
                f"the labels are large, with a root mean square of {size:.3g}",
                Cause(
                    "label-scale",
                    f"outputs start near 0, and the gradient of {self.loss} at {self.head.name} "
                    "grows with the labels",
                    "standardize the labels, or divide them by that number",
                    evidence={"rms": size},
                ),
            )
