"""All that is known about a model before it runs, worked out once and shared."""

from functools import cached_property
from typing import Any

from keras_initlab.anatomy.graph import Graph
from keras_initlab.anatomy.nonlinearity import Nonlinearities
from keras_initlab.anatomy.sites import Site, Sites

__all__ = ["Anatomy"]


class Anatomy:
    """A model, how its layers are wired, and the weights that carry its signal.

    Each part is worked out when it is first asked for. Values of weights may change meanwhile,
    layers and calls must not.

    Args:
        model: A Keras model; sites are those of a built one.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu")])
        >>> [site.fans for site in Anatomy(model).sites]
        [Fans(fan_in=4, fan_out=8)]
    """

    def __init__(self, model: Any):
        self.model = model

    @cached_property
    def nonlinearities(self) -> Nonlinearities:
        """The activations of the layers."""
        return Nonlinearities()

    @cached_property
    def graph(self) -> Graph:
        """Which call passes which tensor to which call."""
        return Graph(self.model, self.nonlinearities)

    @cached_property
    def _sites(self) -> Sites:
        return Sites(self.model, self.graph)

    @property
    def sites(self) -> list[Site]:
        """The weights that carry the signal and are trained, in the order of the layers."""
        return self._sites.trained

    @property
    def all_sites(self) -> list[Site]:
        """The same, with those that are not trained."""
        return self._sites.all
