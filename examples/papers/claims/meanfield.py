"""Poole 2016, Schoenholz 2017: length and correlation maps, the edge of chaos, trainable depth."""

import keras
import numpy as np
from claim import Finding, alone, claim
from digits import digits, fitted
from stacks import Stack, backward, forward

import keras_initlab as kil

POOLE, SCHOENHOLZ = "Poole et al. 2016", "Schoenholz et al. 2017"
# Deviations of the weights in the paper, at one of 0.3 of the biases.
STDDEVS, BIAS_VARIANCE = (1.3, 2.5, 4.0), 0.09
LENGTHS, CORRELATIONS = (0.2, 15.0), (0.0, 0.5, 0.9)
DEPTH = 15
# Of the other paper, whose edge of chaos then lies at a weight variance of 1.76.
CHAOS_BIAS_VARIANCE = 0.05
WEIGHT_VARIANCES = (1.0, 1.2, 1.4, 1.6, 1.76, 2.0, 2.4, 3.0, 4.0)


def started(weight_variance, bias_variance, seed):
    """Schemes of layer `k` for kernels and biases."""

    def kernel(layer):
        return kil.VarianceScaling(
            scale=weight_variance, distribution="normal", seed=100_000 * seed + layer
        )

    def bias(layer):
        return kil.RandomNormal(stddev=bias_variance**0.5, seed=100_000 * seed + 50_000 + layer)

    return kernel, bias


def followed(stddev, depth, width, seed):
    """Lengths of signals, and correlations of pairs, in every layer of one network."""
    random = np.random.default_rng(seed)
    first, other = np.linalg.qr(random.normal(size=(width, 2)))[0].T
    # At the settled length, so that only the correlation moves.
    length = settled(stddev).q
    rows = [first, *(c * first + (1 - c**2) ** 0.5 * other for c in CORRELATIONS)]
    sizes = [length] * len(rows) + list(LENGTHS)
    scale = np.sqrt([(size - BIAS_VARIANCE) * width for size in sizes]) / stddev
    kernel, bias = started(stddev**2, BIAS_VARIANCE, seed)
    signal = np.array([*rows, *[first] * len(LENGTHS)]) * scale[:, None]
    before, _ = forward("tanh", kernel, bias, depth=depth, width=width, signal=signal)
    products = np.array([each @ each.T / width for each in before])
    lengths = np.diagonal(products, axis1=1, axis2=2)
    pairs = products[:, 0, 1:] / np.sqrt(lengths[:, :1] * lengths[:, 1:])
    return {
        "length": lengths[:, -len(LENGTHS) :].T.tolist(),
        "correlation": pairs[:, : len(CORRELATIONS)].T.tolist(),
    }


def settled(stddev):
    return kil.fixed_point("tanh", weight_variance=stddev**2, bias_variance=BIAS_VARIANCE)


def predicted(stddev, name, start, depth):
    """Lengths, or correlations at the settled length, by the maps."""
    variances = {"weight_variance": stddev**2, "bias_variance": BIAS_VARIANCE}
    row, step = [start], kil.length_map
    if name == "correlation":
        step, variances["q"] = kil.correlation_map, settled(stddev).q
    while len(row) < depth:
        row.append(step("tanh", row[-1], **variances))
    return np.array(row)


def compared(trials, name):
    """Measured and predicted rows by deviation, and by how many errors they part at most."""
    rows, worst, width = {}, 0.0, width_of(trials)
    for stddev in STDDEVS:
        runs = np.array(
            [
                # Both claims follow the same networks.
                trials.named("mean-field").of(followed, stddev, DEPTH, width, seed)[name]
                for seed in trials.seeds(12, 40)
            ]
        )
        mean, error = runs.mean(0), runs.std(0, ddof=1) / np.sqrt(len(runs))
        theory = np.array([predicted(stddev, name, row[0], DEPTH) for row in mean])
        rows[stddev] = mean, theory
        # Theory leaves out what falls with the width.
        parted = abs(mean - theory) / (error + theory / width)
        worst = max(worst, float(parted.max()))
    return rows, worst


