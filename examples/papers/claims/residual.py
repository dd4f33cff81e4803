"""Fixup, SkipInit, DeepNorm: residual networks without normalization, and deep post-norm stacks."""

import functools

import keras
import numpy as np
from claim import Finding, claim
from digits import digits, train
from keras import layers as kl
from restarts import compiled, restart

import keras_initlab as kil

WIDTH, EPOCHS = 64, 3
RATES, FAST_RATES = (0.1, 0.03, 0.01, 0.001), (0.1, 0.03)

# Trained and stuck lie far apart: a guess has 10 %.
TRAINED, STUCK = 0.9, 0.5


class Sum(kl.Layer):
    """`skip * x + gate * branch`, where only the gate is trained."""

    def build(self, _):
        self.skip = self.add_weight(shape=(), name="skip", trainable=False)
        self.gate = self.add_weight(shape=(), name="gate")

    def call(self, signals):
        return self.skip * signals[0] + self.gate * signals[1]


@functools.cache
def network(blocks, norm):
    """Branches of two layers, each added to the trunk; behind the sum a layer norm, or nothing."""
    keras.utils.clear_session()
    inputs = keras.Input((64,))
    x = kl.Dense(WIDTH, name="first")(inputs)
    for number in range(blocks):
        branch = kl.Dense(WIDTH, "relu", name=f"inner_{number}")(x)
        branch = kl.Dense(WIDTH, name=f"outer_{number}")(branch)
        x = Sum(name=f"sum_{number}")([x, branch])
        if norm:
            x = kl.LayerNormalization(name=f"norm_{number}")(x)
    outputs = kl.Dense(10, "softmax", name="last")(x)
    return compiled(keras.Model(inputs, outputs), keras.optimizers.SGD())


def always(scheme):
    return lambda _: scheme


def of(name, **arguments):
    return lambda seed: getattr(kil, name)(**arguments, seed=seed)


def starts(name, blocks):
    """Patterns of weights, and what they are drawn from."""
    one = {"*skip": always(kil.Constant(1.0)), "*gate": always(kil.Constant(1.0))}
    he = {"*kernel": of("HeNormal")}
    # A block of a transformer holds two such branches.
    deep = kil.DeepNorm(encoder_layers=blocks // 2)
    return {
        "He": {**one, **he},
        "SkipInit": {**one, "*gate": always(kil.SkipInit()), **he},
        "Fixup": {
            **one,
            "outer*": always(kil.Zeros()),
            "last*": always(kil.Zeros()),
            "inner*kernel": of("Fixup", branches=blocks),
            **he,
        },
        "post-norm": {**one, "*gamma": always(kil.Constant(1.0)), "*kernel": of("XavierNormal")},
        "DeepNorm": {
            **one,
            "*skip": always(kil.Constant(deep.residual_scale)),
            "*gamma": always(kil.Constant(1.0)),
            "[io]*kernel": of("DeepNorm", encoder_layers=blocks // 2),
            "*kernel": of("XavierNormal"),
        },
    }[name]


def accuracy(name, blocks, rate, seed):
    """After some epochs of SGD; 0 where the loss is not a number."""
    model = network(blocks, name in ("post-norm", "DeepNorm"))
    restart(model, starts(name, blocks), seed, rate)
    found = train(model, digits(), epochs=EPOCHS, accuracy=2.0, seed=seed)
    return found["accuracy"] if np.isfinite(found["loss"]) else 0.0


def sweep(trials, names, blocks, seeds):
    """Accuracies by scheme, `(rates, seeds)`."""
    rates = FAST_RATES if trials.fast else RATES
    return rates, {
        name: np.array(
            [[trials.of(accuracy, name, blocks, rate, seed) for seed in seeds] for rate in rates]
        )
        for name in names
    }


def compared(trials, names, stuck):
    """Whether all but one train with every seed at some rate, and that one with none at any."""
    blocks = 50 if trials.fast else 100
    rates, found = sweep(trials, (*names, stuck), blocks, trials.seeds(1, 2))
    worst = {name: found[name].min(axis=1) for name in names}
    ours = ", ".join(f"{name} {worst[name].max():.0%}" for name in names)
    return Finding(
        f"{blocks} branches, after {EPOCHS} epochs of SGD at the best of {len(rates)} rates:"
        f" {ours} with the worst seed of {found[stuck].shape[1]},"
        f" {stuck} {told(found[stuck].max())}",
        all(each.max() > TRAINED for each in worst.values()) and bool(found[stuck].max() < STUCK),
        lambda figure: draw(figure, blocks, rates, found),
    )


def told(best):
    return f"at most {best:.0%}" if best > 0 else "NaN at every rate"


def draw(figure, blocks, rates, found):
    axes = figure.add_subplot()
    for name, accuracies in found.items():
        lines = axes.semilogx(rates, accuracies.mean(axis=1), "o-", label=name)
        for each in accuracies.T:
            axes.semilogx(rates, each, ".", color=lines[0].get_color(), alpha=0.5)
    axes.axhline(0.1, color="0.7", linewidth=0.8, linestyle=":")
    axes.set_title(f"Digits, {blocks} residual branches of width {WIDTH}, {EPOCHS} epochs")
    axes.set_xlabel("learning rate of SGD (0 where the loss became NaN)")
    axes.set_ylabel("training accuracy")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(frameon=False, loc="center left")


@claim(
    "fixup",
    says="Residual networks without normalization train with Fixup or SkipInit, not with He",
    source="Zhang et al. 2019, figure 3; De and Smith 2020",
    published="10,000 layers train (Fixup), 1,000 (SkipInit)",
)
def fixup(trials):
    return compared(trials, ("Fixup", "SkipInit"), "He")


@claim(
    "deepnorm",
    says="Deep post-norm stacks train with DeepNorm, not with Xavier",
    source="Wang et al. 2022, table 1",
    published="18 + 18 blocks diverge, with DeepNorm 100 + 100 train",
)
def deepnorm(trials):
    return compared(trials, ("DeepNorm",), "post-norm")
