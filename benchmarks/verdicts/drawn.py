"""Keras models drawn at random, good and bad, with data that each of them could learn."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import keras
import numpy as np

ACTIVATIONS = ("relu", "tanh", "gelu", "silu", "elu", "selu", "sigmoid", "leaky_relu", "softplus")
SOUND = ("glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "lecun_normal")
WIDTHS = (16, 32, 64, 128)
ROWS, HELD, COLUMNS = 2_053, 1_000, 16

# Of one example, where it is no row of columns.
SHAPES = {"conv": (8, 8, 1), "lstm": (12, 4), "gru": (12, 4)}


@dataclass(frozen=True)
class Draw:
    """What was drawn.

    Args:
        kind: `"dense"`, `"residual"`, `"conv"`, `"lstm"` or `"gru"`.
        depth: Hidden layers.
        width: Their units.
        activation: What follows each.
        scheme: Keras's name of a scheme, `"normal"`, `"uniform"`, `"constant"`.
        size: Deviation of a normal, reach of a uniform, or the constant.
        mean: Mean of a normal.
        norm: `""`, `"batch"` or `"layer"`.
        scale, offset: The inputs are multiplied by this, then moved by that.
        label_scale: The labels are multiplied by this.
        bias: What hidden biases begin with.
        optimizer: `"adam"`, or `"sgd"` with momentum.
    """

    kind: str
    depth: int
    width: int
    activation: str
    scheme: str
    size: float
    mean: float
    norm: str
    scale: float
    offset: float
    label_scale: float
    bias: float
    optimizer: str

    def sound(self) -> "Draw":
        """The same model as a textbook has it, with data as it should be."""
        scheme = "he_normal" if self.activation in ("relu", "leaky_relu") else "glorot_normal"
        ones = {"scale": 1.0, "label_scale": 1.0}
        return replace(self, scheme=scheme, size=0.0, mean=0.0, offset=0.0, bias=0.0, **ones)

    def __str__(self) -> str:
        return ", ".join(
            f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in asdict(self).items()
            if value not in ("", 0.0, 1.0)
        )


def draw(seed: int) -> Draw:
    """The model of a seed: half of them are as a textbook has them."""
    rng = np.random.default_rng(seed)

    def seldom(share: float, value: Any, usual: Any) -> Any:
        return value if rng.random() < share else usual

    kind = rng.choice(["dense", "dense", "dense", "residual", "conv", "lstm", "gru"])
    depth = int(np.exp(rng.uniform(0, np.log(25))))
    depth = min(depth, 2) if kind in ("lstm", "gru") else min(depth, 8) if kind == "conv" else depth
    odd = rng.choice(["normal", "uniform", "constant"], p=[0.6, 0.25, 0.15])
    scheme = seldom(0.4, odd, rng.choice(SOUND))
    size = (
        float(10 ** rng.uniform(-4, 0.5)) if scheme != "constant" else float(rng.choice([0, 0.1]))
    )
    return Draw(
        kind=str(kind),
        depth=depth,
        width=int(rng.choice(WIDTHS)),
        activation="tanh" if kind in ("lstm", "gru") else str(rng.choice(ACTIVATIONS)),
        scheme=str(scheme),
        size=size if scheme in ("normal", "uniform", "constant") else 0.0,
        mean=seldom(0.1, size, 0.0) if scheme == "normal" else 0.0,
        norm=str(rng.choice(["", "", "", "batch", "layer"])),
        scale=float(seldom(0.2, 10 ** rng.uniform(-1, 4), 1.0)),
        offset=float(seldom(0.1, 10 ** rng.uniform(0, 2.5), 0.0)),
        label_scale=float(seldom(0.15, 10 ** rng.uniform(0, 5), 1.0)),
        bias=float(seldom(0.07, -(10 ** rng.uniform(-1, 1)), 0.0)),
        optimizer=str(rng.choice(["adam", "adam", "sgd"])),
    )


def data_for(drawn: Draw, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels: of `ROWS + HELD` examples, a smooth function of sums of the inputs."""
    rng = np.random.default_rng((seed, 1))
    x = rng.normal(size=(ROWS + HELD, *SHAPES.get(drawn.kind, (COLUMNS,))))
    flat = x.reshape(len(x), -1)
    seen = flat @ rng.normal(size=(flat.shape[1], 3)) / np.sqrt(flat.shape[1])
    y = seen[:, :1] + np.tanh(2 * seen[:, 1:2]) + 0.5 * np.abs(seen[:, 2:3])
    y = (y - y.mean()) / y.std()
    x = x * drawn.scale + drawn.offset
    return x.astype("float32"), (y * drawn.label_scale).astype("float32")


def model_of(drawn: Draw, seed: int) -> keras.Model:
    """The model, compiled."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input(SHAPES.get(drawn.kind, (COLUMNS,)))
    for k in range(drawn.depth):
        last = k == drawn.depth - 1
        x = _layer(drawn, x, last) if drawn.kind != "residual" or not k else _block(drawn, x)
    if drawn.kind == "conv":
        x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(x))
    outputs = keras.layers.Dense(1)(x)
    model = keras.Model(inputs, outputs)
    adam, sgd = keras.optimizers.Adam(1e-3), keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(adam if drawn.optimizer == "adam" else sgd, "mse", jit_compile=False)
    return model


def _scheme(drawn: Draw) -> Any:
    if drawn.scheme == "normal":
        return keras.initializers.RandomNormal(drawn.mean, drawn.size)
    if drawn.scheme == "uniform":
        return keras.initializers.RandomUniform(-drawn.size, drawn.size)
    if drawn.scheme == "constant":
        return keras.initializers.Constant(drawn.size)
    return drawn.scheme


def _layer(drawn: Draw, x: Any, last: bool) -> Any:
    options = {"kernel_initializer": _scheme(drawn)}
    if drawn.kind in ("lstm", "gru"):
        kind = keras.layers.LSTM if drawn.kind == "lstm" else keras.layers.GRU
        return kind(drawn.width, return_sequences=not last, **options)(x)
    options["bias_initializer"] = keras.initializers.Constant(drawn.bias)
    if drawn.kind == "conv":
        x = keras.layers.Conv2D(drawn.width, 3, padding="same", **options)(x)
    else:
        x = keras.layers.Dense(drawn.width, **options)(x)
    return keras.layers.Activation(drawn.activation)(_norm(drawn, x))


def _block(drawn: Draw, x: Any) -> Any:
    h = _layer(drawn, x, last=False)
    return keras.layers.Add()(
        [x, keras.layers.Dense(drawn.width, kernel_initializer=_scheme(drawn))(h)]
    )


def _norm(drawn: Draw, x: Any) -> Any:
    if drawn.norm == "batch":
        return keras.layers.BatchNormalization()(x)
    return keras.layers.LayerNormalization()(x) if drawn.norm == "layer" else x
