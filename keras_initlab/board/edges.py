"""The graph of a record's rows, as a log tells it."""

import json
from typing import Any

__all__ = ["edges_in"]

# Edges of a row on average; a log can be foreign, and every edge is drawn.
_MOST_PER_ROW = 32


def edges_in(content: bytes, rows: int) -> list[tuple[int, int]] | None:
    """Which row of a record enters which: pairs of rows, the earlier one first.

    Args:
        content: The record's metadata.
        rows: How many rows it has.

    Returns:
        `None` where the record holds none, as those of older versions, or one that cannot be right.

    Example:
        >>> edges_in(b'{"edges": [[0, 1], [0, 2]]}', rows=3)
        [(0, 1), (0, 2)]
        >>> edges_in(b'{"edges": [[1, 0]]}', rows=3)
    """
    try:
        edges = json.loads(content)["edges"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    if not isinstance(edges, list) or not 0 < len(edges) <= _MOST_PER_ROW * rows:
        return None
    if not all(_is_edge(edge, rows) for edge in edges):
        return None
    return sorted({(edge[0], edge[1]) for edge in edges})


def _is_edge(edge: Any, rows: int) -> bool:
    if not isinstance(edge, list) or [type(end) for end in edge] != [int, int]:
        return False
    return bool(0 <= edge[0] < edge[1] < rows)