def width_of(trials):
    return 500 if trials.fast else 1000


@claim(
    "length-map",
    says="The length of a signal follows the length map, and forgets in a few layers how it began",
    source=f"{POOLE}, figure 1",
    published="theory and networks of width 1,000 agree",
)
def length_map(trials):
    rows, worst = compared(trials, "length")
    ends = ", ".join(
        f"{mean[0, -1]:.3f} and {mean[1, -1]:.3f} (theory {theory[0, -1]:.3f}) at {stddev}"
        for stddev, (mean, theory) in rows.items()
    )
    return Finding(
        f"from {LENGTHS[0]} and {LENGTHS[1]:g} after {DEPTH} layers {ends};"
        f" no layer more than {worst:.1f} standard errors away",
        worst < 5,
        lambda figure: draw_rows(figure, rows, "mean square of preactivations"),
    )


@claim(
    "correlation-map",
    says="Two inputs become alike in the ordered phase, and part in the chaotic one however near"
    " they were",
    source=f"{POOLE}, figure 2",
    published="theory and networks of width 1,000 agree",
)
def correlation_map(trials):
    rows, worst = compared(trials, "correlation")
    ends = ", ".join(
        f"{' '.join(f'{each:.3f}' for each in mean[:, -1])}"
        f" (theory {' '.join(f'{each:.3f}' for each in theory[:, -1])}) at {stddev}"
        for stddev, (mean, theory) in rows.items()
    )
    return Finding(
        f"from {', '.join(map(str, CORRELATIONS))} after {DEPTH} layers {ends};"
        f" no layer more than {worst:.1f} standard errors away",
        worst < 5,
        lambda figure: draw_rows(figure, rows, "correlation of two inputs"),
    )


def draw_rows(figure, rows, label):
    axes = figure.add_subplot(title=f"tanh, biases of variance {BIAS_VARIANCE}")
    layers = range(1, DEPTH + 1)
    for number, (stddev, (mean, theory)) in enumerate(rows.items()):
        axes.plot(layers, theory.T, "-", color=f"C{number}")
        lines = axes.plot(layers, mean.T, "o", color=f"C{number}", markersize=4)
        lines[0].set_label(f"$\\sigma_w$ = {stddev}")
    axes.plot([], [], "k-", label="theory")
    axes.set(xlabel="layer", ylabel=label)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def gradient_gain(weight_variance, depth, width, seed):
    """Factor on the gradient's mean square that a layer applies, its geometric mean."""
    random = np.random.default_rng(seed)
    length = kil.fixed_point(
        "tanh", weight_variance=weight_variance, bias_variance=CHAOS_BIAS_VARIANCE
    ).q
    before, weights = forward(
        "tanh",
        *started(weight_variance, CHAOS_BIAS_VARIANCE, seed),
        depth=depth,
        width=width,
        # So that the first preactivations, biases among them, have that length.
        signal=random.normal(size=(16, width))
        * ((length - CHAOS_BIAS_VARIANCE) / weight_variance) ** 0.5,
    )
    sizes = [np.mean(each**2) for each in backward("tanh", before, weights, random)]
    return float((sizes[0] / sizes[-1]) ** (1 / (depth - 1)))


