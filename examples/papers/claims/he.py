"""He et al. 2015: rectifiers, and depth at which Xavier stalls."""

import functools

import keras
import numpy as np
from claim import Finding, alone, claim
from digits import digits, fitted
from stacks import backward, forward, gain_per_layer

import keras_initlab as kil

HE = "He et al. 2015"
SCHEMES = ("HeNormal", "XavierUniform", "HeUniform", "HalfXavierUniform")
WIDTH = 512
# Wide and narrow in turn, so that inputs and outputs of every layer differ.
WIDTHS = (1024, 512, 256, 512) * 3 + (256,)
SLOPES = (0.0, 0.25, 0.5, 1.0)


@alone
def trained(scheme, depth, seed, epochs):
    """A stack of ReLU layers on the digits."""
    return trained_with(getattr(kil, scheme), (128,) * (depth - 1), seed, epochs)


@alone
def trained_with_fan(mode, seed):
    """The same with widths that change, a quarter of those that are measured."""
    start = functools.partial(kil.HeNormal, mode=mode)
    return trained_with(start, [width // 4 for width in WIDTHS], seed, 40)


def trained_with(start, widths, seed, epochs):
    keras.utils.set_random_seed(seed)
    hidden = [keras.layers.Dense(width, "relu", kernel_initializer=start()) for width in widths]
    last = keras.layers.Dense(10, "softmax", kernel_initializer=start())
    model = keras.Sequential([keras.Input((64,)), *hidden, last])
    found = fitted(model, digits(), keras.optimizers.SGD(0.01), epochs=epochs, seed=seed)
    return {**found, "curve": [round(each, 4) for each in model.history.history["accuracy"]]}


def reached(runs):
    return [run["epoch"] for run in runs if run["epoch"]]


def told(scheme, runs):
    epochs = reached(runs)
    when = f" (epoch {np.median(epochs):.0f})" if epochs else ""
    return f"{scheme} {len(epochs)}/{len(runs)}{when}"


def draw_curves(figure, found, depth):
    axes = figure.add_subplot(title=f"{depth} ReLU layers of 128, digits, SGD 0.01")
    for number, (scheme, runs) in enumerate(found.items()):
        for run in runs:
            label = None if run is not runs[0] else scheme
            axes.plot(
                range(1, len(run["curve"]) + 1), run["curve"], color=f"C{number}", label=label
            )
    axes.axhline(0.9, color="grey", linestyle=":")
    axes.set_xlabel("epoch")
    axes.set_ylabel("training accuracy")
    axes.legend(frameon=False)


@claim(
    "he-22-layers",
    says="22 ReLU layers: both converge, He earlier than Xavier",
    source=f"{HE}, figure 2",
    published="He starts to reduce the error earlier",
)
def he_22(trials):
    epochs = 40 if trials.fast else 300
    seeds = trials.seeds(1, 3)
    found = {
        scheme: [trials.of(trained, scheme, 22, seed, epochs) for seed in seeds]
        for scheme in SCHEMES[:2]
    }
    he, xavier = map(reached, found.values())
    # Xavier's turn comes after the epochs of a fast run, which sees only that He's is earlier.
    earlier = len(he) == len(seeds) and max(he) < min(xavier, default=epochs)
    return Finding(
        f"seeds at 90 % of the digits in {epochs} epochs:"
        f" {', '.join(told(scheme, runs) for scheme, runs in found.items())}",
        earlier and (trials.fast or len(xavier) == len(seeds)),
        lambda figure: draw_curves(figure, found, 22),
    )


@claim(
    "he-30-layers",
    says="30 ReLU layers: He converges where Xavier stalls, for 40 epochs",
    source=f"{HE}, figure 3",
    published="Xavier stalls, even given more epochs",
)
def he_30(trials):
    found = {
        scheme: [trials.of(trained, scheme, 30, seed, 40) for seed in trials.seeds(1, 5)]
        for scheme in (SCHEMES[:2] if trials.fast else SCHEMES)
    }
    ours = ", ".join(told(scheme, runs) for scheme, runs in found.items())
    if not trials.fast:
        longer = [trials.of(trained, "XavierUniform", 30, seed, 300) for seed in range(2)]
        ours += f"; given 300 epochs, {told('XavierUniform', longer)}"
    return Finding(
        f"seeds at 90 % of the digits in 40 epochs: {ours}",
        all(run["epoch"] for run in found["HeNormal"]) and not reached(found["XavierUniform"]),
        lambda figure: draw_curves(figure, found, 30),
    )


def gain(slope, known, seed):
    """Gain of one leaky layer, under weights that know its slope or take it for ReLU."""
    leaky = kil.Activation("leaky", lambda x: np.where(x > 0, x, slope * x), (0.0,))
    scheme = functools.partial(kil.HeNormal, negative_slope=slope if known else 0.0)
    return gain_per_layer(leaky, scheme, depth=11, width=WIDTH, seed=seed)


@claim(
    "he-leaky-slope",
    says="Leaky ReLU of slope a needs the variance 2 / ((1 + a²) fan_in)",
    source=f"{HE}, eq. 15",
    published="1 a layer; with He for ReLU 1 + a²",
)
def he_leaky(trials):
    seeds, slopes = trials.seeds(5, 30), SLOPES[1::2] if trials.fast else SLOPES
    found = {
        known: [[trials.of(gain, slope, known, seed) for seed in seeds] for slope in slopes]
        for known in (True, False)
    }
    means = {known: np.mean(gains, 1) for known, gains in found.items()}
    expected = {True: np.ones(len(slopes)), False: 1 + np.square(slopes)}
    holds = [
        # The mean logarithm of ten factors lies below that of their mean, by 5 / (2 width) each.
        abs(means[known] - expected[known])
        < 5 * np.std(gains, 1, ddof=1) / np.sqrt(len(seeds)) + 5 / WIDTH * expected[known]
        for known, gains in found.items()
    ]
    names, right, wrong = (
        ", ".join(f"{each:.3g}" for each in row) for row in (slopes, means[True], means[False])
    )
    return Finding(
        f"a layer at slopes {names}: {right}; with He for ReLU {wrong}",
        bool(np.all(holds)),
        lambda figure: draw_slopes(figure, slopes, means),
    )


def draw_slopes(figure, slopes, means):
    axes = figure.add_subplot(title=f"leaky ReLU, depth 11, width {WIDTH}")
    dense = np.linspace(0, 1, 50)
    axes.plot(dense, 1 + dense**2, "k:", label="1 + a²")
    axes.plot(slopes, means[False], "C1o", label="HeNormal()")
    axes.plot(slopes, means[True], "C0o", label="HeNormal(negative_slope=a)")
    axes.set_xlabel("slope a")
    axes.set_ylabel("mean-square gain a layer")
    axes.legend(frameon=False)


def sizes_with_fan(mode, seed):
    """Mean squares of signal and gradient in every layer, against the first and the last one's."""
    random = np.random.default_rng(seed)
    signal, before, weights = random.normal(size=(64, 512)), [], []
    for layer, width in enumerate(WIDTHS):
        start = kil.HeNormal(mode=mode, seed=1000 * seed + layer)
        (here,), (kernel,) = forward(
            "relu", lambda _, start=start: start, depth=1, width=width, signal=signal
        )
        before.append(here)
        weights.append(kernel)
        signal = np.maximum(here, 0)
    gradients = backward("relu", before, weights, random)
    sizes, back = ([float(np.mean(each**2)) for each in row] for row in (before, gradients))
    return {
        "forward": [each / sizes[0] for each in sizes],
        "backward": [each / back[-1] for each in back],
    }


@claim(
    "he-either-fan",
    says="Either fan will do: the signal not kept changes by the ratio of two widths, at any depth",
    source=f"{HE}, eq. 10, 14 and the product of eq. 9",
    published="c₂ / d_L forward with fan_out, its inverse backward with fan_in; both converge",
)
def either_fan(trials):
    runs = {
        mode: [trials.of(sizes_with_fan, mode, seed) for seed in trials.seeds(10, 60)]
        for mode in ("fan_in", "fan_out")
    }
    trained_runs = {
        mode: [trials.of(trained_with_fan, mode, seed) for seed in trials.seeds(1, 3)]
        for mode in runs
    }
    ratio = WIDTHS[0] / WIDTHS[-1]
    expected = {"fan_in": (1, 1 / ratio), "fan_out": (ratio, 1)}
    ours, holds = [], all(run["epoch"] for runs in trained_runs.values() for run in runs)
    for mode, each in runs.items():
        ends = np.array([(run["forward"][-1], run["backward"][0]) for run in each])
        error = np.std(ends, 0, ddof=1) / np.sqrt(len(ends))
        holds &= bool(np.all(abs(ends.mean(0) - expected[mode]) < 5 * error))
        (ahead, back), (ahead_error, back_error) = ends.mean(0), error
        ours.append(
            f"{mode} {ahead:.2f} ± {ahead_error:.2f} forward,"
            f" {back:.2f} ± {back_error:.2f} backward,"
            f" {len(reached(trained_runs[mode]))}/{len(trained_runs[mode])} train"
        )
    return Finding(
        f"{len(WIDTHS)} layers, c₂ / d_L = {ratio:.0f}: {'; '.join(ours)}",
        holds,
        lambda figure: draw_fans(figure, runs),
    )


def draw_fans(figure, runs):
    titles = {"forward": "signal / layer 1", "backward": "gradient / last layer"}
    for place, (way, title) in enumerate(titles.items(), 1):
        axes = figure.add_subplot(1, 2, place, title=f"{way}, widths 1024 to 256")
        for mode, each in runs.items():
            mean = np.mean([run[way] for run in each], 0)
            axes.plot(range(1, len(mean) + 1), mean, "o-", label=f'mode="{mode}"')
        axes.set(xlabel="layer", ylabel=f"mean square of {title}", ylim=(0, None))
    names, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(names, labels, frameon=False, loc="outside lower center", ncols=2)
