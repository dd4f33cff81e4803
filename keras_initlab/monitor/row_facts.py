"""What is known of the watched rows from the model alone."""

from collections.abc import Sequence

from keras_initlab._wire import LayerInfo
from keras_initlab.anatomy.selection import Selection
from keras_initlab.monitor.edges import edges_of
from keras_initlab.signal.rows import Link, Rows
from keras_initlab.signal.standing import Standing, standing_of

__all__ = ["RowFacts"]


class RowFacts:
    """What rows are compared with and how they are connected, computed when the calls change.

    Args:
        rows: The rows of a probe.
        selection: The layers that are watched.
    """

    def __init__(self, rows: Rows, selection: Selection):
        self._rows, self._selection = rows, selection
        self._known: tuple[list[Link], Standing] | None = None
        self._drawn: tuple[list[Link], tuple[tuple[int, int], ...]] | None = None

    def standing(self) -> Standing:
        """What the rows are held to."""
        links = self._rows.links
        if self._known is None or self._known[0] != links:
            self._known = links, standing_of(links, self._selection)
        return self._known[1]

    def edges(self, seen: Sequence[LayerInfo]) -> tuple[tuple[int, int], ...]:
        """The graph of the rows that were seen."""
        links = self._rows.links
        if self._drawn is None or self._drawn[0] != links:
            units = [layer.units for layer in self._rows.calls]
            self._drawn = links, edges_of(links, units, self._selection)
        return tuple(edge for edge in self._drawn[1] if edge[1] < len(seen))
