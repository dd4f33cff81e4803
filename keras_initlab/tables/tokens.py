"""Which row of an older table belongs to which row of a newer one."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["NEW", "SPARE", "checked_tokens", "sources_of"]

#: Stands for a row without an older one.
NEW = -1
#: The token of a row that stands for none: several may have it.
SPARE = None


def checked_tokens(tokens: Any, argument: str, rows: int | None = None) -> Sequence[Any]:
    """The tokens of a table's rows, from the first row on.

    Args:
        tokens: A sequence, a one-dimensional array, or `range(n)`, which costs no memory.
        argument: Its name in an error.
        rows: Rows of the table: tokens that are missing at the end are `SPARE`.

    Raises:
        TypeError: If it is none of these.
        ValueError: If there are more tokens than rows.
    """
    if not isinstance(tokens, range):
        tokens = _listed(tokens, argument)
    if rows is not None and len(tokens) > rows:
        raise ValueError(
            f"`{argument}` gives the token of each row, so it must not be longer than the table. "
            f"Received: {len(tokens)} tokens, a table of {rows} rows. Try a table with "
            f"input_dim={len(tokens)}."
        )
    missing = 0 if rows is None else rows - len(tokens)
    return [*tokens, *[SPARE] * missing] if missing else tokens


def sources_of(old: Sequence[Any], new: Sequence[Any], table: str) -> np.ndarray:
    """For each new row the old row with the same token, or `NEW`.

    A token that stands in several rows, as `[UNK]` does where several indices are out of
    vocabulary, is matched in order.

    Args:
        old: Tokens of the old rows, as `checked_tokens` gives them.
        new: Tokens of the new rows.
        table: The table's name in an error.

    Returns:
        Integers `(new rows,)`.

    Raises:
        TypeError: If the tokens of both are of different types.
        ValueError: If a token stands in several rows, but in a different number of the other table.
    """
    if isinstance(old, range) and isinstance(new, range) and old[:1] == new[:1] == range(1):
        return np.where(np.arange(len(new)) < len(old), np.arange(len(new)), NEW)
    _check_types(old, new, table)
    places = dict(zip(old, range(len(old)), strict=True))
    found = np.fromiter(map(places.get, new, itertools.repeat(NEW)), "int64", len(new))
    if len(places) < len(old) or len(set(new)) < len(new):
        _match_repeated(old, new, found, table)
    return found


def _listed(tokens: Any, argument: str) -> list[Any]:
    if isinstance(tokens, np.ndarray) and tokens.ndim == 1:
        tokens = tokens.tolist()
    if not isinstance(tokens, Sequence) or isinstance(tokens, (str, bytes)):
        raise TypeError(
            f"`{argument}` must be a sequence with the token of each row. Received: {argument}="
            f"{tokens!r:.80}."
        )
    if any(isinstance(token, bytes) for token in tokens):
        return [token.decode() if isinstance(token, bytes) else token for token in tokens]
    return list(tokens)


def _check_types(old: Sequence[Any], new: Sequence[Any], table: str) -> None:
    kinds = [_kinds_of(tokens) for tokens in (old, new)]
    if all(kinds) and not kinds[0] & kinds[1]:
        shown = [" and ".join(sorted(kind)) for kind in kinds]
        raise TypeError(
            f"The tokens of the table {table!r} must be of one type. Received: {shown[0]} for the "
            f"old rows, {shown[1]} for the new ones."
        )


def _kinds_of(tokens: Sequence[Any]) -> set[str]:
    names = {int: "integers", str: "strings"}
    some = tokens if len(tokens) < 1000 else tokens[:: len(tokens) // 1000]
    found = set()
    for token in some:
        integer = isinstance(token, (int, np.integer))
        kind = int if integer else str if isinstance(token, str) else type(token)
        if token is not SPARE and not isinstance(token, tuple):
            found.add(names.get(kind, kind.__name__))
    return found


def _match_repeated(old: Sequence[Any], new: Sequence[Any], found: np.ndarray, table: str) -> None:
    counts = [Counter(tokens) for tokens in (old, new)]
    repeated = {token for count in counts for token, times in count.items() if times > 1}
    for token in repeated:
        here = [row for row, held in enumerate(new) if held == token]
        there = [row for row, held in enumerate(old) if held == token]
        if token is not SPARE and here and there and len(here) != len(there):
            raise ValueError(
                f"A token that stands in several rows of the table {table!r} must stand in "
                f"as many rows of the other. "
                f"Received: {token!r} in {len(there)} old and {len(here)} new rows."
            )
        matched = there[: len(here)] + [NEW] * (len(here) - len(there))
        found[here] = matched
