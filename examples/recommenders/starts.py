"""The three starts that are compared, and a model under the first two."""

import keras

__all__ = ["STARTS", "built"]

# As Keras builds it; as the library or the authors start it; as `initialize` does.
STARTS = ("keras", "library", "ours")


def built(module, start, data, seed):
    """A model of a module, with the library's initializers where they are asked for."""
    keras.utils.set_random_seed(seed)
    return module.build(data, **(module.LIBRARY if start == "library" else {}))
