"""What each layer class, and each operation of `keras.ops`, does to a signal: one row for each."""

from dataclasses import dataclass, replace
from typing import Any

__all__ = ["NOTHING", "Traits", "traits_of"]


@dataclass(frozen=True)
class Traits:
    """What a layer or an operation does to a signal.

    Args:
        silent: It moves, masks or drops the signal but makes none, and is not watched.
        passes: Mean and variance stay as they are.
        shapes: The distribution stays as it is, but for a factor.
        keeps_scale: The scale stays as it is, or nearly so.
        adds: It adds its inputs.
        merges: It combines its inputs, unit by unit.
        joins: It puts its inputs side by side.
        linear: Its outputs are sums, or rows, of its inputs.
        multiplies: It multiplies its inputs, unit by unit.
        dots: It makes dot products of vectors.
        pairs: It makes products of two parts of its inputs.
        compares: It weighs one input by how two others fit, as attention does.
        normalizes: It repairs the scale of its input.
        loops: It calls its sublayers inside a loop body, which cannot be watched from outside.
        looks_up: Its weight is a table of vectors.
        crosses: It is a cross layer, `x + x0 * (W x + b)`.
        activates: It is an activation and nothing else.
        activation: Name of that activation, empty where an attribute holds it.
        kernel: How it uses its kernel: `"dense"`, `"einsum"`, `"convolution"`, `"transposed"`,
            `"depthwise"` or `"separable"`; empty where it has none, or that is unknown.
        gates: Gates of a recurrent cell, 0 for any other layer.
        forgets: The second of these gates is a forget gate.
    """

    silent: bool = False
    passes: bool = False
    shapes: bool = False
    keeps_scale: bool = False
    adds: bool = False
    merges: bool = False
    joins: bool = False
    linear: bool = False
    multiplies: bool = False
    dots: bool = False
    pairs: bool = False
    compares: bool = False
    normalizes: bool = False
    loops: bool = False
    looks_up: bool = False
    crosses: bool = False
    activates: bool = False
    activation: str = ""
    kernel: str = ""
    gates: int = 0
    forgets: bool = False

    def of_own_call(self) -> "Traits":
        """What is left for a subclass with a `call` of its own: what its weights are."""
        return Traits(
            loops=self.loops,
            looks_up=self.looks_up,
            crosses=self.crosses,
            kernel=self.kernel,
            gates=self.gates,
            forgets=self.forgets,
        )


NOTHING = Traits()

_MOVES = Traits(silent=True, passes=True, shapes=True, keeps_scale=True)
_DROPS = Traits(silent=True, shapes=True, keeps_scale=True)
_RESIZES = Traits(silent=True, keeps_scale=True)
_POOLS = Traits(keeps_scale=True)
_VIEWS = Traits(shapes=True)
_ACTIVATES = Traits(activates=True, keeps_scale=True)
_LINEAR = Traits(linear=True)
_NORMALIZES = Traits(normalizes=True)
_LOOPS = Traits(loops=True)
_DOTS = Traits(dots=True, pairs=True)


def _activation(name: str) -> Traits:
    return replace(_ACTIVATES, activation=name)


