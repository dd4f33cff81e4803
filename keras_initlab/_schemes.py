"""What schemes are called: their families in order, other spellings, and the nearest name."""

import difflib
from collections.abc import Iterable

__all__ = ["ALIASES", "FAMILIES", "STRINGS", "did_you_mean", "in_order", "spelled"]

_PACKAGE = "keras_initlab"

# Title, and the modules of `initializers/` that hold its schemes.
FAMILIES = {
    "Basics": ("plain",),
    "He / Kaiming (ReLU family)": ("rectifier",),
    "Xavier / Glorot and LeCun": ("variance",),
    "Orthogonal": ("orthogonal",),
    "Embeddings": ("embeddings",),
    "Recurrent (LSTM, GRU, RNN)": ("recurrent",),
    "Residual networks": ("residual",),
    "Transformers and muP": ("attention", "transformer", "widths"),
    "Identity-like": ("identity", "linear"),
    "Output and prior": ("output",),
    "Deep GELU, SiLU and tanh (criticality)": ("critical",),
    "Sine networks (SIREN)": ("siren",),
    "Structured": ("structured",),
    "Composed, and from arrays": ("wrappers", "given"),
}

# Names of Keras and torch for the same class.
ALIASES = {
    "GlorotNormal": "XavierNormal",
    "GlorotUniform": "XavierUniform",
    "KaimingNormal": "HeNormal",
    "KaimingUniform": "HeUniform",
    "LeCunNormal": "LecunNormal",
    "LeCunUniform": "LecunUniform",
}

# Strings that Keras does not know, and that a layer takes once the package is imported.
STRINGS = {
    "kaiming_normal": "HeNormal",
    "kaiming_uniform": "HeUniform",
    "xavier_normal": "XavierNormal",
    "xavier_uniform": "XavierUniform",
}

_PLACES = {
    module: place
    for place, module in enumerate(module for family in FAMILIES.values() for module in family)
}


def in_order(modules: Iterable[str]) -> list[str]:
    """Names of modules in the order of the families; others come last, as they were given.

    Args:
        modules: Names of modules, with or without the packages that hold them.

    Example:
        >>> in_order(["a.variance", "mine", "plain"])
        ['plain', 'a.variance', 'mine']
    """
    return sorted(modules, key=lambda name: _PLACES.get(name.rpartition(".")[2], len(_PLACES)))


def spelled(name: str, names: Iterable[str]) -> str | None:
    """The scheme that a name means: any case, with underscores, an alias, the package in front.

    Args:
        name: As a user types it.
        names: The schemes that there are.

    Example:
        >>> spelled("kaiming_normal_", ["HeNormal"]), spelled("keras_initlab.HeNormal", [])
        ('HeNormal', None)
    """
    known = {_bare(scheme): scheme for scheme in names}
    also = {_bare(alias): scheme for alias, scheme in ALIASES.items() if _bare(scheme) in known}
    return {**also, **known}.get(_bare(name))


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A question with similar names, to end an error message; empty if there are none.

    Example:
        >>> did_you_mean("HeNorml", ["HeNormal", "Zeros"])
        ' Did you mean HeNormal?'
    """
    known = {_bare(near): near for near in names}
    near = difflib.get_close_matches(_bare(name), known, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(known[bare] for bare in near)}?" if near else ""


def _bare(name: str) -> str:
    plain = name.removeprefix(f"{_PACKAGE}>").removeprefix(f"{_PACKAGE}.")
    return plain.replace("_", "").replace("-", "").replace(" ", "").lower()
