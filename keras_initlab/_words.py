"""Foreign names as text that a terminal, a page or a CI log shows and does not obey."""

import re

# Control characters (C0, DEL, C1), line and paragraph separators, marks that turn or hide text
# (soft hyphen, zero width space, bidirectional marks, overrides and isolates, invisible operators,
# byte order mark, annotations, tags), and halves of surrogate pairs, which no file can hold.
# Joiners stay: scripts and emoji need them.
_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: object) -> str:
    r"""The text, with control characters escaped as in a Python string.

    Example:
        >>> print(printable("dense\n::error::\x1b[31mforged"))
        dense\n::error::\x1b[31mforged
    """
    return _OBEYED.sub(lambda found: repr(found[0])[1:-1], str(text))
