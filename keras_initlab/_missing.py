"""What to say where the backend that Keras asks for is not installed."""

import importlib.util

_BACKENDS = ("tensorflow", "jax", "torch")


def explained(error: Exception) -> Exception:
    """The error with the way out, where it is a backend that is missing, else the error itself.

    Args:
        error: What importing Keras, or a command, raised.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name not in _BACKENDS:
        return error
    present = [name for name in _BACKENDS if importlib.util.find_spec(name)]
    choice = "".join(f", or set KERAS_BACKEND={name}" for name in present)
    text = (
        f"Keras runs on a backend, and {error.name}, which it is set to, is not installed. "
        f'Try `pip install "keras_initlab[{error.name}]"`{choice}.'
    )
    return ModuleNotFoundError(text, name=error.name)
