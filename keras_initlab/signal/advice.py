"""The only adviser: which scheme to draw weights from, by the activation that follows them."""

from keras_initlab.theory import (
    ACTIVATIONS,
    Activation,
    CriticalPoint,
    Kind,
    critical_point,
    gain_of,
)

__all__ = ["SELF_NORMALIZING", "in_keras", "needed_variance", "scheme_for"]

# Activations whose signal keeps its length under LeCun's weights: the slope of the length map is
# below 1.
SELF_NORMALIZING = ("selu",)

# They end a model, or a gate: nothing is to be held.
_ENDS = ("sigmoid", "softmax")

# So many layers a gain of one layer holds the signal of any activation (docs/choosing.md).
_SHALLOW = 15

# The schemes that Keras has too, with the same distribution and the same fans.
_OF_KERAS = {"HeNormal()": '"he_normal"', "LecunNormal()": '"lecun_normal"'}


def needed_variance(activation: str | Activation | None) -> float | None:
    """Weight variance times fan-in that holds the signal; `None` where it is not known.

    Args:
        activation: What follows: its name, empty for nothing, or the function with its constants;
            `None` where it is unknown.
    """
    if activation is None:
        return None
    if _name_of(activation) in ("", "linear"):
        return 1.0
    point = _point_of(activation)
    if point is not None and point.q == 0 and _name_of(activation) not in SELF_NORMALIZING:
        # Tanh and its family shrink large signals and hold small ones, if their slope is held.
        return _rounded(point.weight_variance)
    try:
        return _rounded(gain_of(activation) ** 2)
    except ValueError:
        return None


def scheme_for(
    activation: str | Activation | None, *, depth: int = 1, kind: Kind | None = None
) -> str:
    """A scheme of this package, as code, with the variance `needed_variance / fan_in`.

    Args:
        activation: What follows: its name, empty for nothing, or the function with its constants;
            `None` where it is unknown.
        depth: How many layers of the model have this activation.
        kind: What the shape of the kernel does not tell.

    Example:
        >>> scheme_for("relu"), scheme_for("tanh"), scheme_for("gelu")
        ('HeNormal()', 'LecunNormal()', 'HeNormal(activation="gelu")')
        >>> scheme_for("relu", kind=Kind("transposed", strides=2))
        'HeNormal(kind=Kind("transposed", strides=2))'
        >>> from keras_initlab.theory import activation_of
        >>> scheme_for(activation_of(lambda x: np.maximum(x, 0.0) ** 2))
        'VarianceScaling(scale=0.6667)'
    """
    told = "" if kind is None else _as_code(kind)
    name, needed = _name_of(activation), needed_variance(activation)
    if activation is not None and (name in _ENDS or needed == 1):
        return f"LecunNormal({told})"
    if needed in (2, None) or activation is None:
        return f"HeNormal({told})"
    if not _is_known_by(name, activation) or needed != _rounded(gain_of(activation) ** 2):
        return f"VarianceScaling({', '.join(filter(None, (f'scale={needed:.4g}', told)))})"
    if depth > _SHALLOW and not told and _is_half_stable(name):
        return f'CriticalNormal("{name}") and CriticalBias("{name}")'
    after = f'activation="{name}"'
    return f"HeNormal({', '.join(filter(None, (told, after)))})"


def _rounded(variance: float) -> float:
    """A variance, whole where it is so but for what a quadrature leaves."""
    near = round(variance)
    return float(near) if abs(variance - near) < 1e-6 else float(variance)


def _name_of(activation: str | Activation | None) -> str:
    return activation.name if isinstance(activation, Activation) else activation or ""


def _is_known_by(name: str, activation: str | Activation) -> bool:
    """Whether a scheme takes an activation by its name."""
    return isinstance(activation, str) or ACTIVATIONS.get(name) is activation


def in_keras(scheme: str) -> str:
    """The result of `scheme_for` as a layer takes it: Keras's string if Keras has the scheme.

    Example:
        >>> in_keras("HeNormal()"), in_keras('HeNormal(activation="gelu")')
        ('"he_normal"', 'keras_initlab.HeNormal(activation="gelu")')
    """
    words = scheme.replace("Kind(", "keras_initlab.Kind(")
    return _OF_KERAS.get(scheme, f"keras_initlab.{words}")


def _as_code(kind: Kind) -> str:
    """The argument `kind`, with what bears on the inputs of a unit; empty where the shape does."""
    strides = f"strides={kind.strides}" if kind.name == "transposed" and kind.strides != 1 else ""
    groups = f"groups={kind.groups}" if kind.groups != 1 else ""
    if not strides and not groups:
        return "" if kind.name == "dense" else f'kind="{kind.name}"'
    name = "" if kind.name == "dense" else f'"{kind.name}"'
    return f"kind=Kind({', '.join(filter(None, (name, strides, groups)))})"


def _is_half_stable(activation: str) -> bool:
    """Whether the gain of one layer lets a deep stack drift, and biases hold it."""
    point = _point_of(activation)
    return point is not None and point.bias_variance > 0


def _point_of(activation: str | Activation) -> CriticalPoint | None:
    try:
        return critical_point(activation)
    except ValueError:
        return None
