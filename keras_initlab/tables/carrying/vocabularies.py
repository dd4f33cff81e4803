"""The token of every row of a table, from a layer that makes ids or from a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.tables.tokens import checked_tokens

__all__ = ["Vocabulary", "count_of", "is_lookup", "vocabulary_of"]

_OF_LOOKUPS = ("tokens of a lookup",)


@dataclass(frozen=True)
class Vocabulary:
    """What the rows of a table stand for.

    Args:
        tokens: The token of each row, from the first on.
        space: What tokens of two vocabularies must agree in to be compared: bins of a hash mean
            the same only under the same hash.
        oov: Rows of unknown tokens.
        source: Where it comes from, for a reader.
    """

    tokens: Sequence[Any]
    space: tuple[Any, ...]
    oov: tuple[int, ...]
    source: str

    def is_same(self, other: "Vocabulary") -> bool:
        """Whether every row stands for the same."""
        return self.space == other.space and self.tokens == other.tokens

    def check_comparable(self, new: "Vocabulary", table: str) -> None:
        """Check that rows of two vocabularies can be matched by their tokens.

        Raises:
            ValueError: If the tokens are of another kind, or unknown ones share rows in another
                way.
        """
        before, now = f"{self.source} before", f"{new.source} now"
        shown = f"{before}, {now}"
        if self.space != new.space:
            told = [" ".join(map(str, one.space)) for one in (self, new)]
            raise ValueError(
                f"The rows of the table {table!r} cannot be matched: {told[0]} before, {told[1]} "
                f"now. Received: {shown}. Try two lookups or layers of one kind with the same "
                "arguments, or two lists with the token of each row."
            )
        unknown = [[one.tokens[row] for row in one.oov] for one in (self, new)]
        if self.space == _OF_LOOKUPS and unknown[0] != unknown[1]:
            raise ValueError(
                f"Unknown tokens share the first rows of the table {table!r}; if there are several "
                f"rows, a hash picks one. Received: {len(self.oov)} of them in {before}, "
                f"{len(new.oov)} in {now}. Try the same `num_oov_indices`, "
                "`oov_method` and `salt` in both, or two lists with the token of each row."
            )


def is_lookup(layer: Any) -> bool:
    """Whether a layer makes one id of a table from each token."""
    for cls in _READERS:
        if isinstance(layer, cls):
            mode = getattr(layer, "_output_mode", getattr(layer, "output_mode", "int"))
            return mode == "int" and not getattr(layer, "invert", False)
    return False


def count_of(lookup: Any) -> int:
    """How many ids a lookup gives, from 0 on, without making a list of its tokens."""
    if hasattr(lookup, "vocabulary_size"):
        return int(lookup.vocabulary_size())
    return len(vocabulary_of(lookup, "vocabularies").tokens)


def vocabulary_of(spec: Any, argument: str) -> Vocabulary:
    """The vocabulary that a layer or a sequence of tokens gives.

    Args:
        spec: A layer that is a lookup, or a sequence with the token of each row.
        argument: Its name in an error.

    Raises:
        TypeError: If it is neither.
        ValueError: If the layer's ids are not one for each token, or it has no vocabulary yet.
    """
    if not isinstance(spec, keras.layers.Layer):
        tokens = checked_tokens(spec, argument)
        unknown = [] if isinstance(tokens, range) else tokens
        oov = tuple(row for row, token in enumerate(unknown) if token == "[UNK]")
        return Vocabulary(tokens, ("tokens",), oov, "tokens")
    if not is_lookup(spec):
        raise ValueError(
            f"`{argument}` must be a layer that makes integers from tokens. Received: the layer "
            f"{spec.name!r} of class {type(spec).__name__}. Try a StringLookup with "
            '`output_mode="int"`, or a list with the token of each row.'
        )
    read = next(read for cls, read in _READERS.items() if isinstance(spec, cls))
    return read(spec)


def _of_lookup(layer: Any) -> Vocabulary:
    size = layer.vocabulary_size()
    # Unlike the words of the vocabulary, these can be no word of another one.
    many = layer.num_oov_indices
    hashing = (layer.oov_method, layer.salt) if many > 1 else ()
    masks = [("mask",)] if layer.mask_token is not None else []
    unknown = [("unknown", row, many, *map(str, hashing)) for row in range(many)]
    words = _backend.words_of_lookup(layer, len(masks) + many)
    if words is None:
        words = list(layer.get_vocabulary(include_special_tokens=False))
    if not words:
        raise ValueError(
            f"The lookup {layer.name!r} has no vocabulary. Try `set_vocabulary` or `adapt` first."
        )
    tokens = [*masks, *unknown, *words]
    oov = tuple(range(len(masks), len(masks) + many))
    return Vocabulary(tokens[:size], _OF_LOOKUPS, oov, f"lookup {layer.name!r}")


def _of_text(layer: Any) -> Vocabulary:
    words = layer.get_vocabulary(include_special_tokens=False)
    specials: list[Any] = [("mask",), ("unknown", 0, 1)]
    return Vocabulary([*specials, *words], _OF_LOOKUPS, (1,), f"lookup {layer.name!r}")


def _of_bins(*names: str) -> Callable[[Any], Vocabulary]:
    """The reader of a layer whose ids are bins: they mean the same where its arguments agree."""

    def read(layer: Any) -> Vocabulary:
        bounds = getattr(layer, "bin_boundaries", None)
        count = int(layer.num_bins) if bounds is None else len(bounds) + 1
        told = tuple(f"{name}={_plain(getattr(layer, name))!r}" for name in names)
        source = f"{type(layer).__name__} {layer.name!r}"
        return Vocabulary(range(count), (type(layer).__name__, *told), (), source)

    return read


def _plain(value: Any) -> Any:
    return [float(number) for number in value] if isinstance(value, (list, tuple)) else value


_READERS: dict[type, Callable[[Any], Vocabulary]] = {
    keras.layers.StringLookup: _of_lookup,
    keras.layers.IntegerLookup: _of_lookup,
    keras.layers.TextVectorization: _of_text,
    keras.layers.Hashing: _of_bins("num_bins", "salt", "mask_value"),
    keras.layers.HashedCrossing: _of_bins("num_bins"),
    keras.layers.Discretization: _of_bins("bin_boundaries"),
}
