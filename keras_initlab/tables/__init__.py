"""Tables that outgrow a model's memory, or its vocabulary."""

from keras_initlab.tables.streaming import initialize_to

__all__ = ["initialize_to"]
