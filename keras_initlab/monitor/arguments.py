"""Arguments of the callback, checked, and its notes where it sees nothing."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, TypeAlias, get_args

import keras

__all__ = [
    "UNSEEN_CALLS",
    "UNSEEN_STEP",
    "WATCHABLE",
    "LayerChoice",
    "Watchable",
    "checked_elements",
    "checked_verbose",
    "checked_watch",
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

UNSEEN_STEP = (
    "No training step was seen, for the model's own `train_step` did not run. A loop that is "
    "written by hand is seen where it calls `model.train_on_batch`; else train with `model.fit`."
)

UNSEEN_CALLS = (
    "No activations were seen, for the training step calls parts of the model alone "
    "(`stateless_call` of nested models, say), gives back a state without what others have put "
    "into it, or computes the model anew on the way back (`RematScope`). Try `diagnose`."
)


def checked_watch(watch: Sequence[str]) -> tuple[str, ...]:
    """`watch` as a tuple."""
    watch = (watch,) if isinstance(watch, str) else tuple(watch)
    if not watch or not set(watch) <= set(WATCHABLE):
        raise ValueError(
            f"`watch` must hold some of {', '.join(WATCHABLE)}. Received: watch={watch!r}."
        )
    return watch


def checked_elements(max_elements: int | None) -> int | None:
    """`max_elements` as it is."""
    if max_elements is not None and max_elements < 1:
        raise ValueError(
            "`max_elements` bounds the elements looked at per layer, so it must be at least 1 "
            f"or None. Received: max_elements={max_elements}."
        )
    return max_elements


def checked_verbose(verbose: Literal[0, 1, 2, "auto"]) -> Literal[0, 1, 2, "auto"]:
    """`verbose` as it is."""
    if verbose not in (0, 1, 2, "auto"):
        raise ValueError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}.")
    return verbose
