"""Roberts, Yaida and Hanin 2022: pairs that hold GELU and SiLU in depth."""

import functools

import keras
import numpy as np
from aims import DEPTH, PAIR, RULE, STARTS, WIDTH, sizes, sizes_of_anyinit
from claim import Finding, claim
from digits import digits, train
from restarts import compiled, restart

import keras_initlab as kil

BOOK = "Roberts, Yaida and Hanin 2022, section 5.3"


def half_stable(activation):
    def experiment(trials):
        seeds = trials.seeds(4, 12)
        found = {
            start: np.array([trials.of(sizes, activation, start, seed) for seed in seeds])
            for start in STARTS
        }
        found.update(anyinit(trials, activation))
        ends = {start: np.log10(runs[:, -1]) for start, runs in found.items()}
        means = {start: each.mean() for start, each in ends.items()}
        errors = {start: np.std(each, ddof=1) / np.sqrt(len(each)) for start, each in ends.items()}
        told = ", ".join(f"{start} {means[start]:+.2f} ± {errors[start]:.2f}" for start in means)
        return Finding(
            f"power of 10 by which layer {DEPTH} misses its target, width {WIDTH},"
            f" {len(seeds)} seeds: {told}",
            bool(
                abs(means[PAIR]) < 5 * errors[PAIR] < 1
                # An unstable length may fall in one seed and grow in another.
                and all(np.mean(ends[start] ** 2) > 1 for start in STARTS if start != PAIR)
            ),
            lambda figure: draw(figure, activation, found),
        )

    return experiment


def anyinit(trials, activation):
    """Of the package where it is installed, of its rule otherwise."""
    seeds = trials.seeds(2, 12)
    runs = [trials.of(sizes_of_anyinit, activation, seed) for seed in seeds]
    if None in runs:
        return {RULE: np.array([trials.of(sizes, activation, RULE, seed) for seed in seeds])}
    return {"anyinit": np.array(runs)}


def draw(figure, activation, found):
    axes = figure.add_subplot()
    layers = np.arange(1, DEPTH + 1)
    for start, runs in found.items():
        lines = axes.semilogy(layers, np.exp(np.log(runs).mean(axis=0)), label=start)
        low, high = np.quantile(runs, [0, 1], axis=0)
        axes.fill_between(layers, low, high, color=lines[0].get_color(), alpha=0.15, linewidth=0)
    axes.axhline(1, color="0.7", linewidth=0.8, linestyle=":")
    axes.set_title(f"{activation}, width {WIDTH}, {len(found[PAIR])} seeds (mean and range)")
    axes.set_xlabel("layer")
    axes.set_ylabel("mean square / target")
    # Xavier's goes on to 1e-29.
    axes.set_ylim(1e-8, 1e8)
    axes.legend(frameon=False, fontsize=8)


half_stable_gelu = claim(
    "half-stable-gelu",
    says="A pair of weight and bias variances holds GELU in depth; the exact gain, He and Xavier"
    " drift",
    source=BOOK,
    published="C_W 1.98306, C_b 0.172922 keep a mean square of 3.56",
)(half_stable("gelu"))

half_stable_silu = claim(
    "half-stable-silu",
    says="The same for SiLU",
    source=BOOK,
    published="C_W 1.98800, C_b 0.555143 keep a mean square of 14.3",
)(half_stable("silu"))


NARROW, EPOCHS = 128, 20


@functools.cache
def network():
    keras.utils.clear_session()
    hidden = [keras.layers.Dense(NARROW, "gelu", name=f"hidden_{k}") for k in range(DEPTH)]
    last = keras.layers.Dense(10, "softmax", name="last")
    model = keras.Sequential([keras.Input((64,)), *hidden, last])
    return compiled(model, keras.optimizers.Adam())


def mirrored(position):
    return lambda seed: kil.LooksLinear(position=position, activation="gelu", seed=seed)


TRAINED = {
    "LooksLinear": {
        "hidden_0/kernel": mirrored("first"),
        "hidden*kernel": mirrored("hidden"),
        "last/kernel": mirrored("last"),
    },
    PAIR: {
        "hidden*kernel": lambda seed: kil.CriticalNormal("gelu", seed=seed),
        "hidden*bias": lambda seed: kil.CriticalBias("gelu", seed=seed),
        "last/kernel": lambda seed: kil.LecunNormal(seed=seed),
    },
    "He": {"*kernel": lambda seed: kil.HeNormal(seed=seed)},
    "Xavier": {"*kernel": lambda seed: kil.XavierNormal(seed=seed)},
    "exact gain": {"*kernel": lambda seed: kil.HeNormal(activation="gelu", seed=seed)},
}
# The exact gain drifts by a power of ten or two in 50 layers: it may train or not, and is told.
HOLDING, STUCK = ("LooksLinear", PAIR), ("He", "Xavier")


def trained(start, rate, seed):
    restart(network(), TRAINED[start], seed, rate)
    return train(network(), digits(), epochs=EPOCHS, seed=seed)


@claim(
    "deep-gelu",
    says="50 GELU layers train from the critical pair and from mirrored weights, not from He or"
    " Xavier",
    source=f"{BOOK}; Balduzzi et al. 2017, section 4",
    published="criticality keeps signals trainable; looks-linear nets train at any depth",
)
def deep_gelu(trials):
    seeds = trials.seeds(1, 2)
    names = (*HOLDING, "He") if trials.fast else TRAINED
    found = {
        name: [[trials.of(trained, name, rate, seed) for seed in seeds] for rate in rates(trials)]
        for name in names
    }
    ours = {name: best_of(runs) for name, runs in found.items()}
    told = ", ".join(
        f"{name} {reached}/{len(seeds)}" + (f" (epoch {epoch:.0f})" if epoch else "")
        for name, (reached, epoch) in ours.items()
    )
    return Finding(
        f"seeds at 90 % of the digits in {EPOCHS} epochs of Adam, at the best rate: {told}",
        all(ours[name][0] == len(seeds) for name in HOLDING)
        and not any(ours[name][0] for name in STUCK if name in names),
    )


def rates(trials):
    return (1e-4,) if trials.fast else (1e-3, 1e-4)


def best_of(runs):
    """Most seeds that arrive at one rate, and the median of their epochs."""
    epochs = [[run["epoch"] for run in at_rate if run["epoch"]] for at_rate in runs]
    most = max(epochs, key=lambda each: (len(each), -sum(each)))
    return len(most), float(np.median(most)) if most else None
