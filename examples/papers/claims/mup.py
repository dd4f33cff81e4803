"""muP, Yang et al. 2022: learning rates that transfer from narrow to wide."""

import functools

import keras
import numpy as np
from claim import Finding, alone, claim
from digits import digits, train
from keras import layers as kl
from restarts import restart

import keras_initlab as kil

MUP = "Yang et al. 2022"
BASE, EPOCHS = 64, 3
NAMES = ("standard", "muP")
RATES = tuple(2.0**-k for k in range(5, 14))


def build(width):
    hidden = [
        kl.Dense(width, "relu", kernel_initializer="he_normal", name=f"hidden_{number}")
        for number in range(3)
    ]
    last = kl.Dense(10, kernel_initializer="lecun_normal", name="logits")
    model = keras.Sequential([keras.Input((64,)), *hidden, last])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def build_with_transfer(width):
    """Every weight as usual at the base width."""
    model = build(width)
    kil.initialize(model, width_base=BASE)
    kil.scale_learning_rates(model, build(BASE))
    return model


BUILDERS = dict(zip(NAMES, (build, build_with_transfer), strict=True))


@alone
def coordinates(name, widths, steps, seeds):
    """Sizes after some steps, `(widths, layers)`, and the power of the width in each layer."""
    images = digits()
    batch = images.train_x[:256], images.train_y[:256]
    check = kil.coordinate_check(BUILDERS[name], widths, batch, steps=steps, seeds=seeds)
    return {
        "rms": np.median(check.rms, axis=1)[:, -1].tolist(),
        "slopes": check.slopes[-1].tolist(),
        "flat": check.flat,
    }


@claim(
    "mup-coordinates",
    says="Under muP activations after some steps are of one size at every width,"
    " with standard weights and rates they grow",
    source=f"{MUP}, figure 5 and appendix D.1",
    published="flat, and growing",
)
def mup_coordinates(trials):
    widths = [64, 512, 2048] if trials.fast else [64, 128, 256, 512, 1024, 2048]
    seeds = len(trials.seeds(1, 3))
    found = {name: trials.of(coordinates, name, widths, 3, seeds) for name in NAMES}
    ours = ", ".join(
        f"{name} {' '.join(f'{each:+.2f}' for each in found[name]['slopes'])}" for name in NAMES
    )
    return Finding(
        f"power of the width in four layers after 3 steps of Adam, widths 64 to 2,048: {ours}",
        found["muP"]["flat"] and not found["standard"]["flat"],
        lambda figure: draw_coordinates(figure, widths, found),
    )


def draw_coordinates(figure, widths, found):
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (name, result) in zip(panels, found.items(), strict=True):
        for layer, sizes in enumerate(np.transpose(result["rms"]), 1):
            label = f"hidden {layer}" if layer < 4 else "logits"
            axes.loglog(widths, sizes, "o-", base=2, label=label)
        axes.set_title(name)
        axes.set_xlabel("width")
        axes.set_xticks(widths, map(str, widths))
    panels[0].set_ylabel("rms after 3 steps of Adam")
    panels[0].legend(frameon=False)


@functools.cache
def network(name, width):
    """One compiled network for all rates and seeds of a width."""
    keras.utils.clear_session()
    return BUILDERS[name](width)


def starts(name):
    last = kil.MuNormal if name == "muP" else kil.LecunNormal
    options = {"role": "output", "base_width": BASE} if name == "muP" else {}
    return {
        "hidden*kernel": lambda seed: kil.HeNormal(seed=seed),
        "logits/kernel": lambda seed: last(**options, seed=seed),
    }


def last_loss(name, width, rate, seed):
    """The mean loss over the last of a few epochs, at most 10."""
    model = network(name, width)
    restart(model, starts(name), seed, rate)
    loss = train(model, digits(), epochs=EPOCHS, accuracy=2.0, seed=seed)["loss"]
    return min(loss, 10.0) if np.isfinite(loss) else 10.0


@claim(
    "mup-transfer",
    says="Under muP the best learning rate is the same at every width,"
    " with standard weights it falls with the width",
    source=f"{MUP}, figures 1 and 3",
    published="the optimum stays, and moves",
)
def mup_transfer(trials):
    widths = (64, 512) if trials.fast else (64, 256, 1024)
    rates = RATES[::2] if trials.fast else RATES
    seeds = trials.seeds(1, 2)
    found = {
        (name, width): np.mean(
            [[trials.of(last_loss, name, width, rate, seed) for seed in seeds] for rate in rates],
            axis=1,
        )
        for name in NAMES
        for width in widths
    }
    best = {key: rates[int(np.argmin(losses))] for key, losses in found.items()}
    moved = {name: np.log2(best[name, widths[-1]] / best[name, BASE]) for name in NAMES}
    ours = "; ".join(
        f"{name} {', '.join(f'2^{np.log2(best[name, width]):.0f}' for width in widths)}"
        for name in NAMES
    )
    return Finding(
        f"best rate of Adam for widths {', '.join(map(str, widths))}, {EPOCHS} epochs of the"
        f" digits, least mean loss (seeds: {len(seeds)}): {ours}",
        # A grid of powers of 2 places a minimum to one step.
        bool(abs(moved["muP"]) <= 1 and moved["standard"] <= -2),
        lambda figure: draw_transfer(figure, widths, rates, found),
    )


def draw_transfer(figure, widths, rates, found):
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name in zip(panels, NAMES, strict=True):
        for width in widths:
            losses = found[name, width]
            lines = axes.loglog(rates, losses, "o-", markersize=3, label=f"width {width}")
            place = int(np.argmin(losses))
            axes.plot(rates[place], losses[place], "o", color=lines[0].get_color())
        axes.set_xscale("log", base=2)
        axes.set_title(name)
        axes.set_xlabel("learning rate of Adam")
    panels[0].set_ylabel(f"training loss, epoch {EPOCHS}")
    panels[0].legend(frameon=False)
