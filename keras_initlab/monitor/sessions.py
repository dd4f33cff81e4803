"""Keeps the session of a model on the model."""

from typing import Any

from keras_initlab.monitor.session import Session

__all__ = ["session_of", "uncover"]

# The attribute of a model that holds its session. A global table of sessions keeps every model in
# memory for ever, because sessions hold their models. Without sessions every new logger traces the
# step anew, and TensorFlow never frees a trace.
_ATTRIBUTE = "_initlab_session"


def session_of(model: Any) -> Session:
    """The session of a model, made at the first request."""
    held = vars(model).get(_ATTRIBUTE)
    # A shallow copy of a model holds the session of the original.
    if held is None or held.model is not model:
        held = Session(model)
        # Not by `setattr`: Keras tracks it as a part of the model.
        vars(model)[_ATTRIBUTE] = held
    return held


def uncover(model: Any) -> None:
    """Take all covers off a model, without the help of its session."""
    held = vars(model).get(_ATTRIBUTE)
    if held is not None:
        del vars(model)[_ATTRIBUTE]
        held.hooks.remove()
