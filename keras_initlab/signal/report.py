"""What all reports share: they are read, kept, counted with, and held against in a test."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from keras_initlab._wire import Problem
from keras_initlab.signal.printing import as_html, as_text

__all__ = ["Report", "Verdict", "in_words"]


def in_words(problems: Iterable[Problem]) -> list[str]:
    """A line for each problem, its rule first."""
    return [f"{problem.rule}: {problem.text}" for problem in problems]


class Report(ABC):
    """Something that was found out, which prints itself by `__rich__`."""

    @abstractmethod
    def __rich__(self) -> Any:
        """What `rich` prints."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON. A number that is not finite is `None`."""

    @abstractmethod
    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`.

        Raises:
            ImportError: If pandas is not installed.
        """

    @abstractmethod
    def plot(self) -> Any:
        """A matplotlib figure.

        Raises:
            ImportError: If matplotlib is not installed.
        """

    def save(self, path: str | os.PathLike) -> None:
        """Write the report to a file; its ending says as what.

        Args:
            path: Ends with `.json`, `.html` or `.txt`, or with `.png`, `.svg` or `.pdf` for the
                figure.

        Raises:
            ValueError: If the name ends otherwise.
            OSError: If it cannot be written.
        """
        ending = os.path.splitext(os.fspath(path))[1].lower()
        if ending in (".png", ".svg", ".pdf"):
            self.plot().savefig(path)
            return
        makers: dict[str, Callable[[], str]] = {
            ".json": lambda: json.dumps(self.to_dict(), indent=1),
            ".html": self._repr_html_,
            ".txt": self.__repr__,
        }
        if ending not in makers:
            raise ValueError(
                "`path` must end with .json, .html, .txt, .png, .svg or .pdf. "
                f"Received: path={os.fspath(path)!r}."
            )
        with open(path, "w", encoding="utf-8") as file:
            file.write(makers[ending]() + "\n")

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


class Verdict(Report):
    """A report that says whether all is well."""

    @property
    @abstractmethod
    def healthy(self) -> bool | None:
        """Whether nothing is wrong; `None` where that was not seen."""

    @abstractmethod
    def complaints(self) -> list[str]:
        """Everything that is wrong, in words; or why it was not seen whether something is."""

    def assert_healthy(self) -> None:
        """Pass if all is well: for a test.

        Raises:
            AssertionError: If it is not, or was not seen, with every problem in words.
        """
        if not self.healthy:
            raise AssertionError("\n".join(self.complaints()))
