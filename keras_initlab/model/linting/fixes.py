"""What to write instead: an argument of a layer, as code."""

from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.uses import argument_of
from keras_initlab.signal.advice import in_keras, scheme_for

__all__ = ["better_scheme"]


def better_scheme(site: Site) -> str:
    """A scheme that fits the activation, and the kind of kernel where its shape hides the fans."""
    scheme = in_keras(scheme_for(site.nonlinearity.curve, kind=site.use.kind))
    return f"Use {argument_of(site.layer, site.variable)}={scheme}"
