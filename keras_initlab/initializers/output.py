"""Biases that start an output layer at the base rates of the labels."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from keras_initlab.initializers.arguments import Numbers, TaskKind
from keras_initlab.initializers.base import ArrayScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_choice, checked_number
from keras_initlab.sampling import Stream

__all__ = ["PriorBias"]

_RATE = "is the share of positive labels"
_RATES = "lists the share of each class"
_MEAN = "is the mean of the targets"


@scheme
class PriorBias(ArrayScheme):
    """Biases that make an untrained model predict the base rates of its labels.

    For the last layer, with a kernel that starts small or zero. The first steps then need not
    learn how rare the positives are: with a zero kernel the first log loss is the entropy of the
    base rate, 0.098 for clicks at 2 %, where a zero bias gives 0.693. Exactly one of `rate`,
    `rates` and `mean` must be given; `PriorBias.from_labels` computes it.

    Args:
        rate: For sigmoid outputs or their logits, the share of positives (unitless), above 0 and
            below 1: the bias is `log(rate / (1 - rate))`. A list has one share for each unit, for
            several labels at once.
        rates: For softmax outputs or their logits, the list of class shares, each positive,
            together 1: the bias is `log(rates)`.
        mean: For linear outputs the mean of the targets (in their units), or a list of one mean
            for each unit: this is the bias.

    Shape:
        `(units,)`, the bias of a `keras.layers.Dense`: as many units as the list has entries, any
        number for a single `rate` or `mean`.

    Raises:
        TypeError: If an argument holds something other than numbers.
        ValueError: If none or several are given, or a number is not allowed; on call, if the
            shape does not fit.

    Source:
        The link functions of the outputs: Bishop 2006, Pattern Recognition and Machine Learning,
        section 4.3.6. For a rare class Lin et al. 2017, section 4.1,
        https://arxiv.org/abs/1708.02002, whose `-log((1 - p) / p)` with p = 0.01 is
        `PriorBias(rate=0.01)`. `log(p)` is right for softmax only: a sigmoid of it is
        `p / (1 + p)`. Layers of Keras start their biases with `keras.initializers.Zeros`.

    Example:
        >>> bias = PriorBias(rate=0.5)((1,))
        >>> float(bias[0])
        0.0
    """

    def __init__(
        self,
        *,
        rate: Numbers | None = None,
        rates: Sequence[float] | None = None,
        mean: Numbers | None = None,
    ):
        self.rate = rate if rate is None else _checked_rate(rate)
        self.rates = rates if rates is None else _checked_rates(rates)
        self.mean = mean if mean is None else _checked_mean(mean)
        if sum(prior is not None for prior in (rate, rates, mean)) != 1:
            raise ValueError(
                "Exactly one of `rate` (sigmoid), `rates` (softmax) and `mean` (linear output) "
                "describes the labels. "
                f"Received: rate={rate}, rates={rates}, mean={mean}. "
                "Try `PriorBias.from_labels(labels)`."
            )

    @classmethod
    def from_labels(
        cls, labels: npt.ArrayLike, *, kind: TaskKind = "binary", smoothing: float = 0.0
    ) -> "PriorBias":
        """The scheme for the labels of a training set.

        Args:
            labels: Array of shape `(examples,)` or `(examples, units)`. For `"binary"` numbers
                from 0 to 1, for `"multiclass"` class numbers 0, 1, 2, ... (the largest is the last
                class) or one-hot rows `(examples, classes)`, for `"regression"` targets.
            kind: `"binary"`, `"multiclass"` or `"regression"`.
            smoothing: Added to the count of every class (examples), at least 0; 1 is Laplace's
                rule. A class that never occurs needs it; else its bias would be minus infinity.
                Means of regression targets do not use it.

        Returns:
            A `PriorBias` that holds plain numbers.

        Raises:
            ValueError: If the labels do not fit the kind, or a class never occurs and `smoothing`
                is 0.

        Example:
            >>> PriorBias.from_labels([0, 0, 0, 1]).rate
            0.25
        """
        checked_choice(kind, "kind", get_args(TaskKind))
        _check_smoothing(smoothing)
        values = _checked_labels(labels)
        if kind == "regression":
            return cls(mean=values.mean(axis=0).tolist())
        if kind == "binary":
            positives = _positives(values)
            _check_all_seen(np.minimum(positives, len(values) - positives), smoothing, kind)
            shares = (positives + smoothing) / (len(values) + 2 * smoothing)
            return cls(rate=shares.tolist())
        counts = _class_counts(values)
        _check_all_seen(counts, smoothing, kind)
        return cls(rates=((counts + smoothing) / (counts + smoothing).sum()).tolist())

    def _given(self) -> str:
        return next(name for name in ("rate", "rates", "mean") if getattr(self, name) is not None)

    def check(self, shape: tuple[int, ...]) -> None:
        prior = getattr(self, self._given())
        listed = isinstance(prior, (list, tuple))
        if len(shape) != 1 or (listed and len(prior) != shape[0]):
            layout = f"({len(prior)},)" if listed else "(units,)"
            raise ValueError(
                "`PriorBias` initializes the bias of an output layer, `bias_initializer` of a "
                f"`keras.layers.Dense`; for this `{self._given()}` it has shape {layout}. "
                f"Received: shape={shape}."
            )

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        given = self._given()
        prior = np.asarray(getattr(self, given), "float64")
        if given == "rate":
            prior = np.log(prior) - np.log1p(-prior)
        elif given == "rates":
            prior = np.log(prior)
        return np.broadcast_to(prior, shape)


def _checked_rate(rate: Any) -> Any:
    for share in rate if isinstance(rate, (list, tuple)) else [rate]:
        if not 0 < checked_number(share, "rate", _RATE) < 1:
            raise ValueError(
                f"`rate` {_RATE}, so it must lie above 0 and below 1: a rate of 0 or 1 needs "
                f"an infinite bias. Received: rate={rate!r}."
            )
    return rate


def _checked_rates(rates: Any) -> Any:
    if not isinstance(rates, (list, tuple)):
        raise TypeError(
            f"`rates` {_RATES}, so it must be a list. Received: rates={rates!r}. "
            "Try `rate=...` for one sigmoid output."
        )
    shares = [checked_number(share, "rates", _RATES) for share in rates]
    # Shares written by hand to a few digits sum to 1 no closer than this.
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-3:
        raise ValueError(
            f"`rates` {_RATES}, so its numbers must be positive and sum to 1. "
            f"Received: rates={rates!r}. Try `PriorBias.from_labels(labels, kind='multiclass')`."
        )
    return rates


def _checked_mean(mean: Any) -> Any:
    for value in mean if isinstance(mean, (list, tuple)) else [mean]:
        checked_number(value, "mean", _MEAN)
    return mean


def _check_smoothing(smoothing: Any) -> None:
    if checked_number(smoothing, "smoothing", "is added to each count") < 0:
        raise ValueError(
            "`smoothing` is added to each count, so it must be at least 0. "
            f"Received: smoothing={smoothing!r}."
        )


def _checked_labels(labels: Any) -> np.ndarray:
    values = np.asarray(labels)
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2) or not values.size:
        raise ValueError(
            "`labels` must be one or more numbers of shape `(examples,)` or `(examples, units)`. "
            f"Received: labels of shape {values.shape} and dtype {values.dtype}."
        )
    values = values.astype("float64")
    if not np.isfinite(values).all():
        raise ValueError(
            "`labels` must be finite. "
            f"Received: labels with {int((~np.isfinite(values)).sum())} NaN or infinite entries."
        )
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _positives(values: np.ndarray) -> np.ndarray:
    if (values < 0).any() or (values > 1).any():
        raise ValueError(
            "`labels` of kind 'binary' lie between 0 (no) and 1 (yes). "
            f"Received: labels from {values.min():g} to {values.max():g}. "
            "Try kind='multiclass' for class numbers."
        )
    return values.sum(axis=0)


def _class_counts(values: np.ndarray) -> np.ndarray:
    if values.ndim == 2:
        if (values < 0).any() or not np.allclose(values.sum(axis=1), 1):
            raise ValueError(
                "`labels` of two axes are one-hot: rows that are not negative and sum to 1. "
                f"Received: labels of shape {values.shape}, first row {values[0]}."
            )
        return values.sum(axis=0)
    numbers = values.astype("int64")
    if (numbers != values).any() or numbers.min() < 0:
        raise ValueError(
            "`labels` of one axis are class numbers 0, 1, 2, ... "
            f"Received: labels from {values.min():g} to {values.max():g}."
        )
    return np.bincount(numbers).astype("float64")


def _check_all_seen(counts: np.ndarray, smoothing: float, kind: str) -> None:
    if smoothing > 0 or (counts > 0).all():
        return
    where = np.flatnonzero(counts == 0).tolist()
    what = (
        f"classes {where} never occur" if kind == "multiclass" else f"units {where} have one class"
    )
    raise ValueError(
        f"In the labels {what}, and the bias for a share of 0 or 1 is infinite. "
        f"Received: smoothing={smoothing!r}. Try smoothing=1.0 (Laplace's rule), which counts one "
        "more example of each class."
    )