# Layers and operations of one name do the same.
_ROWS = {
    "InputLayer": _MOVES,
    "Flatten": _MOVES,
    "Reshape": _MOVES,
    "Permute": _MOVES,
    "Identity": _MOVES,
    "ActivityRegularization": _MOVES,
    "RepeatVector": Traits(silent=True, passes=True, keeps_scale=True),
    "Masking": Traits(silent=True, passes=True),
    "Dropout": _DROPS,
    "SpatialDropout1D": _DROPS,
    "SpatialDropout2D": _DROPS,
    "SpatialDropout3D": _DROPS,
    "AlphaDropout": _DROPS,
    "GaussianDropout": _DROPS,
    "GaussianNoise": _DROPS,
    "ZeroPadding1D": _RESIZES,
    "ZeroPadding2D": _RESIZES,
    "ZeroPadding3D": _RESIZES,
    "Cropping1D": _RESIZES,
    "Cropping2D": _RESIZES,
    "Cropping3D": _RESIZES,
    "UpSampling1D": _RESIZES,
    "UpSampling2D": _RESIZES,
    "UpSampling3D": _RESIZES,
    "AveragePooling1D": _POOLS,
    "AveragePooling2D": _POOLS,
    "AveragePooling3D": _POOLS,
    "MaxPooling1D": _POOLS,
    "MaxPooling2D": _POOLS,
    "MaxPooling3D": _POOLS,
    "GlobalAveragePooling1D": _POOLS,
    "GlobalAveragePooling2D": _POOLS,
    "GlobalAveragePooling3D": _POOLS,
    "GlobalMaxPooling1D": _POOLS,
    "GlobalMaxPooling2D": _POOLS,
    "GlobalMaxPooling3D": _POOLS,
    "ExpandDims": _VIEWS,
    "Squeeze": _VIEWS,
    "Transpose": _VIEWS,
    "Cast": _VIEWS,
    "Concatenate": Traits(silent=True, keeps_scale=True, joins=True, linear=True),
    "Add": Traits(adds=True, merges=True, linear=True),
    "Subtract": Traits(merges=True, linear=True),
    "Average": Traits(merges=True, linear=True),
    "Multiply": Traits(merges=True, multiplies=True, pairs=True),
    "Square": Traits(pairs=True),
    "Attention": Traits(compares=True),
    "AdditiveAttention": Traits(compares=True),
    "Sum": _LINEAR,
    "Mean": _LINEAR,
    "Stack": _LINEAR,
    "GetItem": _LINEAR,
    "Dot": _DOTS,
    "Matmul": _DOTS,
    "Einsum": _DOTS,
    "Tensordot": _DOTS,
    "DotInteraction": Traits(pairs=True),
    "FeatureCross": Traits(crosses=True),
    "BatchNormalization": _NORMALIZES,
    "LayerNormalization": _NORMALIZES,
    "GroupNormalization": _NORMALIZES,
    "RMSNormalization": _NORMALIZES,
    "UnitNormalization": _NORMALIZES,
    "Activation": _ACTIVATES,
    "ReLU": _activation("relu"),
    "Relu": _activation("relu"),
    "Relu6": _activation("relu6"),
    "LeakyReLU": _activation("leaky_relu"),
    "LeakyRelu": _activation("leaky_relu"),
    # As long as its slopes are zero.
    "PReLU": _activation("relu"),
    "ELU": _activation("elu"),
    "Elu": _activation("elu"),
    "Selu": _activation("selu"),
    "Gelu": _activation("gelu"),
    "Silu": _activation("silu"),
    "Tanh": _activation("tanh"),
    "Sigmoid": _activation("sigmoid"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "Softmax": Traits(activates=True, activation="softmax"),
    "RNN": _LOOPS,
    "Bidirectional": _LOOPS,
    "TimeDistributed": _LOOPS,
    "LSTMCell": Traits(gates=4, forgets=True),
    "ConvLSTMCell": Traits(gates=4, forgets=True),
    "GRUCell": Traits(gates=3),
    "SimpleRNNCell": Traits(gates=1),
    "Embedding": Traits(looks_up=True),
    "Dense": Traits(kernel="dense"),
    "EinsumDense": Traits(kernel="einsum"),
    "Conv1D": Traits(kernel="convolution"),
    "Conv2D": Traits(kernel="convolution"),
    "Conv3D": Traits(kernel="convolution"),
    "Conv1DTranspose": Traits(kernel="transposed"),
    "Conv2DTranspose": Traits(kernel="transposed"),
    "Conv3DTranspose": Traits(kernel="transposed"),
    "DepthwiseConv1D": Traits(kernel="depthwise"),
    "DepthwiseConv2D": Traits(kernel="depthwise"),
    "SeparableConv1D": Traits(kernel="separable"),
    "SeparableConv2D": Traits(kernel="separable"),
}

# Where the classes of the rows come from; classes of others are known by what they derive from.
_HOMES = ("keras", "keras_rs")

# Other libraries have normalizations of their own, with names like these.
_NORMS = ("BatchNorm", "LayerNorm", "GroupNorm", "RMSNorm", "UnitNorm")


def traits_of(operation: Any) -> Traits:
    """The row of a layer or an operation: its class's own, or that of a class it derives from.

    A subclass with a `call` of its own is still known for its weights, and for nothing else.

    Args:
        operation: A layer, or an operation of `keras.ops`.

    Example:
        >>> import keras
        >>> class Users(keras.layers.Embedding):
        ...     pass
        >>> traits_of(Users(3, 2)).looks_up
        True
    """
    changed = False
    for cls in type(operation).__mro__:
        row = _ROWS.get(cls.__name__) if cls.__module__.split(".")[0] in _HOMES else None
        if row is not None:
            return row.of_own_call() if changed else row
        changed = changed or "call" in vars(cls)
    name = type(operation).__name__.removesuffix("alization")
    return _NORMALIZES if name.endswith(_NORMS) else NOTHING
