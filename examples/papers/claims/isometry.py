"""Saxe 2013, Pennington 2017, Xiao 2018: orthogonal weights keep every direction's length."""

import keras
import numpy as np
from claim import Finding, alone, claim
from digits import digits, fitted
from stacks import Stack, forward

import keras_initlab as kil

# Signals this small pass tanh almost unbent, and every direction survives.
LENGTH = 1e-4
# Of Adam, times the depth: as many layers move together.
RATE = 0.01
LEGENDS = {
    "orthogonal tanh": "orthogonal, tanh",
    "gaussian tanh": "Gaussian, tanh",
    "orthogonal relu": "orthogonal, ReLU",
}


def critical(activation):
    """`C_w` and `C_b` that keep a signal of that length, and the gradient."""
    moments = kil.moments_of(activation, LENGTH)
    weight_variance = 1 / moments.slope_second
    return weight_variance, max(0.0, LENGTH - weight_variance * moments.second)


def started(weights, activation="tanh", seed=0):
    """Schemes of layer `k` for kernels and biases, both at the edge of chaos."""
    weight_variance, bias_variance = critical(activation)
    make, gain = {
        "orthogonal": (kil.Orthogonal, {"gain": weight_variance**0.5}),
        "delta": (kil.DeltaOrthogonal, {"gain": weight_variance**0.5}),
        "gaussian": (kil.VarianceScaling, {"scale": weight_variance, "distribution": "normal"}),
    }[weights]

    def kernel(layer):
        return make(**gain, seed=100_000 * seed + layer)

    def bias(layer):
        if bias_variance < 1e-15:
            return kil.Zeros()
        return kil.RandomNormal(stddev=bias_variance**0.5, seed=100_000 * seed + 50_000 + layer)

    return kernel, bias


def singular_values(weights, activation, depth, width, seed):
    """Those of the Jacobian of the last signal with respect to the first preactivation.

    The signal's own direction is left out: it shrinks faster, which theory, whose layers are
    infinitely wide, does not see.
    """
    kernel, bias = started(weights, activation, seed)
    signal = np.random.default_rng(seed).normal(size=(1, width))
    signal *= (LENGTH * width) ** 0.5 / np.linalg.norm(signal)
    before, kernels = forward(activation, kernel, bias, depth=depth, width=width, signal=signal)
    jacobian = np.linalg.svd(before[0])[2][1:]
    for place, each in enumerate(before):
        slope = each[0] > 0 if activation == "relu" else 1 - np.tanh(each[0]) ** 2
        jacobian = (jacobian if place == 0 else jacobian @ kernels[place]) * slope
    return np.linalg.svd(jacobian, compute_uv=False).tolist()


def predicted_variance(depth):
    """Of the squared singular values with orthogonal tanh, the mean being 1."""
    second = kil.moments_of("tanh", LENGTH).slope_second
    fourth = kil.moments_of(lambda x: (1 - np.tanh(x) ** 2) ** 2, LENGTH).second
    return depth * (fourth / second**2 - 1)


@claim(
    "isometry-jacobian",
    says="Orthogonal weights keep all singular values of a deep tanh network's Jacobian near 1;"
    " Gaussian ones and ReLU do not",
    source="Saxe et al. 2013; Pennington et al. 2017",
    published="variance of their squares L (μ₂ / μ₁² - 1) for orthogonal weights, L more else",
)
def isometry_jacobian(trials):
    depth, width = 100, 100 if trials.fast else 200
    seeds = trials.seeds(3, 10)
    found = {
        name: [trials.of(singular_values, *name.split(), depth, width, seed) for seed in seeds]
        for name in LEGENDS
    }
    kept = {
        name: np.mean((np.array(each) > 0.5) & (np.array(each) < 2)) for name, each in found.items()
    }
    tanh, gaussian, relu = found.values()
    variances = [np.var(np.square(each)) for each in tanh]
    mean, error = np.mean(variances), np.std(variances, ddof=1) / np.sqrt(len(seeds))
    expected = predicted_variance(depth)
    return Finding(
        f"depth {depth}: orthogonal tanh {np.min(tanh):.3f} to {np.max(tanh):.3f}, variance of the"
        f" squares {mean:.2e} ± {error:.0e} (theory {expected:.2e}); Gaussian up to"
        f" {np.max(gaussian):.0f}, ReLU up to {np.max(relu):.0f}, where {kept['gaussian tanh']:.0%}"
        f" and {kept['orthogonal relu']:.0%} of directions keep half to twice their length",
        # At widths of 100 and 200 the variance falls short of an endless width's by 9 / width.
        bool(abs(mean - expected) < 5 * error + 9 / width * expected)
        and kept["orthogonal tanh"] == 1
        and max(kept["gaussian tanh"], kept["orthogonal relu"]) < 0.5,
        lambda figure: draw_values(figure, found, depth),
    )


def draw_values(figure, found, depth):
    axes = figure.add_subplot(title=f"Jacobian of {depth} layers, q* = {LENGTH:g}", yscale="log")
    for name, label in LEGENDS.items():
        row = np.maximum(found[name][0], 1e-12)
        axes.plot(np.linspace(0, 1, len(row)), row, label=label)
    axes.set_xlabel("share of the directions")
    axes.set_ylabel("singular value (at least 1e-12)")
    axes.legend(frameon=False)


