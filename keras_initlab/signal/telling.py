"""A problem as people read it: one text for reports, three lines for a console."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from keras_initlab._wire import Problem
from keras_initlab._words import printable

__all__ = [
    "Cause",
    "behind_causes",
    "behind_lasting",
    "block_of",
    "cause_of",
    "following",
    "lasting",
    "told",
]

# Columns of the block on a console.
_WIDTH = 100


@dataclass(frozen=True)
class Cause:
    """What brought a problem about.

    Args:
        id: Its name, as in docs/verdicts.md; `None` where several things could be the cause.
        reason: Why, in words with the numbers that show it.
        fix: What to do, in words.
        code: What to write, as arguments of the layer or of `compile`; empty if only words can say
            it.
        evidence: The numbers by name.
    """

    id: str | None
    reason: str
    fix: str
    code: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)


def told(problem: Problem, seen: str, cause: Cause, before: str = "") -> Problem:
    """The problem with its cause, and all of it as one text.

    Args:
        problem: A problem without words.
        seen: Where, and the symptom.
        cause: What brought it about.
        before: What the text begins with.
    """
    return replace(
        problem,
        text=printable(f"{before}{seen}; {cause.reason}: {cause.fix}."),
        cause=cause.id,
        symptoms=(printable(seen),),
        reason=printable(cause.reason),
        fix=printable(cause.fix),
        code=printable(cause.code),
        evidence=dict(cause.evidence),
    )


def cause_of(problem: Problem) -> Any:
    """The same for two problems of one cause and one fix, however they show.

    Of an unknown cause, and of numbers that are not finite, each problem is one by itself.
    """
    if problem.cause is None or problem.rule == "nonfinite":
        return id(problem)
    return problem.cause, problem.fix, problem.code


def behind_causes(
    causes: tuple[Problem, ...], problems: tuple[Problem, ...]
) -> tuple[Problem, ...]:
    """Problems of the data, the first one with what follows from it as its symptoms.

    Args:
        causes: What is wrong with the data.
        problems: What is wrong with the signal.
    """
    if not causes:
        return problems
    first = causes[0]
    seen = dict.fromkeys(f"{one.rule} {one.what} in {one.where}" for one in problems)
    also = f" Seen as {', '.join(seen)}." if seen else ""
    symptoms = (*first.symptoms, *(symptom for one in problems for symptom in one.symptoms))
    return (replace(first, text=printable(first.text + also), symptoms=symptoms), *causes[1:])


# Causes of their own, whatever else is wrong with the data.
_FIRM = ("input-nonfinite", "label-nonfinite", "nonfinite-op", "weights-equal", "rate-zero")


# Causes in the weights as they begin, the ways in which a signal is lost by them, and the causes by
# which it grows.
_OF_WEIGHTS = ("weights-equal", "weights-small", "weights-mean", "bias-dead", "saturating")
_LOST = ("vanishing", "dead", "collapsed")
_OF_GROWTH = ("residual-growth", "weights-large")


def lasting(problems: tuple[Problem, ...], first: tuple[Problem, ...]) -> Problem | None:
    """The cause in the first snapshot by which the signal is still lost, or still grows.

    Args:
        problems: What is wrong with a later snapshot.
        first: What was wrong with the first one.
    """
    for cause in first:
        of_weights = cause.cause in _OF_WEIGHTS and cause.rule in _LOST
        of_growth = cause.cause in _OF_GROWTH and cause.rule == "exploding"
        rules = _LOST if of_weights else ("exploding",) if of_growth else ()
        still = (layer for one in problems if one.rule in rules for layer in one.layers)
        if not set(cause.layers).isdisjoint(still):
            return cause
    return None


def behind_lasting(problem: Problem, cause: Problem) -> Problem:
    """A later problem beside a cause that lasts.

    Args:
        problem: The later problem.
        cause: What `lasting` has found.
    """
    if cause.cause in _OF_GROWTH:
        return following(problem, cause) if problem.cause in ("rate-high", None) else problem
    lost = problem.rule in (*_LOST, "stalled") and problem.cause not in _OF_WEIGHTS
    return following(problem, cause) if lost and problem.cause != "rate-zero" else problem


def following(problem: Problem, cause: Problem) -> Problem:
    """A later problem of the signal beside a cause that was found before.

    Args:
        problem: The later problem.
        cause: The earlier one, of the data or of the weights.
    """
    if problem.cause in _FIRM:
        return problem
    reason = f"it follows from the problem at step {cause.step}, {cause.symptoms[0]}"
    behind = Cause(cause.cause, reason, cause.fix, cause.code, cause.evidence)
    return told(problem, problem.symptoms[0], behind, f"step {problem.step}, ")


def block_of(problem: Problem, *, colour: bool = False) -> str:
    """A headline with the symptom, a line with the reason and its numbers, and one with the fix.

    Args:
        problem: The problem.
        colour: Whether a terminal reads it.
    """
    if not problem.symptoms:
        return problem.text
    headline = f"keras_initlab · step {problem.step} · {problem.symptoms[0]}"
    fix = f"fix: {_shortest(problem)}"
    lines = (headline, problem.reason, fix)
    styles = ("\x1b[1;33m", "", "\x1b[32m") if colour else ("", "", "")
    return "\n".join(
        f"{style}{wrapped}\x1b[0m" if style else wrapped
        for line, style in zip(lines, styles, strict=True)
        for wrapped in textwrap.wrap(line, _WIDTH, subsequent_indent="    ")
    )


def _shortest(problem: Problem) -> str:
    """The code where it says all, else the words, with the code where they lack it."""
    if not problem.code or problem.code in problem.fix:
        return problem.fix
    if problem.fix.startswith("use "):
        return problem.code
    return f"{problem.fix}: {problem.code}"
