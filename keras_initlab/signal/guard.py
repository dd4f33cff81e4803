"""What keeps an error of ours away from the user's training."""

import re
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_initlab._words import printable

__all__ = ["Guard", "in_one_line"]

_PACKAGE = Path(__file__).parents[2]

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Guard:
    """A context in which an error of ours is one warning, ends the watching and not the training.

    Args:
        *followers: Guards that end with this one, without a warning of their own.

    Attributes:
        error: What ended the watching; `None` while it goes on.
    """

    def __init__(self, *followers: "Guard"):
        self.error: Exception | None = None
        self._followers = list(followers)

    @property
    def ended(self) -> bool:
        """Whether there was an error."""
        return self.error is not None

    def follow(self, other: "Guard") -> None:
        """End with another guard."""
        other._followers.append(self)

    def leave(self, other: "Guard") -> None:
        """No longer end with the other guard."""
        other._followers = [follower for follower in other._followers if follower is not self]

    def __enter__(self) -> "Guard":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        # A warning that the user's filters have made an error is theirs.
        if not isinstance(error, Exception) or isinstance(error, Warning):
            return False
        if not self.ended:
            self._end(error)
            warnings.warn(
                "Watching stops here and training goes on without it, because keras_initlab "
                f"failed: {in_one_line(error)}. The model is not at fault; please report this.",
                stacklevel=2,
            )
        return True

    def run(self, function: Callable, *args: Any) -> Any:
        """What a function gives; `None` if it fails."""
        with self:
            return function(*args)
        return None

    def _end(self, error: Exception) -> None:
        # Its frames hold tensors, layers and whole models.
        self.error = type(error)(*error.args) if type(error).__module__ == "builtins" else None
        self.error = self.error or RuntimeError(in_one_line(error))
        for follower in self._followers:
            follower.error = follower.error or self.error


def in_one_line(error: BaseException) -> str:
    """Kind, message and place of an error, without colours and what Keras adds to messages."""
    lines = [line.strip() for line in _COLOURS.sub("", str(error)).splitlines()]
    lines = [line for line in lines if line]
    if lines and lines[0].startswith("in user code"):
        lines = lines[-1:]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        lines = lines[1:]
    message = lines[0] if lines else "no message"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
    place = f" ({ours[-1].name}, {Path(ours[-1].filename).name}:{ours[-1].lineno})" if ours else ""
    return printable(f"{type(error).__name__}: {message[:300]}{place}")
