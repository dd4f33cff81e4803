"""The list in which Keras looks up the names of initializers."""


def name_initializer(name: str, cls: type) -> None:
    """Let `keras.initializers.get` find a class by a name; a name of Keras's own stays Keras's.

    From Keras 3.16 on it reads only its own list, and no longer the registry of saved objects.

    Args:
        name: `"keras_initlab>HeNormal"` or `"xavier_uniform"`, for example.
        cls: The initializer's class.
    """
    from keras.src import initializers

    # A Keras without this list finds the name in the registry of saved objects, or not at all; the
    # import goes on in both cases.
    known = getattr(initializers, "ALL_OBJECTS_DICT", None)
    if known is not None and (">" in name or "." in name or name not in known):
        known[name] = cls
