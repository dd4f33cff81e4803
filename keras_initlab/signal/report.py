"""What all reports share: printing, plain data, figures, files, and a check for tests."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from keras_initlab._wire import Problem
from keras_initlab.signal.printing import as_html, as_text
from keras_initlab.signal.telling import cause_of

__all__ = ["Report", "Verdict", "in_words"]


def in_words(problems: Iterable[Problem]) -> list[str]:
    """One line per cause: the first problem, after its rule, and the further symptoms."""
    groups: dict[Any, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(cause_of(problem), []).append(problem)
    return [f"{group[0].rule}: {group[0].text}{_also(group[1:])}" for group in groups.values()]


def _also(problems: Sequence[Problem]) -> str:
    """The symptoms of further problems of one cause."""
    seen = dict.fromkeys(symptom for problem in problems for symptom in problem.symptoms)
    return f" Also: {'; '.join(seen)}." if seen else ""


class Report(ABC):
    """A result that prints itself through `__rich__`."""

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
        """Write the report to a file; the ending of its name chooses the format.

        The page of a training shows what the Signal tab of TensorBoard shows. A page needs no
        server and no network: it can be mailed, or kept with the artefacts of a build.

        Args:
            path: Ends with `.json`, `.html` or `.txt`, or with `.png`, `.svg` or `.pdf` for the
                figure.

        Raises:
            ValueError: If the name has another ending.
            OSError: If the file cannot be written.
        """
        ending = os.path.splitext(os.fspath(path))[1].lower()
        if ending in (".png", ".svg", ".pdf"):
            self.plot().savefig(path)
            return
        makers: dict[str, Callable[[], str]] = {
            ".json": lambda: json.dumps(self.to_dict(), indent=1),
            ".html": self._page,
            ".txt": self.__repr__,
        }
        if ending not in makers:
            raise ValueError(
                "`path` must end with .json, .html, .txt, .png, .svg or .pdf. "
                f"Received: path={os.fspath(path)!r}."
            )
        with open(path, "w", encoding="utf-8") as file:
            file.write(makers[ending]() + "\n")

    def _page(self) -> str:
        """The report as a page of its own."""
        return self._repr_html_()

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


class Verdict(Report):
    """A report that says whether all is well."""

    @property
    @abstractmethod
    def healthy(self) -> bool | None:
        """Whether nothing is wrong; `None` if that is not known."""

    @abstractmethod
    def complaints(self) -> list[str]:
        """Everything that is wrong, in words; or the reason why that is not known."""

    def assert_healthy(self) -> None:
        """Pass if all is well; for use in a test.

        Raises:
            AssertionError: If it is not, or if that is not known, with every problem in words.
        """
        if not self.healthy:
            raise AssertionError("\n".join(self.complaints()))
