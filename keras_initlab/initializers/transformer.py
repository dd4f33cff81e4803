"""Schemes for deep transformers, whose gain follows from the number of layers."""

from typing import Any, Literal, get_args

from keras_initlab.initializers.arguments import Axes, Seed
from keras_initlab.initializers.base import VarianceScheme
from keras_initlab.initializers.catalogue import scheme
from keras_initlab.initializers.checks import checked_choice, checked_count, known_count
from keras_initlab.theory import Law

__all__ = ["DeepNorm", "TFixup"]

_Side = Literal["encoder", "decoder"]
_Part = Literal["encoder", "decoder", "embedding"]
_MEANINGS = {
    "encoder_layers": "counts the blocks of the encoder",
    "decoder_layers": "counts the blocks of the decoder",
    "layers": "counts the blocks of the encoder, or of the decoder, whichever is meant",
}


def _optional_count(value: Any, name: str) -> Any:
    return None if value is None else checked_count(value, name, _MEANINGS[name])


@scheme
class DeepNorm(VarianceScheme):
    """Xavier weights small enough for post-norm transformers of 1,000 layers.

    For the kernels of the feed-forward net and the value and output projections of attention; query
    and key take `XavierNormal`. The block must compute `norm(residual_scale * x + branch(x))`. With
    N blocks in the encoder and M in the decoder:

    ============  =======  ========================  ======================
    model         part     `residual_scale` (alpha)  `gain` (beta)
    ============  =======  ========================  ======================
    encoder only  encoder  `(2N)^(1/4)`              `(8N)^(-1/4)`
    decoder only  decoder  `(2M)^(1/4)`              `(8M)^(-1/4)`
    both          encoder  `0.81 (N^4 M)^(1/16)`     `0.87 (N^4 M)^(-1/16)`
    both          decoder  `(3M)^(1/4)`              `(12M)^(-1/4)`
    ============  =======  ========================  ======================

    Args:
        encoder_layers: Blocks of the encoder, N (count), `None` if there is none.
        decoder_layers: Blocks of the decoder, M (count), `None` if there is none.
        part: `"encoder"` or `"decoder"`: where the kernel sits.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given.

    Raises:
        ValueError: If an argument's value is not allowed; on call, if the layers of the part were
            not given or the shape has fewer than two axes.

    Source:
        Wang et al. 2022, figure 2 and section 4, https://arxiv.org/abs/2203.00555. `gain`
        multiplies the standard deviation of Xavier's normal. For attention kernels the fans are
        those of the whole projection, as in torch, not of one head.

    Example:
        >>> weights = DeepNorm(encoder_layers=18, seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(
        self,
        *,
        encoder_layers: int | None = None,
        decoder_layers: int | None = None,
        part: _Side = "encoder",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.encoder_layers = _optional_count(encoder_layers, "encoder_layers")
        self.decoder_layers = _optional_count(decoder_layers, "decoder_layers")
        self.part = checked_choice(part, "part", get_args(_Side))
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    @property
    def residual_scale(self) -> float:
        """Factor on the skip connection before the norm, the paper's alpha (unitless)."""
        return self._constants()[0]

    @property
    def gain(self) -> float:
        """Factor on the standard deviation, the paper's beta (unitless)."""
        return self._constants()[1]

    def _constants(self) -> tuple[float, float]:
        name = f"{self.part}_layers"
        own = known_count(getattr(self, name), name, _MEANINGS[name])
        if self.encoder_layers is None or self.decoder_layers is None:
            return (2.0 * own) ** 0.25, (8.0 * own) ** -0.25
        if self.part == "decoder":
            return (3.0 * own) ** 0.25, (12.0 * own) ** -0.25
        both = float(self.encoder_layers**4 * self.decoder_layers)
        return 0.81 * both**0.0625, 0.87 * both**-0.0625

    def _law(self) -> Law:
        return Law(scale=self.gain**2, fan="fan_avg", draw="normal")


@scheme
class TFixup(VarianceScheme):
    """Xavier weights shrunk so that transformers train without layer norm or warm-up.

    For the value and output projections of attention and both layers of the feed-forward net;
    query and key take `XavierUniform`. The gain is `0.67 N^(-1/4)` in the encoder and
    `(9N)^(-1/4)` in the decoder. The embeddings of both sides are Gaussian with the standard
    deviation `dim^(-1/2) (9N)^(-1/4)`. The blocks have no layer norm.

    Args:
        layers: Blocks of the part (for embeddings, of the decoder), N (count); must be given.
        part: `"encoder"`, `"decoder"` or `"embedding"`: where the weight sits.

    Shape:
        `(*window, inputs, outputs)`, at least two axes, unless both axes arguments are given;
        for embeddings `(rows, dim)`, as in `keras.layers.Embedding`.

    Raises:
        ValueError: If an argument's value is not allowed; on call, if `layers` was not given, the
            shape has fewer than two axes, or that of an embedding does not have exactly two.

    Source:
        Huang, Perez, Ba and Volkovs 2020, section 3.2,
        https://proceedings.mlr.press/v119/huang20f.html. The paper says Xavier; uniform as in the
        authors' code. `N(0, d^(-1/2))` there names a standard deviation. The factor `sqrt(2)`
        on the value kernel in that code, often copied, only undoes a `1/sqrt(2)` of fairseq.

    Example:
        >>> weights = TFixup(layers=12, seed=0)((512, 256))
        >>> tuple(weights.shape)
        (512, 256)
    """

    def __init__(
        self,
        *,
        layers: int | None = None,
        part: _Part = "encoder",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ):
        self.layers = _optional_count(layers, "layers")
        self.part = checked_choice(part, "part", get_args(_Part))
        super().__init__(seed=seed, input_axes=input_axes, output_axes=output_axes)

    @property
    def gain(self) -> float:
        """Factor on the standard deviation (unitless)."""
        layers = known_count(self.layers, "layers", _MEANINGS["layers"])
        return 0.67 * layers**-0.25 if self.part == "encoder" else (9.0 * layers) ** -0.25

    def _law(self) -> Law:
        return Law(scale=self.gain**2, fan="fan_avg", draw="uniform")

    def law_for(self, shape: tuple[int, ...]) -> tuple[str, float, float]:
        if self.part != "embedding":
            return super().law_for(shape)
        if len(shape) != 2:
            raise ValueError(
                "`TFixup(part='embedding')` initializes a table of shape `(rows, dim)`, as in "
                f"`keras.layers.Embedding`. Received: shape={shape}."
            )
        return "normal", 0.0, self.gain * max(1, shape[1]) ** -0.5
