"""Schemes for the memory of recurrent layers: biases of gates, and a state that is kept."""

from typing import Literal, get_args

import numpy as np

from keras_initlab.initializers.arguments import Seed
from keras_initlab.initializers.base import ArrayScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import (
    checked_choice,
    checked_count,
    checked_number,
    checked_seed,
)
from keras_initlab.sampling import Stream, drawn

__all__ = ["IRNN", "Chrono", "UnitForgetBias"]

_Cell = Literal["lstm", "gru"]
_UNITS = "is the number of units (or filters) of the recurrent layer"


@scheme
class UnitForgetBias(ArrayScheme):
    """A bias of one on the forget gate of an LSTM, so that its memory starts open.

    All other gates start at zero. The forget gate then opens to `sigmoid(1) = 0.73` instead of one
    half, and the gradient survives longer.

    Args:
        units: Units of the layer, or filters of `ConvLSTM` (count).

    Shape:
        `(4 * units,)`: the whole bias of `LSTM` or `ConvLSTM`, with gates in the order of Keras: i,
        f, c, o. Give the layer `unit_forget_bias=False`, or it requests the bias in pieces.

    Raises:
        TypeError: If `units` is not an integer.
        ValueError: If `units` is below 1; on call, if the shape differs.

    Source:
        Gers, Schmidhuber and Cummins 2000, https://doi.org/10.1162/089976600300015015;
        the value 1 from Jozefowicz, Zaremba and Sutskever 2015,
        https://proceedings.mlr.press/v37/jozefowicz15.html. Same as `unit_forget_bias=True`, the
        default of `keras.layers.LSTM`, where the bias is `"zeros"`. torch adds two biases, so ones
        in both make 2.

    Example:
        >>> keras.ops.convert_to_numpy(UnitForgetBias(units=1)((4,))).tolist()
        [0.0, 1.0, 0.0, 0.0]
    """

    def __init__(self, *, units: int):
        self.units = checked_count(units, "units", _UNITS)

    def check(self, shape: tuple[int, ...]) -> None:
        _check_lstm(shape, self.units)

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        bias = np.zeros((4, self.units), kind)
        bias[1] = 1
        return bias.reshape(shape)


@scheme
class Chrono(ArrayScheme):
    """Gate biases that spread the units' memory over all time spans up to the longest.

    Each unit draws a time `t` from `U(1, max_time - 1)`, and its gate keeps the share `t / (t + 1)`
    of the state at each step, so the unit forgets after about `t + 1` steps.

    Args:
        max_time: Longest span over which the layer must remember (steps), above 2.
        units: Units of the layer, or filters of `ConvLSTM` (count).
        cell: `"lstm"` (also for `ConvLSTM`) or `"gru"`.

    Shape:
        `(4 * units,)` for `LSTM` and `ConvLSTM`, which need `unit_forget_bias=False`, or they
        request the bias in pieces; `(2, 3 * units)` for `GRU`, whose second row stays zero, and
        `(3 * units,)` for `GRU(reset_after=False)`.

    Source:
        Tallec and Ollivier 2018, section 2, https://arxiv.org/abs/1804.11188: for LSTM
        `b_f = log(U(1, max_time - 1))`, `b_i = -b_f`, the others 0. The paper's gated RNN
        multiplies the *new* state by its gate and has `b = -log(U)`. The gate z of Keras's GRU (and
        of torch's) multiplies the *old* state, `h = z * h_old + (1 - z) * h_new`, so its bias is
        `+log(U)`; with the minus sign that is often copied, it forgets at once.

    Example:
        >>> bias = keras.ops.convert_to_numpy(Chrono(max_time=100, units=8, seed=0)((32,)))
        >>> bool((bias[:8] == -bias[8:16]).all())
        True
    """

    def __init__(self, *, max_time: float, units: int, cell: _Cell = "lstm", seed: Seed = None):
        meaning = "is the longest span of memory in steps"
        self.max_time = checked_number(max_time, "max_time", meaning)
        if max_time <= 2:
            raise ValueError(
                "`max_time` is the longest span of memory in steps and times are drawn from "
                f"U(1, max_time - 1), so it must be above 2. Received: max_time={max_time!r}."
            )
        self.units = checked_count(units, "units", _UNITS)
        self.cell = checked_choice(cell, "cell", get_args(_Cell))
        self.seed = checked_seed(seed)

    def check(self, shape: tuple[int, ...]) -> None:
        if self.cell == "lstm":
            _check_lstm(shape, self.units)
        elif shape not in ((3 * self.units,), (2, 3 * self.units)):
            raise ValueError(
                "The bias of `GRU` has the shape `(2, 3 * units)`, or `(3 * units,)` with "
                f"`reset_after=False`. Received: units={self.units}, cell='gru', shape={shape}."
            )

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        standard = drawn((self.units,), stream.part("times"), "uniform", kind)
        half = (float(self.max_time) - 2) / 2
        keep = np.log(1 + kind.type(half) * (1 + standard))
        bias = np.zeros(shape, kind)
        if self.cell == "gru":
            # The two rows of `reset_after` are added for z: one of them holds it all.
            bias.reshape(-1)[: self.units] = keep
        else:
            bias[: self.units], bias[self.units : 2 * self.units] = -keep, keep
        return bias


@scheme
class IRNN(ArrayScheme):
    """A recurrent kernel that copies the state, so that a ReLU network can remember.

    Use it as `recurrent_initializer` of `SimpleRNN(activation="relu")`, with a zero bias. Without
    input, a state that is not negative is kept forever, and so is its gradient.

    Args:
        gain: Share of the state that one step keeps (unitless), positive: 1 for the longest
            memory, less (say 0.01) for a task with short time spans.

    Shape:
        `(units, units)`.

    Raises:
        ValueError: If `gain` is not positive; on call, if the shape is not square.

    Source:
        Le, Jaitly and Hinton 2015, https://arxiv.org/abs/1504.00941: the identity, and 0.01 times
        it for speech. The input kernel there is `RandomNormal(stddev=0.001)`. `SimpleRNN` has tanh
        by default, which shrinks the state at each step.

    Example:
        >>> keras.ops.convert_to_numpy(IRNN()((2, 2))).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, *, gain: float = 1.0):
        meaning = "is the share of the state that one step keeps"
        self.gain = checked_number(gain, "gain", meaning, positive=True)

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(
                "A recurrent kernel that copies the state has the shape `(units, units)`, as the "
                f"`recurrent_initializer` of `SimpleRNN` gets. Received: shape={shape}. "
                "Try `PerGate(IRNN(), gates=...)` for the gates of LSTM and GRU."
            )

    def values_for(self, shape: tuple[int, ...], stream: Stream, kind: np.dtype) -> np.ndarray:
        return kind.type(self.gain) * np.eye(*shape, dtype=kind)


def _check_lstm(shape: tuple[int, ...], units: int) -> None:
    if shape != (4 * units,):
        raise ValueError(
            "The bias of `LSTM` and `ConvLSTM` has the shape `(4 * units,)`; with "
            "`unit_forget_bias=True`, their default, they request it in pieces. "
            f"Received: units={units}, shape={shape}. "
            "Try `unit_forget_bias=False` in the layer, and the layer's own number of units."
        )
