"""What a claim of a paper is here, and what an experiment finds."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["HOLDS", "Claim", "Finding", "Trials", "alone", "claim"]

HOLDS, FAILS = "holds", "does not hold"


@dataclass(frozen=True)
class Finding:
    """What came out: in words and numbers, whether the claim holds, and how to draw it."""

    ours: str
    holds: bool
    # Draws on an empty matplotlib figure.
    draw: Callable[[Any], None] | None = None


@dataclass(frozen=True)
class Claim:
    """One line of the table."""

    key: str
    says: str
    source: str
    published: str
    experiment: Callable[["Trials"], Finding]
    expected: str = HOLDS

    def verdict(self, finding: Finding) -> str:
        """The last column of the table."""
        return HOLDS if finding.holds else FAILS


def claim(key: str, **facts: str) -> Callable[[Callable[["Trials"], Finding]], Claim]:
    """Make a claim of an experiment."""
    return lambda experiment: Claim(key, experiment=experiment, **facts)


@dataclass
class Trials:
    """The trials of one claim; those that the file already holds are not repeated."""

    path: Path
    fast: bool
    key: str = ""
    told: Callable[[str], None] = print
    kept: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            self.kept = _rounded(self.path.read_text())

    def seeds(self, fast: int, full: int) -> range:
        """So many seeds in a fast and in a full run."""
        return range(fast if self.fast else full)

    def of(self, trial: Callable[..., Any], *arguments: Any) -> Any:
        """What a trial gives, which must be JSON and follow from its arguments alone.

        None, for what is not installed, is not kept.
        """
        name = f"{self.key}: {trial.__name__}({', '.join(map(str, arguments))})"
        if name not in self.kept:
            self.told(name)
            found = trial(*arguments)
            if found is None:
                return None
            self.kept[name] = _rounded(json.dumps(found))
            self._write()
        return self.kept[name]

    def named(self, key: str) -> "Trials":
        """The same file, for another claim."""
        return Trials(self.path, self.fast, key, self.told, self.kept)

    def _write(self) -> None:
        # A kill between two lines of it must not cost the trials before.
        whole = self.path.with_suffix(".part")
        whole.write_text(json.dumps(self.kept, indent=1) + "\n")
        whole.replace(self.path)


def _rounded(text: str) -> Any:
    """Six digits are more than any trial repeats, and make the file short."""
    return json.loads(text, parse_float=lambda number: float(f"{float(number):.6g}"))


def alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """A trial after which Keras forgets the models it made."""

    @functools.wraps(function)
    def trial(*arguments: Any) -> Any:
        import keras

        try:
            return function(*arguments)
        finally:
            keras.utils.clear_session()

    return trial
