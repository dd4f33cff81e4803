"""Vocabularies as a file holds them."""

import json
from typing import Any

__all__ = ["vocabularies_in"]


def vocabularies_in(path: str) -> dict[str, Any]:
    """The vocabularies of tables in a JSON file, for `carry_over`.

    Args:
        path: A file that holds, by table, the name of a lookup, a list of tokens, or
            `{"old": ..., "new": ...}` of these.

    Raises:
        ValueError: If it holds something else.
        OSError: If there is no such file.
    """
    with open(path, encoding="utf-8") as file:
        try:
            held = json.load(file)
            pairs = {key: value for key, value in held.items() if isinstance(value, dict)}
            return dict(held | {key: (pair["old"], pair["new"]) for key, pair in pairs.items()})
        except (AttributeError, KeyError, ValueError) as error:
            raise ValueError(
                f'{path!r} must hold {{"table": {{"old": [...], "new": [...]}}}}: {error!r}'
            ) from error
