"""Weight initialization for Keras 3, and a callback that shows the signal in TensorBoard.

Importing this package imports neither Keras nor TensorFlow: names are loaded from subpackages when
first used. The schemes register with Keras as soon as both packages are loaded, in either order.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_initlab import _missing, _registration
from keras_initlab._schemes import ALIASES, did_you_mean
from keras_initlab._version import __version__ as __version__

if TYPE_CHECKING:
    # mypy reads lists of names as they are written.
    from keras_initlab.initializers.attention import *  # noqa: F403
    from keras_initlab.initializers.base import ArrayScheme as ArrayScheme
    from keras_initlab.initializers.base import RandomScheme as RandomScheme
    from keras_initlab.initializers.base import VarianceScheme as VarianceScheme
    from keras_initlab.initializers.catalogue import list_schemes as list_schemes
    from keras_initlab.initializers.catalogue import scheme as scheme
    from keras_initlab.initializers.critical import *  # noqa: F403
    from keras_initlab.initializers.embeddings import *  # noqa: F403
    from keras_initlab.initializers.given import *  # noqa: F403
    from keras_initlab.initializers.identity import *  # noqa: F403
    from keras_initlab.initializers.linear import *  # noqa: F403
    from keras_initlab.initializers.orthogonal import *  # noqa: F403
    from keras_initlab.initializers.output import *  # noqa: F403
    from keras_initlab.initializers.plain import *  # noqa: F403
    from keras_initlab.initializers.rectifier import *  # noqa: F403
    from keras_initlab.initializers.recurrent import *  # noqa: F403
    from keras_initlab.initializers.residual import *  # noqa: F403
    from keras_initlab.initializers.siren import *  # noqa: F403
    from keras_initlab.initializers.structured import *  # noqa: F403
    from keras_initlab.initializers.transformer import *  # noqa: F403
    from keras_initlab.initializers.variance import *  # noqa: F403
    from keras_initlab.initializers.widths import *  # noqa: F403
    from keras_initlab.initializers.wrappers import *  # noqa: F403
    from keras_initlab.model import *  # noqa: F403
    from keras_initlab.monitor import *  # noqa: F403
    from keras_initlab.tables import *  # noqa: F403
    from keras_initlab.theory import *  # noqa: F403

    GlorotNormal = XavierNormal  # noqa: F405
    GlorotUniform = XavierUniform  # noqa: F405
    KaimingNormal = HeNormal  # noqa: F405
    KaimingUniform = HeUniform  # noqa: F405
    LeCunNormal = LecunNormal  # noqa: F405
    LeCunUniform = LecunUniform  # noqa: F405

_ROOMS = ("initializers", "model", "monitor", "tables", "theory")

_registration.register_with_keras()


# With this function a type checker accepts any name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "__all__":
            return _public_names()
        if name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        wanted = ALIASES.get(name, name)
        for room in _rooms():
            if wanted in room.__all__:
                return getattr(room, wanted)
        question = did_you_mean(name, [*_public_names(), *ALIASES])
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{question}")


def __dir__() -> list[str]:
    return ["__version__", *_public_names(), *ALIASES]


def _public_names() -> list[str]:
    return sorted(name for room in _rooms() for name in room.__all__)


def _rooms() -> list[Any]:
    try:
        return [importlib.import_module(f"{__name__}.{room}") for room in _ROOMS]
    except ModuleNotFoundError as error:
        raise _missing.explained(error) from None
