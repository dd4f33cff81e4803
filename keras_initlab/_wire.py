"""The format of the logs, for their writer and the tab: plugin name, tags, record layout."""

import json
import reprlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

PLUGIN_NAME = "initlab"

# One float32 array `[layers, statistics]` per section and look. The first look stands once more in
# a tag of its own, because TensorBoard keeps a random sample of a tag's events.
FIRST_SUFFIX = "/first"
# TensorBoard hands out the metadata of a tag's first event for ever; when another model is trained
# into the same directory, the newest record under this suffix names its layers.
LAYERS_SUFFIX = "/layers"
PROBLEMS_TAG = "initlab/problems"

_ACTIVATIONS = (
    *("count", "mean", "variance", "rms", "min", "max"),
    *("zero_fraction", "dead_fraction", "saturated_fraction", "nonfinite_count"),
    *("effective_rank", "similarity", "float16_headroom", "bfloat16_headroom"),
)

# Columns of each section. Headroom is in powers of two between the largest magnitude and the
# largest number of the type; below zero it has overflowed.
SECTIONS = {
    "activations": _ACTIVATIONS,
    "reference": tuple(f"reference_{name}" for name in _ACTIVATIONS),
    "weights": (
        *("weight_count", "weight_mean", "weight_variance", "weight_rms"),
        *("weight_min", "weight_max", "weight_nonfinite_count"),
        *("gradient_mean", "gradient_variance", "gradient_norm", "gradient_max"),
        *("gradient_nonfinite_count", "gradient_float16_headroom"),
        *("update_ratio", "untouched_fraction"),
    ),
    "theory": ("predicted_mean", "predicted_variance"),
}

HISTOGRAM_BINS = 64

# Thresholds of the problems; docs/verdicts.md gives the reasons.
THRESHOLDS = {
    # Variance of a layer, over the largest on its way or its own at the first look.
    "vanishing": 1e-4,
    "exploding": 1e4,
    # Measured over predicted variance at the first look, either way.
    "theory": 1e2,
    # Mean square of a weight's gradient, over the largest of all weights.
    "vanishing_gradient": 1e-8,
    # Norm of a weight's gradient, over its own at the first look.
    "exploding_gradient": 1e4,
    # Share of units that are zero for every example.
    "dead": 0.75,
    # Share of elements where the activation is flat.
    "saturated": 0.5,
    # Effective rank about the mean, and mean likeness of two examples.
    "collapsed": 1.01,
    "similarity": 0.9999,
    # Length of an update over the length of the weight.
    "stalled": 1e-8,
}

# Growth through depth is no problem while the variance itself stays below this.
LARGE_VARIANCE = 1e2

_VERSION = 2


@dataclass(frozen=True)
class LayerInfo:
    """One row of a record: a call of a layer, or a layer's weight.

    Args:
        name: The layer's name (its path where names repeat), with `#2` for a second call.
        kind: Class name of the layer.
        activation: Name of its activation, empty where it has none.
        depth: Position in call order, from 0.
        scheme: Class name of its kernel's initializer, empty where it has none.
        dtype: The dtype in which it computes.
        is_output: Whether it makes an output of the model.
        units: Length of its last axis, 0 where unknown.
    """

    name: str
    kind: str
    activation: str
    depth: int
    scheme: str = ""
    dtype: str = "float32"
    is_output: bool = False
    units: int = 0


@dataclass(frozen=True)
class Problem:
    """A problem of the signal, with its cause and a fix.

    Args:
        rule: `"vanishing"`, `"exploding"`, `"dead"`, `"saturated"`, `"collapsed"`, `"stalled"` or
            `"nonfinite"`; in `diagnose` also `"input-scale"`, `"input-offset"`, `"label-scale"` or
            `"head-loss-mismatch"`.
        what: `"activations"`, `"gradients"`, `"weights"`, `"inputs"`, `"labels"` or `"loss"`;
            `"steps"` where too many in a row were skipped.
        layers: The layers concerned, in call order.
        step: Updates before the snapshot that showed it.
        value: The number that broke the rule.
        threshold: The bound that the rule sets.
        text: The symptom, the likely cause, and a fix.
        cause: The cause, by its name in docs/verdicts.md; `None` if unknown.
        symptoms: What was seen, and where; the first symptom raised the problem.
        reason: Why it happens, in words.
        fix: What to do, in words.
        code: The fix as arguments of the layer or of `compile`; empty where only words apply.
        evidence: The numbers of the cause, by name.
    """

    rule: str
    what: str
    layers: tuple[str, ...]
    step: int
    value: float
    threshold: float
    text: str
    cause: str | None = None
    symptoms: tuple[str, ...] = ()
    reason: str = ""
    fix: str = ""
    code: str = ""
    evidence: dict[str, float] = field(default_factory=dict, hash=False)

    @property
    def where(self) -> str:
        """The first layer concerned, empty if there is none."""
        return self.layers[0] if self.layers else ""


