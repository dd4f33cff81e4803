"""Which row's signal enters which other row: the graph that the tab draws."""

from collections.abc import Sequence
from typing import Any

from keras_initlab import _backend
from keras_initlab.anatomy.selection import Selection
from keras_initlab.anatomy.traits import traits_of
from keras_initlab.signal.rows import Link

__all__ = ["edges_of"]

# More edges of a row than these say nothing to the eye.
_MOST_PER_ROW = 32

_Ends = frozenset[int]
_NOTHING: _Ends = frozenset()


def edges_of(
    links: Sequence[Link], units: Sequence[int], selection: Selection
) -> tuple[tuple[int, int], ...]:
    """Pairs of rows: the signal of the first enters the second, with no watched row between.

    Args:
        links: All calls in the order in which they ended, and where their inputs come from.
        units: Units of each row, 0 where unknown.
        selection: The layers that are watched.

    Returns:
        The pairs in order, the earlier row first; empty where there are more than can be drawn.
    """
    walk = _Walk(links, units, selection)
    for place in range(len(links)):
        walk.visit(place)
    edges = sorted(walk.edges)
    return tuple(edges) if len(edges) <= _MOST_PER_ROW * max(1, len(units)) else ()


class _Walk:
    """Goes over the calls, and keeps the rows whose signal stands at the end of each.

    Args:
        links: The calls.
        units: Units of each row.
        selection: The layers that are watched.
    """

    def __init__(self, links: Sequence[Link], units: Sequence[int], selection: Selection):
        self.edges: set[tuple[int, int]] = set()
        self._links, self._units = links, units
        self._graph = selection.anatomy.graph
        self._ends: list[_Ends] = []
        self._taken: set[int] = set()
        self._calls: dict[int, int] = {}
        self._rows: dict[tuple[int, int], int] = {}
        self._parents = _parents_of(selection)
        self._within = _inner_calls(links, self._parents)

    def visit(self, place: int) -> None:
        """Work out what enters a call, and what stands at its end."""
        link = self._links[place]
        call = self._calls.get(id(link.layer), 0)
        self._calls[id(link.layer)] = call + 1
        inner = self._within[place]
        if inner and link.row is None:
            self._ends.append(self._open_ends(inner))
            return
        sources = self._sources(place, call)
        if link.row is None:
            self._ends.append(sources)
            return
        self._rows[id(link.layer), call] = link.row
        # What a watched layer with layers inside gives has come through them.
        sources = self._open_ends(inner) or sources if inner else sources
        self.edges |= {(source, link.row) for source in sources if source < link.row}
        self._taken |= sources
        self._ends.append(frozenset({link.row}))

    def _sources(self, place: int, call: int) -> _Ends:
        link = self._links[place]
        known = [self._ends[source] for source in link.sources if source >= 0]
        if known and all(source >= 0 for source in link.sources) and not self._takes_more(link):
            return frozenset().union(*known)
        told = self._in_graph(link.layer, call)
        if told is not None:
            return told.union(*known)
        return frozenset().union(*known) if any(known) else self._guessed(place)

    def _takes_more(self, link: Link) -> bool:
        """Whether a call takes further arguments, as attention does: the graph knows them all."""
        return bool(self._graph.inputs_of(link.layer, 0)[len(link.sources) :])

    def _in_graph(self, layer: Any, call: int) -> _Ends | None:
        """The rows before a call in a functional model's graph; `None` where it is in none."""
        if not self._graph.inputs_of(layer, call):
            return None
        seen = {key[0] for key in self._rows}
        before = self._graph.calls_before(layer, call, seen)
        rows = [self._rows.get((id(maker), number)) for maker, number in before]
        return frozenset(row for row in rows if row is not None)

    def _guessed(self, place: int) -> _Ends:
        """The rows before a call in a `call` by hand, whose operations nobody sees.

        They are those of the same layer that nothing has taken yet; in the model itself only if
        their sizes side by side, or in a sum, are what enters.
        """
        link = self._links[place]
        if traits_of(link.layer).looks_up:
            return _NOTHING
        parent = self._parents.get(id(link.layer))
        siblings = [
            earlier
            for earlier in range(place)
            if self._parents.get(id(self._links[earlier].layer)) == parent
        ]
        found = self._open_ends(siblings) - self._taken
        if parent is not None or not found:
            return found
        sizes = [self._units[row] for row in found]
        entering = link.sizes[0] if link.sizes else None
        fits = entering is not None and (sum(sizes) == entering or set(sizes) == {entering})
        return found if fits else _NOTHING

    def _open_ends(self, places: Sequence[int]) -> _Ends:
        """What stands at the ends of calls and has entered no other call."""
        ends = frozenset().union(*(self._ends[place] for place in places))
        return ends - self._taken or self._ends[places[-1]] if places else _NOTHING


def _parents_of(selection: Selection) -> dict[int, int]:
    """By `id` of a covered layer, the layer that holds it; none of those of the model itself."""
    return {
        id(child): id(layer)
        for layer in selection.covered
        for child in _backend.own_sublayers(layer)
    }


def _inner_calls(links: Sequence[Link], parents: dict[int, int]) -> list[list[int]]:
    """For each call the calls that its own layers made during it, which ended before it did."""
    found: list[list[int]] = []
    waiting: dict[int, list[int]] = {}
    for place, link in enumerate(links):
        found.append(waiting.pop(id(link.layer), []))
        parent = parents.get(id(link.layer))
        if parent is not None:
            waiting.setdefault(parent, []).append(place)
    return found
