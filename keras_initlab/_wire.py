"""What the writer of the logs and the TensorBoard tab share: plugin name, tags, record layout."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = [
    "FIRST_SUFFIX",
    "HISTOGRAM_BINS",
    "PLUGIN_NAME",
    "PROBLEMS_TAG",
    "SECTIONS",
    "LayerInfo",
    "Problem",
    "decode_metadata",
    "decode_problems",
    "encode_metadata",
    "encode_problems",
    "tag_of",
]

PLUGIN_NAME = "initlab"

# One float32 array `[layers, statistics]` per section and look. The first look stands once more in
# a tag of its own, because TensorBoard keeps a random sample of a tag's events.
FIRST_SUFFIX = "/first"
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
        dtype: What it computes in.
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
    """Something wrong with the signal, in words.

    Args:
        rule: `"vanishing"`, `"exploding"`, `"dead"`, `"saturated"`, `"collapsed"`, `"stalled"` or
            `"nonfinite"`.
        what: `"activations"`, `"gradients"` or `"weights"`.
        layers: The layers it concerns, the first one first, in call order.
        step: Updates before the look that showed it.
        value: The number that broke the rule.
        threshold: The number it was held against.
        text: What is seen, likely cause, and a fix.
    """

    rule: str
    what: str
    layers: tuple[str, ...]
    step: int
    value: float
    threshold: float
    text: str


def tag_of(section: str) -> str:
    """The tag of a section's records.

    Example:
        >>> tag_of("activations")
        'initlab/activations'
    """
    return f"initlab/{section}"


def encode_metadata(section: str, layers: Sequence[LayerInfo]) -> bytes:
    """The content of the first event's metadata: what the rows and columns are.

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
    }
    return json.dumps(content).encode()


def decode_metadata(content: bytes) -> list[LayerInfo]:
    """The layers of a record.

    Raises:
        ValueError: If the record was written by a later version.
    """
    return [_known(LayerInfo, layer) for layer in _checked(content)["layers"]]


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
        ValueError: If they were written by a later version.
    """
    problems = [_known(Problem, problem) for problem in _checked(content)["problems"]]
    return [Problem(**{**asdict(each), "layers": tuple(each.layers)}) for each in problems]


def _checked(content: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(content)
    if record["version"] > _VERSION:
        raise ValueError(
            f"This version reads records up to version {_VERSION}. "
            f"Received: version={record['version']}. Try `pip install -U keras_initlab`."
        )
    return record


def _known(kind: Any, entries: dict[str, Any]) -> Any:
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in entries.items() if name in names})
