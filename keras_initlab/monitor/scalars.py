"""What the plain dashboards of TensorBoard show of the looks: scalars, and problems in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from keras_initlab._wire import SECTIONS, Problem
from keras_initlab.signal.looks import Look

__all__ = ["ScalarChoice", "Shown", "checked_scalars"]

ScalarChoice: TypeAlias = Literal["all", "main"]

# By choice and section, the statistic of each category; one chart per layer. The packed records
# hold everything: a scalar for every number takes thirty times the bytes.
_MAIN = {
    "activations": {
        "variance": "activation_variance",
        "dead_fraction": "dead_fraction",
        "saturated_fraction": "saturated_fraction",
    },
    "weights": {"gradient_norm": "gradient_norm", "update_ratio": "update_ratio"},
}
_ALL = {
    "activations": {
        **_MAIN["activations"],
        "mean": "activation_mean",
        "zero_fraction": "zero_fraction",
    },
    "weights": {
        **_MAIN["weights"],
        "weight_variance": "weight_variance",
        "gradient_variance": "gradient_variance",
    },
}
_CHOICES = {"all": _ALL, "main": _MAIN, None: {}}

_Told: TypeAlias = tuple[str, str, str]


def checked_scalars(scalars: ScalarChoice | None) -> ScalarChoice | None:
    """Check `scalars`, and return it unchanged.

    Raises:
        ValueError: If it is not one of the choices.
    """
    if scalars is not None and scalars not in get_args(ScalarChoice):
        raise ValueError(
            "`scalars` chooses the plain scalars of a log: 'main', 'all' or None for none. "
            f"Received: scalars={scalars!r}."
        )
    return scalars


@dataclass(frozen=True)
class Shown:
    """What a log shows so far, and therefore what the next snapshot adds to it.

    Args:
        choice: Which scalars are wanted.
        begun: Tags that have had a number other than zero. In `"main"` a tag begins with it, so
            that no chart shows a flat zero.
        since: The problems that last, with the step at which they began.
    """

    choice: ScalarChoice | None = "main"
    begun: frozenset[str] = frozenset()
    since: Mapping[_Told, tuple[int, Problem]] = field(default_factory=dict)

    def with_scalars(self, look: Look) -> tuple[dict[str, float], "Shown"]:
        """The scalars of a look by tag, and what is shown then."""
        numbers = dict(self._numbers(look))
        if self.choice == "all":
            return numbers, self
        begun = self.begun | {tag for tag, number in numbers.items() if number != 0}
        shown = {tag: number for tag, number in numbers.items() if tag in begun}
        return shown, replace(self, begun=begun)

    def _numbers(self, look: Look) -> Any:
        for name, section in look.sections.items():
            for statistic, title in _CHOICES[self.choice].get(name, {}).items():
                column = section.values[:, SECTIONS[name].index(statistic)]
                # What was not watched is NaN in every row.
                if np.isnan(column).all():
                    continue
                for layer, number in zip(section.layers, column, strict=True):
                    # A share of which nothing is known is no number to draw.
                    if not (np.isnan(number) and statistic.endswith("_fraction")):
                        yield f"signal/{title}/{layer.name}", float(number)

    def with_problems(self, look: Look) -> tuple[str, "Shown"]:
        """What to write of the problems of a look, empty for nothing new, and what is shown then.

        A cause is written when it begins, and once more, with the steps it lasted, when it is over.
        """
        if not (look.sections or look.problems):
            return "", self
        now = {_key(problem): problem for problem in look.problems}
        begun = {key: (look.step, now[key]) for key in now if key not in self.since}
        over = {key: held for key, held in self.since.items() if key not in now}
        lines = [_line(problem, f"since step {step:,}") for step, problem in begun.values()]
        lines += [
            _line(problem, f"over at step {look.step:,}; began at step {step:,}")
            for step, problem in over.values()
        ]
        lasting = {key: held for key, held in self.since.items() if key in now}
        return "\n".join(lines), replace(self, since={**lasting, **begun})


def _key(problem: Problem) -> _Told:
    """What makes two problems the same: rule, cause, and what they are of."""
    return problem.rule, problem.cause or "", problem.what


def _line(problem: Problem, when: str) -> str:
    code = f" `{problem.code}`" if problem.code else ""
    return f"- **{problem.rule}** ({when}) {problem.text}{code}"