def tag_of(section: str) -> str:
    """The tag of a section's records.

    Example:
        >>> tag_of("activations")
        'initlab/activations'
    """
    return f"initlab/{section}"


def encode_metadata(
    section: str, layers: Sequence[LayerInfo], edges: Sequence[tuple[int, int]] = ()
) -> bytes:
    """The content of the first event's metadata: the rows, the columns, and the graph of the rows.

    Args:
        section: Name of the section.
        layers: The rows.
        edges: `(from, to)`: the signal of the first row enters the second, with no row between.

    Example:
        >>> content = encode_metadata("theory", [LayerInfo("dense", "Dense", "relu", 0)])
        >>> decode_metadata(content)[0].name
        'dense'
    """
    content = {
        "version": _VERSION,
        "section": section,
        "statistics": SECTIONS[section],
        "layers": [asdict(layer) for layer in layers],
        "edges": [list(edge) for edge in edges],
    }
    return json.dumps(content).encode()


def decode_metadata(content: bytes) -> list[LayerInfo]:
    """The layers of a record.

    Raises:
        ValueError: If the record was written by a later version, or is not a record.
    """
    return [_known(LayerInfo, layer) for layer in _list_in(content, "layers")]


def decode_statistics(content: bytes) -> tuple[str, ...]:
    """The columns of a record.

    Raises:
        ValueError: As `decode_metadata` does.

    Example:
        >>> decode_statistics(encode_metadata("theory", []))
        ('predicted_mean', 'predicted_variance')
    """
    names = _list_in(content, "statistics")
    if not all(isinstance(name, str) for name in names):
        raise ValueError("Columns of a record must have names.")
    return tuple(names)


def encode_problems(problems: Sequence[Problem]) -> bytes:
    """Problems as text that the tab reads.

    Example:
        >>> problem = Problem("dead", "activations", ("dense",), 7, 0.9, 0.5, "dense is dead")
        >>> decode_problems(encode_problems([problem])) == [problem]
        True
    """
    content = {"version": _VERSION, "problems": [asdict(problem) for problem in problems]}
    return json.dumps(content).encode()


def decode_problems(content: bytes) -> list[Problem]:
    """The problems that were written.

    Raises:
        ValueError: If they were written by a later version, or are not a record.
    """
    return [_known(Problem, problem) for problem in _list_in(content, "problems")]


def _list_in(content: bytes, name: str) -> list[Any]:
    """A list in a record. A log can be foreign, so nothing in it is trusted."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"A record must be JSON. Received: {error}.") from error
    version = record.get("version") if isinstance(record, dict) else None
    if not isinstance(version, int):
        raise ValueError("A record must have a version. Received one without.")
    if version > _VERSION:
        raise ValueError(
            f"This version reads records up to version {_VERSION}. "
            f"Received: version={version}. Try `pip install -U keras_initlab`."
        )
    if not isinstance(record.get(name), list):
        raise ValueError(f"A record must have a list `{name}`. Received one without.")
    entries: list[Any] = record[name]
    return entries


# The largest whole number of JavaScript.
_LARGEST = 2**53

# The JSON types of the fields above.
_HELD: dict[Any, Any] = {
    str: str,
    int: int,
    bool: bool,
    float: (int, float),
    str | None: (str, type(None)),
    tuple[str, ...]: list,
    dict[str, float]: dict,
}


def _known(kind: Any, entries: Any) -> Any:
    if not isinstance(entries, dict):
        received = reprlib.repr(entries)
        raise ValueError(f"A {kind.__name__} must be an object of JSON. Received: {received}.")
    types = {field.name: field.type for field in fields(kind)}
    entries = {name: value for name, value in entries.items() if name in types}
    for name, value in entries.items():
        held = isinstance(value, _HELD[types[name]])
        if not held or (types[name] is int and abs(value) > _LARGEST):
            raise ValueError(
                f"`{name}` of a {kind.__name__} has a wrong type or size. "
                f"Received: {reprlib.repr(value)}."
            )
        entries[name] = _checked(kind.__name__, name, value)
    try:
        return kind(**entries)
    except TypeError as error:
        raise ValueError(f"A {kind.__name__} lacks fields. Received: {error}.") from error


def _checked(kind: str, name: str, value: Any) -> Any:
    """A field's value, a list of words as a tuple."""
    if isinstance(value, list):
        if not all(isinstance(entry, str) for entry in value):
            raise ValueError(f"`{name}` of a {kind} must be strings. Received other values.")
        return tuple(value)
    if isinstance(value, dict):
        numbers = all(type(entry) in (int, float) for entry in value.values())
        if not numbers:
            raise ValueError(f"`{name}` of a {kind} must hold numbers. Received other values.")
    return value
