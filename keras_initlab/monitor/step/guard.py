"""What keeps an error of ours away from the user's training."""

import warnings
from typing import Any

__all__ = ["Guard"]


class Guard:
    """A context that says an error of ours once, and ends the watching and not the training.

    Args:
        probe: Which is `broken` from then on.
    """

    def __init__(self, probe: Any):
        self._probe = probe

    def __enter__(self) -> "Guard":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, Exception):
            return False
        if not self._probe.broken:
            self._probe.broken = True
            warnings.warn(
                "This training step cannot be watched; training goes on without it. Received: "
                f"{type(error).__name__}: {error}. Try `layers=` with the layers outside of loops.",
                stacklevel=2,
            )
        return True
