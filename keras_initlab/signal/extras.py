"""Results as plain data, and through optional packages."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_initlab._words import printable

__all__ = ["blank_figure", "frame_of", "label", "plain"]


def plain(value: Any) -> Any:
    """The value as JSON can hold it, without NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def frame_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    """A `pandas.DataFrame`.

    Raises:
        ImportError: If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("`to_pandas` needs pandas. Try `pip install pandas`.") from error
    return pandas.DataFrame(rows, columns=columns)


def label(name: str) -> str:
    """A name for matplotlib, which would read text between dollar signs as a formula."""
    return printable(name).replace("$", r"\$")


def blank_figure(width_inches: float, height_inches: float) -> Any:
    """A matplotlib figure, without a window.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("`plot` needs matplotlib. Try `pip install matplotlib`.") from error
    return Figure(figsize=(width_inches, height_inches), layout="constrained")
