"""A trained model's tables, weights and optimizer in a model of another vocabulary."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_initlab.anatomy.built import check_built
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.initializers.arguments import InitializerLike
from keras_initlab.tables.carrying.carried import Carried, CarriedTable
from keras_initlab.tables.carrying.pairs import paired
from keras_initlab.tables.carrying.rows import Rows, RowsOf
from keras_initlab.tables.carrying.slots import kept_for_new_rows
from keras_initlab.tables.carrying.states import States
from keras_initlab.tables.carrying.transfers import Transfer, numbers_of
from keras_initlab.tables.filling import Filling, Rule, drawn_rows
from keras_initlab.tables.tokens import NEW

__all__ = ["carry_over"]


def carry_over(
    old: Any,
    new: Any,
    *,
    vocabularies: Mapping[str, Any] | None = None,
    new_rows: Rule | InitializerLike = "initializer",
    optimizer: bool = True,
    seed: int | None = None,
) -> Carried:
    """Carry a trained model over to another vocabulary: rows move by token, with their slots.

    Afterwards the new model predicts for old ids what the old one does, and at the same learning
    rate its next update of their rows is the same. Everything is checked before anything is
    written. The old model is only read.

    Args:
        old: The trained model, built.
        new: The model of the new vocabulary, built, and compiled with the same optimizer. Its
            learning rate stays.
        vocabularies: What the rows of a table stand for, by the name of its layer or the path of
            its weight: the name of a lookup in both models, or a pair for the old and the new
            model. A pair holds lookups, their names, or sequences with the token of each row.
            `(range(50), range(80))` means that row i stands for the same as before. Tables whose
            ids come from a lookup in the model's graph need no entry.
        new_rows: What rows of new tokens begin with: `"initializer"`, the table's own, drawn as in
            a table that always had this size; `"oov"`, the mean of the rows of unknown tokens;
            `"mean"`, that of the rows that are kept; `"zero"`; or a scheme.
        optimizer: Whether to carry iterations and slots. First moments of new rows are 0, second
            ones the mean over the kept rows that training has touched.
        seed: Takes the place of the initializers' seeds; every table has a stream of its own.

    Returns:
        What was moved, as data; printed, it is a table.

    Raises:
        TypeError: If the optimizer keeps unknown numbers, or the types of the tokens differ.
        ValueError: If it is not certain what the rows of a table stand for (the error shows what to
            write); if the models or their optimizers do not fit; if a vocabulary is longer than its
            table.

    Example:
        >>> def build(words):
        ...     lookup = keras.layers.StringLookup(vocabulary=words, name="lookup")
        ...     table = keras.layers.Embedding(len(words) + 1, 2, name="users")
        ...     ids = keras.Input((1,), dtype="int32", name="ids")
        ...     return keras.Model(ids, table(ids)), lookup
        >>> (old, before), (new, now) = build(["ann", "bob"]), build(["bob", "cat", "ann"])
        >>> carried = carry_over(old, new, vocabularies={"users": (before, now)})
        >>> carried.tables[0].kept, carried.tables[0].new
        (3, 1)
    """
    check_built(old)
    check_built(new)
    plan = _Plan(Filling(new_rows, seed))
    rows_of = RowsOf(old, new, vocabularies or {})
    pairs = [(weight, other) for weight, other in paired(old, new)]
    moves = [
        (weight, other, None if other is None else rows_of.of(weight, other))
        for weight, other in pairs
    ]
    rows_of.check_certain()
    states = States(old, new) if optimizer else None
    for weight, other, rows in moves:
        plan.add(weight, other, rows, states.slots(weight, other) if states else [])
    shared = states.shared() if states else []
    plan.transfers += [Transfer(now, before) for now, before in shared]
    if not plan.tables and not plan.copied:
        raise ValueError(
            "No weight of the new model matches one of the old by path and shape. Received: "
            f"{old.name!r} and {new.name!r}. Try the same names of layers in both."
        )
    steps = int(numbers_of(shared[0][1])) if shared else None
    for transfer in plan.transfers:
        transfer.write()
    for layer in layers_in(new):
        if isinstance(layer, keras.layers.Normalization) and layer.built:
            # It divides by numbers that it has computed from its weights.
            layer.finalize_state()
    return plan.told(steps)


class _Plan:
    """All that will be written, and what is told of it."""

    def __init__(self, filling: Filling):
        self._filling = filling
        self.transfers: list[Transfer] = []
        self.tables: list[CarriedTable] = []
        self.copied: list[str] = []
        self._left: dict[str, str] = {}
        self._slots: dict[str, None] = {}

    def add(self, weight: Any, other: Any, rows: Rows | None, slots: list[Any]) -> None:
        """Plan what one weight of the new model gets."""
        if other is None:
            self._left[weight.path] = "the old model does not hold it"
        elif rows is not None:
            self._move(weight, other, rows, slots)
        elif tuple(weight.shape) != tuple(other.shape):
            shapes = f"{tuple(other.shape)} before, {tuple(weight.shape)} now"
            self._left[weight.path] = f"its shape differs: {shapes}"
        else:
            self.copied.append(weight.path)
            self.transfers.append(Transfer(weight, other))
            self.transfers += [Transfer(now.variable, was.variable) for now, was in slots]
            self._slots |= dict.fromkeys(now.name for now, _ in slots)

    def told(self, steps: int | None) -> Carried:
        """What was carried."""
        tables, copied, slots = tuple(self.tables), tuple(self.copied), tuple(self._slots)
        return Carried(tables, copied, dict(self._left), slots, steps)

    def _move(self, weight: Any, other: Any, rows: Rows, slots: list[Any]) -> None:
        if tuple(weight.shape[1:]) != tuple(other.shape[1:]):
            raise ValueError(
                f"Rows of the table {rows.table.name!r} must have as many numbers as before. "
                f"Received: {tuple(other.shape)} before, {tuple(weight.shape)} now. Try another "
                "name for the layer, so that it starts anew."
            )
        new = np.flatnonzero(rows.sources == NEW)
        values = self._values(weight, other, rows, new) if len(new) else None
        self.transfers.append(Transfer(weight, other, rows.sources, values))
        kept: dict[str, Any] = {}
        for now, was in slots:
            if was.kind == "columns":
                self.transfers.append(Transfer(now.variable, was.variable))
                continue
            if len(new):
                numbers = numbers_of(was.variable)
                # Ftrl's sum must be that of the new optimizer, whose rate is its own.
                kept[now.name] = kept_for_new_rows(
                    _of_new(was, now), numbers, rows.sources, values, kept
                )
            fresh = kept.get(now.name)
            self.transfers.append(Transfer(now.variable, was.variable, rows.sources, fresh))
        kept_rows = np.zeros(int(other.shape[0]), bool)
        kept_rows[rows.sources[rows.sources != NEW]] = True
        moved = int(kept_rows.sum())
        self.tables.append(
            CarriedTable(
                name=rows.table.name,
                kept=moved,
                new=len(new),
                dropped=len(kept_rows) - moved,
                tokens=rows.source,
                slots=tuple(now.name for now, _ in slots),
            )
        )

    def _values(self, weight: Any, other: Any, rows: Rows, new: np.ndarray) -> Any:
        """The new rows, or one for all."""
        if self._filling.rule == "initializer":
            own = getattr(rows.table.layer, "embeddings_initializer", None)
            scheme = self._filling.scheme_for(own, weight.path)
            if scheme is None:
                raise ValueError(
                    f"The weight {rows.table.name!r} has no initializer of its own for its new "
                    'rows. Try `new_rows="mean"`, or a scheme.'
                )
            return drawn_rows(scheme, tuple(weight.shape), new)
        if self._filling.rule == "oov" and not rows.oov:
            raise ValueError(
                f"The table {rows.table.name!r} has no known row for unknown tokens. Received: "
                f'new_rows="oov", tokens of {rows.source}. Try `new_rows="mean"`.'
            )
        chosen = rows.oov if self._filling.rule == "oov" else rows.sources[rows.sources != NEW]
        return self._filling.row_of(numbers_of(other), np.asarray(chosen, "int64"))


def _of_new(was: Any, now: Any) -> Any:
    return now if was.kind == "linear" else was
