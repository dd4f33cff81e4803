"""Checks the arguments of the callback, and has its notes on steps that could not be watched."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, TypeAlias, get_args

import keras
import numpy as np

from keras_initlab import _backend

__all__ = [
    "SKIPS_IN_A_ROW",
    "UNSEEN_CALLS",
    "UNSEEN_STEP",
    "WATCHABLE",
    "LayerChoice",
    "Watchable",
    "checked_elements",
    "checked_skips",
    "checked_verbose",
    "checked_watch",
    "unskipped",
]

Watchable: TypeAlias = Literal["activations", "gradients", "weights", "updates"]
WATCHABLE: tuple[Watchable, ...] = get_args(Watchable)

# What `checked_filter` takes.
LayerChoice: TypeAlias = (
    str
    | re.Pattern[str]
    | type[keras.layers.Layer]
    | keras.layers.Layer
    | Callable[[Any], bool]
    | Collection["LayerChoice"]
)

# With one bad batch in ten, ten in a row come once in 10^10 steps. What lies in the model, and not
# in the data, ends the training after ten steps.
SKIPS_IN_A_ROW = 10

UNSEEN_STEP = (
    "No training step was seen, because the model's own `train_step` did not run. A hand-written "
    "loop is seen only if it calls `model.train_on_batch`; otherwise train with `model.fit`."
)

UNSEEN_CALLS = (
    "No activations were seen. The training step calls only parts of the model (for example "
    "`stateless_call` of nested models), returns a state that lacks what others put into it, or "
    "recomputes the model in the backward pass (`RematScope`). Try `diagnose`."
)


def checked_watch(watch: Sequence[str]) -> tuple[str, ...]:
    """Check `watch`, and return it as a tuple."""
    watch = (watch,) if isinstance(watch, str) else tuple(watch)
    if not watch or not set(watch) <= set(WATCHABLE):
        raise ValueError(
            f"`watch` must be one or more of {', '.join(WATCHABLE)}. Received: watch={watch!r}."
        )
    return watch


def checked_elements(max_elements: int | None) -> int | None:
    """Check `max_elements`, and return it unchanged."""
    if max_elements is not None and max_elements < 1:
        raise ValueError(
            "`max_elements` limits the elements measured per layer, so it must be at least 1 "
            f"or None. Received: max_elements={max_elements}."
        )
    return max_elements


def checked_skips(skip_nonfinite: bool | int) -> int:
    """The number of steps in a row that may be skipped; 0 for none."""
    if not isinstance(skip_nonfinite, int | np.integer | np.bool_):
        raise TypeError(
            "`skip_nonfinite` must be True, False, or the number of steps in a row that may be "
            f"skipped. Received: skip_nonfinite={skip_nonfinite!r}."
        )
    if skip_nonfinite < 0:
        raise ValueError(
            "`skip_nonfinite` counts the steps in a row that may be skipped, so it must not be "
            f"negative. Received: skip_nonfinite={skip_nonfinite}."
        )
    by_itself = isinstance(skip_nonfinite, bool | np.bool_)
    return SKIPS_IN_A_ROW * int(skip_nonfinite) if by_itself else int(skip_nonfinite)


def unskipped(model: Any, refusal: str | None) -> ValueError | None:
    """An error if the steps of a model cannot be skipped; `None` if they can.

    Args:
        model: The model.
        refusal: Why it cannot be watched at all, if it cannot.
    """
    if refusal is None and _backend.step_is_compiled_by_torch(model):
        refusal = (
            "`torch.compile` compiles the training step as a whole; compile the model with "
            "`jit_compile=False`"
        )
    if refusal is None and _backend.is_replicated(model):
        refusal = "every replica of this strategy would decide for itself"
    if refusal is None:
        return None
    return ValueError(f"`skip_nonfinite` cannot skip steps of this model: {refusal}.")


def checked_verbose(verbose: Literal[0, 1, 2, "auto"]) -> Literal[0, 1, 2, "auto"]:
    """Check `verbose`, and return it unchanged."""
    if verbose not in (0, 1, 2, "auto"):
        raise ValueError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}.")
    return verbose
