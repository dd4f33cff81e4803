"""Where a model's session is kept: on the model."""

from typing import Any

from keras_initlab.monitor.session import Session

__all__ = ["session_of", "uncover"]

# Where a model holds its session. A table of all sessions would keep every model in memory for
# ever, for sessions hold their models; and without any, each new logger would trace the step anew,
# of which TensorFlow never lets go.
_ATTRIBUTE = "_initlab_session"


def session_of(model: Any) -> Session:
    """The session of a model, made at the first request."""
    held = vars(model).get(_ATTRIBUTE)
    # A shallow copy of a model has the session of another.
    if held is None or held.model is not model:
        held = Session(model)
        # Past Keras's tracking, which would take it for a part of the model.
        vars(model)[_ATTRIBUTE] = held
    return held


def uncover(model: Any) -> None:
    """Take everything off a model without asking the session that put it on."""
    held = vars(model).get(_ATTRIBUTE)
    if held is not None:
        del vars(model)[_ATTRIBUTE]
        held.hooks.remove()
