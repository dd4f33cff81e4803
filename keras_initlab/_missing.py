"""The message for a backend that Keras needs and that is not installed."""

import importlib.util

_BACKENDS = ("tensorflow", "jax", "torch")


def explained(error: Exception) -> Exception:
    """An error with advice, if a backend is missing; else the error itself.

    Args:
        error: Raised by the import of Keras, or by a command.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name not in _BACKENDS:
        return error
    present = [name for name in _BACKENDS if importlib.util.find_spec(name)]
    choice = "".join(f", or set KERAS_BACKEND={name}" for name in present)
    text = (
        f"Keras runs on a backend. It is set to {error.name}, which is not installed. "
        f'Try `pip install "keras_initlab[{error.name}]"`{choice}.'
    )
    return ModuleNotFoundError(text, name=error.name)
