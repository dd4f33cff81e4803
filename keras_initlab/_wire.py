"""What the writer of the logs and the TensorBoard tab share: plugin name, tags, record layout."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = [
    "FIRST_LOOK_TAG",
    "LOOKS_TAG",
    "PLUGIN_NAME",
    "STATISTICS",
    "LayerInfo",
    "decode_metadata",
    "encode_metadata",
]

PLUGIN_NAME = "initlab"

# One float32 array `[layers, statistics]` per look; the first look once more in a tag of its own,
# because TensorBoard keeps a random sample of a tag's events.
LOOKS_TAG = "initlab/activations"
FIRST_LOOK_TAG = "initlab/activations/first"

STATISTICS = ("count", "mean", "variance", "zero_fraction", "dead_fraction", "nonfinite_fraction")

_VERSION = 1


@dataclass(frozen=True)
class LayerInfo:
    """One row of a record: a call of a layer.

    Args:
        name: The layer's name (its path where names repeat), with `#2` for a second call.
        kind: Class name of the layer.
        activation: Name of its activation, empty where it has none.
        depth: Position in call order, from 0.
    """

    name: str
    kind: str
    activation: str
    depth: int


def encode_metadata(layers: Sequence[LayerInfo]) -> bytes:
    """The content of the first event's metadata: what the rows and columns are.

    Example:
        >>> decode_metadata(encode_metadata([LayerInfo("dense", "Dense", "relu", 0)]))
        [LayerInfo(name='dense', kind='Dense', activation='relu', depth=0)]
    """
    content = {"version": _VERSION, "statistics": STATISTICS, "layers": [asdict(x) for x in layers]}
    return json.dumps(content).encode()


def decode_metadata(content: bytes) -> list[LayerInfo]:
    """The layers of a record.

    Raises:
        ValueError: If the record was written by a later version.
    """
    record = json.loads(content)
    if record["version"] > _VERSION:
        raise ValueError(
            f"This version reads records up to version {_VERSION}. "
            f"Received: version={record['version']}. Try `pip install -U keras_initlab`."
        )
    return [LayerInfo(**layer) for layer in record["layers"]]
