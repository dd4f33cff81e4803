"""Problems as the page lists them: one entry for all snapshots that break a rule alike."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from keras_initlab._wire import Problem

__all__ = ["described_problems", "grouped"]

_MOST_PROBLEMS = 500


def grouped(problems: Sequence[Problem]) -> list[list[Problem]]:
    """Problems grouped by rule and layers, in the order of their first step."""
    groups: dict[Any, list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.rule, problem.what, problem.layers), []).append(problem)
    return list(groups.values())


def described_problems(problems: Sequence[Problem], message: str = "") -> dict[str, Any]:
    """The groups as plain values: their first problems, with `last_step` and `count` of snapshots.

    Args:
        problems: The problems, oldest first.
        message: Why some cannot be read.
    """
    groups = grouped(problems)
    shown = [
        {**asdict(group[0]), "last_step": group[-1].step, "count": len(group)}
        for group in groups[:_MOST_PROBLEMS]
    ]
    return {"problems": shown, "total": len(groups), "message": message}
