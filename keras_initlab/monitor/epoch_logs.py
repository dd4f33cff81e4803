"""Two numbers of the signal in the metrics of an epoch, where `CSVLogger` and tuners read them."""

import math
from collections.abc import Sequence
from typing import Any

from keras_initlab.signal.looks import History, Look

__all__ = ["add_numbers"]


def add_numbers(logs: dict[str, Any] | None, looks: History | Sequence[Look]) -> None:
    """Add the smallest variance and the largest dead fraction of any layer, in the newest snapshot.

    A number that was not measured is NaN: `CSVLogger` takes its columns from the first epoch.

    Args:
        logs: The metrics of an epoch, which all callbacks share; `None` adds nothing.
        looks: The snapshots so far, oldest first.

    Example:
        >>> logs = {"loss": 0.5}
        >>> add_numbers(logs, [])
        >>> logs
        {'loss': 0.5, 'signal_min_variance': nan, 'signal_dead': nan}
    """
    if logs is None:
        return
    newest = looks[-1] if len(looks) else None
    logs["signal_min_variance"] = min(_known(newest, "variance"), default=math.nan)
    logs["signal_dead"] = max(_known(newest, "dead_fraction"), default=math.nan)


def _known(look: Look | None, statistic: str) -> list[float]:
    if look is None or "activations" not in look.sections:
        return []
    return [value for value in look.by_layer(statistic).values() if not math.isnan(value)]
