"""Schemes that ignore the fans."""

from typing import Any

import keras
import numpy as np

from keras_initlab.initializers.arguments import Seed
from keras_initlab.initializers.base import RandomScheme, Scheme
from keras_initlab.initializers.catalogue import PACKAGE, scheme
from keras_initlab.initializers.checks import checked_number, checked_seed
from keras_initlab.initializers.places import Place

__all__ = ["Constant", "RandomNormal", "RandomUniform", "TruncatedNormal", "Zeros"]


@scheme
class Zeros(Scheme):
    """All weights zero: right for biases and logistic regression, fatal in a deep net.

    Units of a hidden layer that start equal get equal gradients and stay equal for ever; with zero
    weights above them no gradient reaches them at all.

    Shape:
        Any.

    Raises:
        ValueError: On call, if an axis has no size known before training.

    Source:
        The symmetry: Goodfellow, Bengio and Courville 2016, Deep Learning, section 8.4,
        https://www.deeplearningbook.org/contents/optimization.html.

    Example:
        >>> weights = Zeros()((2, 3))
        >>> tuple(weights.shape)
        (2, 3)
    """

    def __init__(self) -> None:
        super().__init__()

    def _at(self, place: Place, dtype: Any) -> Any:
        return place.constant(0, keras.backend.standardize_dtype(dtype))


@scheme
class Constant(Scheme):
    """All weights one number: a start for biases and scales, symmetric in kernels.

    Args:
        value: The number (unitless), finite.

    Shape:
        Any.

    Raises:
        TypeError: If `value` is not a number; `FromArray` takes an array.
        ValueError: If `value` is NaN or infinite; on call, if the dtype cannot hold it.

    Source:
        As for `Zeros`: equal weights stay equal, Goodfellow, Bengio and Courville 2016, section
        8.4, https://www.deeplearningbook.org/contents/optimization.html.

    Example:
        >>> float(Constant(0.5)(()))
        0.5
    """

    def __init__(self, value: float = 0.0):
        shape = getattr(value, "shape", ())
        if isinstance(value, (list, tuple)) or len(shape):
            raise TypeError(
                "`value` fills the whole weight, so it must be a number. "
                f"Received: value of type {type(value).__name__}. Try `FromArray(value)`."
            )
        self.value = checked_number(value, "value", "fills the whole weight")

    def _at(self, place: Place, dtype: Any) -> Any:
        dtype = keras.backend.standardize_dtype(dtype)
        if keras.backend.is_int_dtype(dtype) and self.value != int(self.value):
            raise ValueError(
                f"`value` must be a whole number for the dtype {dtype}. "
                f"Received: value={self.value}, dtype={dtype}."
            )
        return place.constant(self.value, dtype)

    def get_config(self) -> dict[str, Any]:
        """The value, wrapped so that Keras's `Constant`, which ignores other keys, refuses it."""
        config = super().get_config()
        wrapped = {"class_name": f"{PACKAGE}>Constant.value", "config": {"value": config["value"]}}
        return {**config, "value": wrapped}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Scheme:
        """The scheme that `get_config` described."""
        value = config.get("value", 0.0)
        if isinstance(value, dict):
            value = value["config"]["value"]
        return super().from_config({**config, "value": value})


@scheme
class RandomNormal(RandomScheme):
    """Gaussian weights of one standard deviation, whatever the layer's width.

    Each layer of width n multiplies the signal's variance by `n * stddev**2`: too small a value
    makes it vanish, too large a value saturates sigmoid and tanh or overflows.

    Args:
        mean: Mean of the weights (unitless).
        stddev: Standard deviation of the weights (unitless), positive.

    Shape:
        Any.

    Raises:
        ValueError: If `stddev` is not positive, or an argument is NaN or infinite.

    Source:
        The standard deviation 0.01 is from Krizhevsky et al. 2012, section 5,
        https://papers.nips.cc/paper/4824. All arguments are keyword-only; in Keras they may be
        given by position.

    Example:
        >>> weights = RandomNormal(stddev=0.01, seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(self, *, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None):
        self.mean = checked_number(mean, "mean", "is the center of the weights")
        self.stddev = checked_number(stddev, "stddev", "is a standard deviation", positive=True)
        self.seed = checked_seed(seed)

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        return "normal", float(self.mean), float(self.stddev)


@scheme
class TruncatedNormal(RandomScheme):
    """Gaussian weights of one standard deviation without the tails beyond two of them.

    Args:
        mean: Mean of the weights (unitless).
        stddev: Standard deviation before the cut (unitless), positive; after it 0.8796 of that.

    Shape:
        Any.

    Raises:
        ValueError: If `stddev` is not positive, or an argument is NaN or infinite.

    Source:
        Variance after the cut: `1 - 4 phi(2) / (2 Phi(2) - 1) = 0.7737`, Johnson, Kotz and
        Balakrishnan 1994, vol. 1, eq. 13.134. As in Keras, torch and JAX `stddev` is not corrected
        for it; `VarianceScaling` and its special cases are.

    Example:
        >>> weights = TruncatedNormal(stddev=0.1, seed=0)((512, 256))
        >>> bool((abs(keras.ops.convert_to_numpy(weights)) <= 0.2).all())
        True
    """

    def __init__(self, *, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None):
        self.mean = checked_number(mean, "mean", "is the center of the weights")
        self.stddev = checked_number(stddev, "stddev", "is a standard deviation", positive=True)
        self.seed = checked_seed(seed)

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        return "truncated_normal", float(self.mean), float(self.stddev)


@scheme
class RandomUniform(RandomScheme):
    """Uniform weights between two bounds, whatever the layer's width.

    Args:
        minval: Lower bound (unitless).
        maxval: Upper bound (unitless), above `minval`.

    Shape:
        Any.

    Raises:
        ValueError: If `maxval` is not above `minval`, or an argument is NaN or infinite.

    Source:
        Variance `(maxval - minval)**2 / 12`. The common heuristic `1/sqrt(fan_in)` for the bound
        is eq. 1 of Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html.

    Example:
        >>> weights = RandomUniform(minval=-0.1, maxval=0.1, seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(self, *, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None):
        self.minval = checked_number(minval, "minval", "is the lower bound")
        self.maxval = checked_number(maxval, "maxval", "is the upper bound")
        self.seed = checked_seed(seed)
        if not minval < maxval:
            raise ValueError(
                "`maxval` is the upper bound, so it must lie above `minval`. "
                f"Received: minval={minval}, maxval={maxval}."
            )

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        width = float(np.subtract(self.maxval, self.minval))
        center = float(self.minval) + width / 2
        return "uniform", center, width / 2