@claim(
    "gradient-phases",
    says="The gradient vanishes in the ordered phase and explodes in the chaotic one, by the factor"
    " χ₁ a layer",
    source=f"{SCHOENHOLZ}, eq. 13",
    published="the factor C_w E[φ'²], 1 at the edge of chaos",
)
def gradient_phases(trials):
    seeds, width = trials.seeds(6, 20), width_of(trials) // 2
    variances = WEIGHT_VARIANCES[::2] if trials.fast else WEIGHT_VARIANCES
    runs = [[trials.of(gradient_gain, c, 12, width, seed) for seed in seeds] for c in variances]
    means, errors = np.mean(runs, 1), np.std(runs, 1, ddof=1) / np.sqrt(len(seeds))
    theory = np.array(
        [
            kil.fixed_point("tanh", weight_variance=c, bias_variance=CHAOS_BIAS_VARIANCE).chi1
            for c in variances
        ]
    )
    ours = ", ".join(
        f"{mean:.3f} (theory {each:.3f}) at {c}"
        for mean, each, c in zip(means, theory, variances, strict=True)
    )
    return Finding(
        f"a layer {ours}",
        # As with lengths, a part that falls with the width.
        bool(np.all(abs(means - theory) < 5 * errors + theory / width)),
    )


@alone
def trained(weight_variance, depth, epochs, seed):
    """So many tanh layers on the digits."""
    keras.utils.set_random_seed(seed)
    kernel, bias = started(weight_variance, CHAOS_BIAS_VARIANCE, seed)
    first = keras.layers.Dense(128, "tanh", kernel_initializer=kernel(0), bias_initializer=bias(0))
    stack = Stack(depth - 1, lambda layer: kernel(layer + 1), bias(1))
    last = keras.layers.Dense(10, "softmax", kernel_initializer=kil.LecunNormal(seed=seed))
    model = keras.Sequential([keras.Input((64,)), first, stack, last])
    return fitted(model, digits(), keras.optimizers.SGD(0.01), epochs=epochs, seed=seed)


@claim(
    "trainable-depth",
    says="Networks train up to about six depth scales of the correlation, and at the edge of chaos"
    " deeper than elsewhere",
    source=f"{SCHOENHOLZ}, figure 5",
    published="the boundary follows 6 ξ_c",
)
def trainable_depth(trials):
    # From 100 layers on this rate is too high even at the edge of chaos.
    depths = (10, 46) if trials.fast else (10, 15, 22, 32, 46, 68)
    variances = WEIGHT_VARIANCES[::4] if trials.fast else WEIGHT_VARIANCES
    epochs = 12 if trials.fast else 30
    accuracy = np.array(
        [
            [trials.of(trained, c, depth, epochs, 0)["accuracy"] for c in variances]
            for depth in depths
        ]
    )
    trains = accuracy >= 0.9
    scale = np.array([6 * depth_scale(c) for c in variances])
    wrong = int(np.sum(trains != (np.array(depths)[:, None] <= scale)))
    # A rule that knows the depth alone is at its best with one of these limits.
    blind = min(
        int(np.sum(trains != (np.array(depths)[:, None] <= limit))) for limit in (0, *depths)
    )
    return Finding(
        f"the rule is wrong for {wrong} of {trains.size} networks, and the best rule that knows"
        f" the depth alone for {blind} (digits, width 128, SGD 0.01, {epochs} epochs)",
        wrong < blind,
        lambda figure: draw_grid(figure, accuracy, depths, variances),
    )


def depth_scale(weight_variance):
    return kil.fixed_point(
        "tanh", weight_variance=weight_variance, bias_variance=CHAOS_BIAS_VARIANCE
    ).correlation_depth


def draw_grid(figure, accuracy, depths, variances):
    axes = figure.add_subplot(
        title=f"training accuracy, tanh, width 128, $C_b$ = {CHAOS_BIAS_VARIANCE}"
    )
    mesh = axes.pcolormesh(variances, depths, accuracy, vmin=0, vmax=1, shading="nearest")
    figure.colorbar(mesh, label="accuracy")
    dense = np.linspace(variances[0], variances[-1], 61)
    axes.plot(dense, [6 * depth_scale(c) for c in dense], "w--", label="6 depth scales")
    axes.set(
        xlabel="$C_w$", ylabel="layers", yscale="log", ylim=(depths[0] * 0.75, depths[-1] * 1.3)
    )
    axes.set_yticks(depths, depths)
    axes.minorticks_off()
    axes.legend(labelcolor="white", frameon=False)
