"""Keeps the numbers of the first measured batch that the rules on data need."""

from dataclasses import replace
from typing import Any

import numpy as np
from keras import ops

from keras_initlab import _backend
from keras_initlab._wire import Problem
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.signal.data_rules import COLUMNS, MOST_TENSORS, DataRules

__all__ = ["FirstBatch"]


class FirstBatch:
    """Looks at the inputs and labels of the first look of a `fit`, inside the step.

    Args:
        model: The model.
        anatomy: Its anatomy.
    """

    def __init__(self, model: Any, anatomy: Anatomy):
        self._rules = DataRules(anatomy)
        self.held = _backend.StepState(model, np.zeros((MOST_TENSORS, COLUMNS), np.float32))

    def noted(self, looks: Any, old: Any, data: Any) -> Any:
        """The numbers of a batch, `(MOST_TENSORS, COLUMNS)`, or those of the first one.

        Args:
            looks: How many looks this `fit` has taken before; a tensor in a compiled step.
            old: The numbers that are kept.
            data: Inputs, labels and sample weights.
        """
        if isinstance(looks, int):
            return old if looks else self._table(data)
        return _backend.when(ops.equal(looks, 0), lambda: self._table(data), old)

    def _table(self, data: Any) -> Any:
        try:
            rows = self._rules.rows_of(data[0], data[1])
        except ValueError:
            # A step of the user's own may take what are no inputs of the model.
            rows = []
        rest = ops.zeros((MOST_TENSORS - len(rows), COLUMNS), "float32")
        return ops.concatenate([ops.stack(rows), rest]) if rows else rest

    def problems(self, step: int) -> tuple[Problem, ...]:
        """What is wrong with that batch.

        Args:
            step: When it was looked at.
        """
        found = self._rules.problems(self.held.read()[0])
        return tuple(
            replace(problem, step=step, text=f"step {step}, {problem.text}") for problem in found
        )
