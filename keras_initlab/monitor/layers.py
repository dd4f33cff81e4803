"""Which layers carry signal worth watching."""

from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab._wire import LayerInfo

__all__ = ["info_of", "names_of", "watched_layers"]

# Their steps run inside a loop body that cannot be watched from outside: the whole is watched.
_LOOPS = (keras.layers.RNN, keras.layers.Bidirectional, keras.layers.TimeDistributed)

# They move, mask or drop the signal but make none.
_SILENT = {
    *("InputLayer", "Flatten", "Reshape", "Permute", "RepeatVector", "Identity", "Masking"),
    *("Concatenate", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"),
    *("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "Cropping1D", "Cropping2D", "Cropping3D"),
    *("UpSampling1D", "UpSampling2D", "UpSampling3D"),
}


def watched_layers(model: Any) -> list[Any]:
    """Layers of a model, at any depth, that compute something and can be watched.

    Raises:
        ValueError: If there is none.
    """
    layers: dict[Any, None] = {}
    for layer in _backend.own_sublayers(model):
        _collect(layer, layers)
    if not layers:
        raise ValueError(
            "The model has no layers to watch yet. "
            f"Received: model={model.name!r}, built={model.built}. "
            "Try `model.build(input_shape)` or call the model on a batch before `fit`."
        )
    return list(layers)


def _collect(layer: Any, found: dict[Any, None]) -> None:
    inside = [] if isinstance(layer, _LOOPS) else _backend.own_sublayers(layer)
    silent = type(layer).__name__ in _SILENT or isinstance(layer, keras.Model)
    if not silent and (not inside or _backend.owns_weights(layer)):
        found[layer] = None
    for child in inside:
        _collect(child, found)


def names_of(layers: list[Any]) -> dict[Any, str]:
    """A name for each layer: its own, or its path where names repeat."""
    names = [layer.name for layer in layers]
    return {
        layer: layer.name if names.count(layer.name) == 1 else layer.path or layer.name
        for layer in layers
    }


def info_of(layer: Any, name: str, depth: int) -> LayerInfo:
    """The row of a record for a layer's call."""
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    return LayerInfo(name, type(layer).__name__, activation, depth)
