"""The part of a callback that its user reads: snapshots and reports."""

from typing import Any, Literal

from keras_initlab.monitor.judge import Gaps, Judge
from keras_initlab.monitor.page import InlinePage, page_of_looks
from keras_initlab.monitor.skips import SkipLog
from keras_initlab.monitor.training_report import TrainingReport
from keras_initlab.monitor.watcher import Watcher
from keras_initlab.signal.guard import Guard
from keras_initlab.signal.looks import History

__all__ = ["Reporting"]


class Reporting:
    """The part of a callback that keeps snapshots and reports on them.

    Attributes:
        looks: The snapshots so far, oldest first; at most 2,000, evenly spaced.
    """

    verbose: Literal[0, 1, 2, "auto"]
    params: dict[str, Any] | None
    _judge: Judge

    def __init__(self) -> None:
        super().__init__()
        self.looks = History()
        self._watcher: Watcher | None = None
        self._guard = Guard()
        self._gaps = Gaps()
        self._skips = SkipLog()
        self._in_fit = False

    @property
    def history(self) -> dict[str, list[Any]]:
        """All snapshots as columns of equal length: `pandas.DataFrame(logger.history)`."""
        return self.looks.as_columns()

    @property
    def report(self) -> TrainingReport:
        """The report of the training so far."""
        notes, blind = self._gaps.beside(self._watcher)
        return TrainingReport.of(self.looks, self._judge.problems, notes, blind, self._skips.steps)

    def show(self, height: int = 1000) -> InlinePage:
        """Show the pictures of the Signal tab in a notebook, as the last line of a cell.

        Args:
            height: Height of the frame, in pixels.
        """
        report = self.report
        return InlinePage(page_of_looks(report.looks, report.problems, "training"), height)

    def _prints(self) -> bool:
        """Whether to print the report when training ends."""
        if self.verbose != "auto":
            return bool(self.verbose)
        return self._in_fit and bool((self.params or {}).get("verbose", 0) and len(self.looks))