@alone
def dense(weights, depth, rate, seed, epochs):
    """So many tanh layers of 64 on the digits; the rate is that of Adam times the depth."""
    keras.utils.set_random_seed(seed)
    kernel, bias = started(weights, seed=seed)
    x = keras.Input((64,))
    return fitted_around(x, x, Stack(depth, kernel, bias(0)), rate / depth, seed, epochs)


@alone
def convolutional(weights, depth, rate, seed, epochs):
    """The same with 3 x 3 convolutions of 16 channels over 4 x 4 patches of 2 x 2 pixels."""
    keras.utils.set_random_seed(seed)
    kernel, bias = started(weights, seed=seed)
    x = keras.Input((64,))
    patches = keras.layers.Permute((1, 3, 2, 4))(keras.layers.Reshape((4, 2, 4, 2))(x))
    patches = keras.layers.Reshape((4, 4, 4))(patches)
    lift = keras.layers.Conv2D(16, 1, kernel_initializer=kil.Orthogonal(scaled=True, seed=seed))
    stack = Stack(depth, kernel, bias(0), window=(3, 3))
    return fitted_around(x, lift(patches), stack, rate / depth, seed, epochs)


def fitted_around(x, signal, stack, rate, seed, epochs):
    """Train a stack that sees signals of the length it holds, and gives them back at length 1."""
    signal = stack(keras.layers.Rescaling(LENGTH**0.5)(signal))
    signal = keras.layers.Flatten()(keras.layers.Rescaling(LENGTH**-0.5)(signal))
    output = keras.layers.Dense(10, "softmax", kernel_initializer=kil.XavierUniform(seed=seed))
    model = keras.Model(x, output(signal))
    found = fitted(model, digits(), keras.optimizers.Adam(rate), epochs=epochs, seed=seed)
    return {**found, "curve": [round(each, 4) for each in model.history.history["accuracy"]]}


def trained_at_depths(trials, trial, orthogonal, seeds_of):
    """Both kinds of weights at every depth; Gaussian ones only where there are several seeds."""
    epochs = 3 if trials.fast else 4
    deepest = max(depth for depth, seeds in seeds_of.items() if seeds > 1 or trials.fast)
    beside = {deepest} if trials.fast else {depth for depth in seeds_of if depth <= deepest}
    found = {
        (weights, depth): [
            trials.of(trial, weights, depth, RATE, seed, epochs) for seed in range(seeds)
        ]
        for depth, seeds in seeds_of.items()
        for weights in (orthogonal, "gaussian")
        if weights == orthogonal or depth in beside
    }
    rates = [] if trials.fast else [10 * RATE, 100 * RATE]
    other = [trials.of(trial, "gaussian", deepest, rate, 0, epochs) for rate in rates]
    failed = found["gaussian", deepest] + other
    good = [found[orthogonal, depth] for depth in seeds_of]
    ours = ", ".join(f"{reached(runs)} at {d:,}" for d, runs in zip(seeds_of, good, strict=True))
    return Finding(
        f"seeds at 90 % of the digits in {epochs} epochs: {ours} layers; Gaussian {reached(failed)}"
        f" at {deepest:,}, the best {max(run['accuracy'] for run in failed):.0%}",
        all(run["epoch"] for runs in good for run in runs)
        and not any(run["epoch"] for run in failed),
        lambda figure: draw_depths(figure, found, orthogonal),
    )


def reached(runs):
    return f"{sum(bool(run['epoch']) for run in runs)}/{len(runs)}"


def draw_depths(figure, found, orthogonal):
    depths = sorted({depth for _, depth in found})
    for place, weights in enumerate((orthogonal, "gaussian"), 1):
        title = f"{weights.capitalize()}, tanh, Adam {RATE:g} / depth"
        axes = figure.add_subplot(1, 2, place, title=title)
        for number, depth in enumerate(depths):
            for seed, run in enumerate(found.get((weights, depth), [])):
                label = None if seed else f"{depth:,} layers"
                epochs = range(1, len(run["curve"]) + 1)
                axes.plot(epochs, run["curve"], "o-", color=f"C{number}", label=label, alpha=0.7)
        axes.set(xlabel="epoch", ylabel="training accuracy", ylim=(0, 1), xticks=range(1, 5))
        axes.legend(frameon=False)


@claim(
    "isometry-dense",
    says="Plain tanh networks of 1,000 layers learn as fast as shallow ones from orthogonal"
    " weights, and not at all from Gaussian ones",
    source="Saxe et al. 2013; Pennington et al. 2017",
    published="learning time does not grow with depth; 200 tanh layers trained",
)
def isometry_dense(trials):
    seeds_of = {10: 1, 1000: 1} if trials.fast else {10: 3, 100: 3, 1000: 3, 10_000: 1}
    return trained_at_depths(trials, dense, "orthogonal", seeds_of)


@claim(
    "isometry-conv",
    says="Plain tanh convolutional networks of 1,000 layers learn from delta-orthogonal kernels",
    source="Xiao et al. 2018, figure 1",
    published="1,250 to 10,000 layers train",
)
def isometry_conv(trials):
    seeds_of = {10: 1, 100: 1} if trials.fast else {10: 3, 100: 3, 1000: 1}
    return trained_at_depths(trials, convolutional, "delta", seeds_of)
