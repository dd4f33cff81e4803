"""Reports each problem once, and acts as the user wants."""

import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, get_args

from keras_initlab._wire import Problem
from keras_initlab.signal.telling import block_of

__all__ = ["Action", "Gaps", "Judge", "OddLogs", "SignalError", "SignalWarning"]

Action: TypeAlias = Literal["warn", "raise", "stop"]


# Ways in which a signal is lost: a layer that has lost it one way is not told the others too.
_GONE = ("vanishing", "dead", "collapsed")


class SignalWarning(UserWarning):
    """A layer's signal has a problem."""


class SignalError(RuntimeError):
    """A layer's signal has a problem, and `on_problem` is `"raise"`.

    Args:
        problem: The problem.
    """

    def __init__(self, problem: Problem):
        super().__init__(problem.text)
        self.problem = problem


class Gaps:
    """What was asked for and not seen, and why.

    Attributes:
        reasons: The reasons, without repetition.
    """

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._told: list[str] = []

    def add(self, reason: str) -> None:
        """Keep a reason for the report."""
        self.reasons.append(reason)

    def warn(self, reason: str) -> None:
        """Keep a reason, and warn about it once."""
        if reason not in self.reasons:
            self.add(reason)
            _warn(reason)

    def tell(self, note: str) -> None:
        """Warn about something that hides nothing, and keep it for the report."""
        self._told.append(note)
        _warn(note)

    def beside(self, watcher: Any) -> tuple[tuple[str, ...], bool]:
        """These reasons and the notes of a watcher, and whether something was not seen at all.

        Args:
            watcher: The last one, `None` where there was none.
        """
        blind = bool(self.reasons) or (watcher is not None and watcher.failed)
        notes = watcher.notes if watcher is not None else ()
        return tuple(dict.fromkeys([*self.reasons, *self._told, *notes])), blind


class OddLogs:
    """Which of Keras's numbers of a batch are not finite."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()

    def are_new(self, logs: Mapping[str, Any]) -> bool:
        """Whether a number is not finite now that was finite at the batch before."""
        before = self._names
        self._names = frozenset(name for name, value in logs.items() if not _is_finite(value))
        return bool(self._names - before)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except (TypeError, ValueError):
        # A metric may be a vector, or no number at all.
        return True


class Judge:
    """Acts on problems, and remembers which it has reported.

    Args:
        on_problem: `"warn"`, `"raise"`, `"stop"`, or a function that takes a `Problem`; `None`
            keeps problems in the report and says nothing.
        skips: Whether steps that are not finite are skipped, so that one of them ends nothing.

    Raises:
        ValueError: If it is none of these.
    """

    def __init__(
        self, on_problem: Action | Callable[[Problem], object] | None, *, skips: bool = False
    ):
        if not (on_problem is None or callable(on_problem) or on_problem in get_args(Action)):
            raise ValueError(
                f"`on_problem` must be one of {', '.join(get_args(Action))}, a function or None. "
                f"Received: on_problem={on_problem!r}."
            )
        self.problems: list[Problem] = []
        self._on_problem = on_problem
        self._skips = skips
        self._reported: set[tuple[str, str, str]] = set()
        self._told: set[tuple[str | None, str, str]] = set()
        self._over = False

    def fresh(self) -> "Judge":
        """A judge that acts the same and has reported nothing yet."""
        return Judge(self._on_problem, skips=self._skips)

    def begin(self) -> None:
        """Listen again, for a new `fit`."""
        self._over = False

    def hear(self, problems: tuple[Problem, ...], model: Any) -> None:
        """Act on the problems whose layers were not yet reported for the same rule.

        A problem that spreads to further layers is the same problem, and so is another problem with
        the cause and the fix of an earlier one. After numbers that are not finite nothing else is
        reported.

        Raises:
            SignalError: If there is one and the user wants it raised.
        """
        if self._over:
            return
        for problem in problems:
            # Of skipped steps only too many in a row end a training, whatever the user wants.
            self._over |= problem.rule == "nonfinite" and not self._is_skip(problem)
            if problem.what == "steps":
                model.stop_training = True
        new = [problem for problem in problems if self._is_new(problem)]
        self.problems += new
        causes = {_cause_of(problem): problem for problem in reversed(new)}
        self._told |= causes.keys()
        for problem in new:
            if problem.cause is not None and causes[_cause_of(problem)] is not problem:
                continue
            if callable(self._on_problem):
                self._on_problem(problem)
            elif self._on_problem is not None:
                self._act(problem, model)

    def _is_skip(self, problem: Problem) -> bool:
        return self._skips and problem.rule == "nonfinite" and problem.what != "steps"

    def _is_new(self, problem: Problem) -> bool:
        rule = "gone" if problem.rule in _GONE else problem.rule
        keys = {(rule, problem.what, layer) for layer in problem.layers}
        fresh = keys.isdisjoint(self._reported)
        self._reported |= keys
        known = problem.cause is not None and _cause_of(problem) in self._told
        return fresh and not (known and problem.rule != "nonfinite")

    def _act(self, problem: Problem, model: Any) -> None:
        goes_on = self._is_skip(problem)
        if self._on_problem == "raise" and not goes_on:
            raise SignalError(problem)
        if self._on_problem == "stop" and not goes_on:
            model.stop_training = True
        # No line of code is at fault, so the warning shows none; the block has lines of its own.
        told = bool(problem.symptoms)
        text = f"\n{block_of(problem, colour=_is_terminal())}" if told else problem.text
        _warn(text)


def _warn(text: str) -> None:
    warnings.warn_explicit(text, SignalWarning, "<ActivationVarianceLogger>", 1)


def _cause_of(problem: Problem) -> tuple[str | None, str, str]:
    """Two problems of one cause and one fix are one, however they show."""
    return problem.cause, problem.fix, problem.code


def _is_terminal() -> bool:
    """Whether a warning goes to a terminal that shows colours."""
    captured = getattr(logging, "_warnings_showwarning", None) is not None
    plain = captured or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return not plain and bool(getattr(sys.stderr, "isatty", bool)())
