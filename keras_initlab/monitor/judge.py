"""Reports each problem once, and acts as the user wants."""

import warnings
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

from keras_initlab._wire import Problem

__all__ = ["Action", "Gaps", "Judge", "SignalError", "SignalWarning"]

Action: TypeAlias = Literal["warn", "raise", "stop"]


class SignalWarning(UserWarning):
    """A layer's signal has a problem."""


class SignalError(RuntimeError):
    """A layer's signal has a problem, and the user wants training to end.

    Args:
        problem: The problem.
    """

    def __init__(self, problem: Problem):
        super().__init__(problem.text)
        self.problem = problem


class Gaps:
    """What was asked for and not seen, and why.

    Attributes:
        reasons: Why, each thing once.
    """

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def add(self, reason: str) -> None:
        """Keep a reason for the report."""
        self.reasons.append(reason)

    def warn(self, reason: str) -> None:
        """Keep a reason, and warn of it once."""
        if reason not in self.reasons:
            self.add(reason)
            warnings.warn_explicit(reason, SignalWarning, "<ActivationVarianceLogger>", 1)


class Judge:
    """Acts on problems, and remembers which it has reported.

    Args:
        on_problem: `"warn"`, `"raise"`, `"stop"`, or a function that takes a `Problem`; `None`
            keeps problems in the report and says nothing.

    Raises:
        ValueError: If it is none of these.
    """

    def __init__(self, on_problem: Action | Callable[[Problem], object] | None):
        if not (on_problem is None or callable(on_problem) or on_problem in get_args(Action)):
            raise ValueError(
                f"`on_problem` must be one of {', '.join(get_args(Action))}, a function or None. "
                f"Received: on_problem={on_problem!r}."
            )
        self.problems: list[Problem] = []
        self._on_problem = on_problem
        self._reported: set[tuple[str, str, str]] = set()

    def fresh(self) -> "Judge":
        """A judge that acts the same and has reported nothing yet."""
        return Judge(self._on_problem)

    def hear(self, problems: tuple[Problem, ...], model: Any) -> None:
        """Act on the problems whose layers were not yet reported for the same rule.

        A problem that spreads to further layers is the same problem.

        Raises:
            SignalError: If there is one and the user wants it raised.
        """
        new = [problem for problem in problems if self._is_new(problem)]
        self.problems += new
        for problem in new:
            if callable(self._on_problem):
                self._on_problem(problem)
            elif self._on_problem is not None:
                self._act(problem, model)

    def _is_new(self, problem: Problem) -> bool:
        keys = {(problem.rule, problem.what, layer) for layer in problem.layers}
        fresh = keys.isdisjoint(self._reported)
        self._reported |= keys
        return fresh

    def _act(self, problem: Problem, model: Any) -> None:
        if self._on_problem == "raise":
            raise SignalError(problem)
        if self._on_problem == "stop":
            model.stop_training = True
        # No line of code is at fault, so the warning shows none.
        warnings.warn_explicit(problem.text, SignalWarning, "<ActivationVarianceLogger>", 1)
