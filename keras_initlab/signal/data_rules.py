"""The rules on data: whether the first layers, the heads and the losses can work with them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab._wire import Problem
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.inputs import input_pairs
from keras_initlab.signal.head_rules import (
    LARGE,
    OF_CLASSES,
    OF_NUMBERS,
    RANGES,
    ClassRule,
    NumberRule,
    activation_of_head,
    data_problem,
    described,
)
from keras_initlab.signal.telling import Cause

__all__ = ["COLUMNS", "MOST_ROWS", "MOST_TENSORS", "DataRules"]

# Mean of a column over its deviation from which on all examples look alike.
_OFFSET = 4.0

# So many examples are looked at, and so many inputs and labels.
MOST_ROWS, MOST_TENSORS = 4096, 64

# Numbers about a tensor. Of an input: the largest root mean square of its columns, and where; the
# share of the columns that vary and lie far from 0, and of the one that does most, where, mean and
# deviation. Of labels: root mean square, least, largest, share outside of what the head can give,
# and, where the head gives one class, share of the examples with several.
COLUMNS = 6

# Sum of the labels of an example from which on several of its classes are true at once.
_SEVERAL = 1.01

_Rule = Callable[[np.ndarray], Iterator[Problem]]


class DataRules:
    """Judges the inputs and labels of a model, and its heads beside their losses.

    Args:
        anatomy: Of a built Keras model.
        loss: As `compile` takes it; `None` for the compiled one.
    """

    def __init__(self, anatomy: Anatomy, loss: Any = None):
        self._anatomy, self._loss = anatomy, loss
        self._rules: list[_Rule] = []

    def rows_of(self, x: Any, y: Any) -> list[Any]:
        """The numbers that the rules need, `COLUMNS` of each tensor; works inside a step.

        Args:
            x: Inputs, arrays or tensors.
            y: Labels.
        """
        found = [*self._inputs(x), *self._labels(y)][:MOST_TENSORS]
        self._rules = [rule for rule, _ in found]
        return [row for _, row in found]

    def problems(self, table: np.ndarray) -> tuple[Problem, ...]:
        """What is wrong.

        Args:
            table: What `rows_of` gave, `(tensors, COLUMNS)`; more rows may follow.
        """
        pairs = zip(self._rules, table, strict=False)
        return tuple(problem for rule, row in pairs for problem in rule(row))

    def _inputs(self, x: Any) -> Iterator[tuple[_Rule, Any]]:
        model = self._anatomy.model
        for tensor, array in input_pairs(model, x):
            readers = self._anatomy.graph.readers_of(tensor)
            values = _judgeable(array)
            if readers and values is not None:
                yield _InputRule(tensor.name, readers), _input_row(values)

    def _labels(self, y: Any) -> Iterator[tuple[_Rule, Any]]:
        model = self._anatomy.model
        outputs = list(getattr(model, "outputs", None) or [])
        labels = [] if y is None else keras.tree.flatten(y)
        losses = _backend.losses_by_output(model, self._loss) if outputs and labels else []
        if not len(outputs) == len(labels) == len(losses):
            return
        for tensor, array, held in zip(outputs, labels, losses, strict=True):
            head = self._anatomy.graph.maker_of(tensor)
            values = None if array is None else _judgeable(array)
            if head is None or held is None or values is None:
                continue
            name, from_logits = described(held)
            activation = activation_of_head(self._anatomy, head)
            if name in OF_CLASSES:
                again = from_logits and not self._finds_logits(tensor)
                rule = ClassRule(head, activation, name, from_logits, again, tensor.shape[-1])
                row = _label_row(values, 0.0, float(rule.highest), 0.0)
                yield rule, _with_several(row, values) if rule.is_of_one else row
            elif name in OF_NUMBERS:
                low, high = RANGES.get(activation, (-math.inf, math.inf))
                yield NumberRule(head, activation, name), _label_row(values, low, high, 0.01)

    def _finds_logits(self, tensor: Any) -> bool:
        """Whether Keras finds the logits of an output: on the very tensor of the activation."""
        cast = keras.backend.standardize_dtype(tensor.dtype) != keras.config.floatx()
        return _backend.finds_logits() and not cast and not self._anatomy.graph.is_reshaped(tensor)


def _judgeable(array: Any) -> Any:
    """The first examples as numbers; `None` where they are none, or have no length."""
    if _backend.is_sparse(array) or not _backend.is_numeric(array):
        return None
    values = _backend.dense_values(array)
    rank = _backend.rank_of(values)
    if not rank or 0 in tuple(values.shape) or (rank > 1 and values.shape[-1] is None):
        return None
    return ops.cast(values[:MOST_ROWS], "float32")


def _input_row(values: Any) -> Any:
    width = values.shape[-1] if len(values.shape) > 1 else 1
    columns = ops.reshape(values, (-1, width))
    mean = ops.mean(columns, axis=0)
    variance = ops.mean(ops.square(columns - mean), axis=0)
    size, spread = ops.sqrt(ops.square(mean) + variance), ops.sqrt(variance)
    varies = ops.cast(spread > 0, "float32")
    far = ops.cast(ops.abs(mean) > _OFFSET * spread, "float32") * varies
    # Columns of one number have no deviation to be far from.
    off = ops.abs(mean) * varies / ops.where(spread > 0, spread, 1.0)
    share = ops.sum(far) / ops.maximum(ops.sum(varies), 1.0)
    largest, worst = ops.argmax(size), ops.argmax(off)
    numbers = [ops.max(size), largest, share, worst, ops.take(mean, worst), ops.take(spread, worst)]
    return ops.stack([ops.cast(number, "float32") for number in numbers])


def _label_row(labels: Any, low: float, high: float, slack: float) -> Any:
    size = ops.sqrt(ops.mean(ops.square(labels)))
    reach = slack * ops.maximum(size, 1.0)
    outside = ops.logical_or(labels < low - reach, labels > high + reach)
    share = ops.mean(ops.cast(outside, "float32"))
    numbers = [size, ops.min(labels), ops.max(labels), share, 0.0, 0.0]
    return ops.stack([ops.cast(number, "float32") for number in numbers])


def _with_several(row: Any, labels: Any) -> Any:
    """The row with the share of the examples that have more than one label."""
    several = ops.sum(labels, axis=-1) > _SEVERAL if len(labels.shape) > 1 else ops.zeros((1,))
    share = ops.mean(ops.cast(several, "float32"))
    return ops.concatenate([row[:4], ops.stack([share, ops.zeros_like(share)])])


@dataclass(frozen=True)
class _InputRule:
    """Whether the columns of an input have a size and a mean that weights can work with."""

    name: str
    readers: list[Any]

    def __call__(self, row: np.ndarray) -> Iterator[Problem]:
        size, largest, share, worst, mean, spread = row.tolist()
        named = " and ".join(layer.name for layer in self.readers[:2])
        if share > 0.5:
            yield data_problem(
                *("input-offset", "inputs", self.readers, abs(mean) / spread, _OFFSET),
                f"column {worst:.0f} of the input {self.name} has mean {mean:.3g} and standard "
                f"deviation {spread:.3g}",
                Cause(
                    "input-offset",
                    f"so all examples look alike to {named}",
                    "subtract the mean of the inputs and divide by their standard deviation, as "
                    "keras.layers.Normalization does",
                    "keras.layers.Normalization()",
                    {"mean": mean, "deviation": spread},
                ),
            )
        elif size > LARGE:
            yield data_problem(
                *("input-scale", "inputs", self.readers, size, LARGE),
                f"column {largest:.0f} of the input {self.name} is large, with a root mean square "
                f"of {size:.3g}",
                Cause(
                    "input-scale",
                    f"weights of any scheme expect inputs near 1, and {named} reads this one "
                    "unscaled",
                    "scale the inputs: divide pixels by 255, standardize numbers "
                    "(keras.layers.Normalization), take the logarithm of counts",
                    "keras.layers.Normalization()",
                    {"rms": size},
                ),
            )
