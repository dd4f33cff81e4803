"""What to write instead: arguments of a layer, as code."""

from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.uses import argument_of
from keras_initlab.theory import Kind, gain_of

__all__ = ["better_scheme", "fitting_kind", "needed_variance"]

# Of slope 1 at zero, or none at all: Xavier's case.
_XAVIER = ("", "linear", "tanh", "sigmoid", "softmax")


def _argument(site: Site) -> str:
    return argument_of(site.layer, site.variable)


def better_scheme(site: Site) -> str:
    """A scheme that fits the activation, and the kind of kernel where its shape hides the fans."""
    told = site.use.kind is None or site.use.kind.name == "dense"
    return _of_keras(site) if told else fitting_kind(site)


def _of_keras(site: Site) -> str:
    if site.activation in _XAVIER:
        return f'Use {_argument(site)}="glorot_uniform"'
    if site.activation == "relu" or needed_variance(site.activation) is None:
        return f'Use {_argument(site)}="he_normal"'
    return f'Use {_argument(site)}=keras_initlab.HeNormal(activation="{site.activation}")'


def fitting_kind(site: Site) -> str:
    """One of our schemes, told what the shape does not tell."""
    kind = _as_code(site.use.kind or Kind())
    if site.activation in _XAVIER:
        return f"Use {_argument(site)}=keras_initlab.LecunNormal(kind={kind})"
    after = "" if site.activation == "relu" else f', activation="{site.activation}"'
    return f"Use {_argument(site)}=keras_initlab.HeNormal(kind={kind}{after})"


def _as_code(kind: Kind) -> str:
    if kind == Kind(kind.name):
        return f'"{kind.name}"'
    strides = f", strides={kind.strides}" if kind.strides != 1 else ""
    return f'keras_initlab.Kind("{kind.name}"{strides})'


def needed_variance(activation: str) -> float | None:
    """Weight variance times fan-in that holds the signal; `None` where no gain is known."""
    try:
        return float(gain_of(activation or None) ** 2)
    except ValueError:
        return None
