"""Random numbers keyed by their purpose, the same on every backend and for any thread count."""

from keras_initlab.sampling.draws import DRAWS, Desk, Draw
from keras_initlab.sampling.fill import Drawing, Part, cores, drawn, fill, fill_parts
from keras_initlab.sampling.orthogonal import haar
from keras_initlab.sampling.streams import BLOCK, Stream

__all__ = [
    "BLOCK",
    "DRAWS",
    "Desk",
    "Draw",
    "Drawing",
    "Part",
    "Stream",
    "cores",
    "drawn",
    "fill",
    "fill_parts",
    "haar",
]
