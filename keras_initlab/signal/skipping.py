"""What is reported about training steps that were skipped because they were not finite."""

from collections.abc import Sequence
from dataclasses import replace

from keras_initlab._wire import Problem
from keras_initlab.signal.telling import Cause, told

__all__ = ["at_limit", "in_short", "marked_as_skipped"]

# Steps named in a line.
_NAMED = 12


def marked_as_skipped(problem: Problem) -> Problem:
    """The problem of a bad step that was skipped."""
    mark = "the step was skipped"
    symptoms = tuple(f"{symptom} ({mark})" for symptom in problem.symptoms)
    return replace(problem, text=f"{problem.text[:-1]}; {mark}.", symptoms=symptoms)


def at_limit(first: Problem, steps: Sequence[int]) -> Problem:
    """The problem that the largest allowed number of steps in a row was skipped.

    Args:
        first: The first bad step of the `fit`.
        steps: Those in a row.
    """
    count = len(steps)
    seen = f"the last {count} steps were not finite and were skipped, so training stops"
    cause = Cause(
        first.cause,
        f"the model is as it was before step {steps[0]}; the first bad step was {first.step}: "
        f"{first.symptoms[0]}",
        "fix that, or allow more in a row if the data cause it (skip_nonfinite=100)",
        evidence={"skipped": float(count)},
    )
    problem = Problem("nonfinite", "steps", first.layers, steps[-1], float(count), float(count), "")
    return told(problem, seen, cause, f"step {steps[-1]}, ")


def in_short(steps: Sequence[int]) -> str:
    """How many steps were skipped, and the first of them."""
    count = len(steps)
    named = ", ".join(str(step) for step in steps[:_NAMED])
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    words = "1 step was" if count == 1 else f"{count} steps were"
    return f"{words} not finite and skipped: {named}{more}."
