"""Glorot and Bengio 2010: what standard and normalized weights do to signal and gradient."""

import keras
import numpy as np
from claim import Finding, alone, claim
from digits import digits, fashion
from sklearn.datasets import load_digits
from stacks import backward_from, forward, numpy_of

import keras_initlab as kil

GLOROT = "Glorot and Bengio 2010"
DEPTH, WIDTH = 5, 1000
NAMES = {"standard": "standard, eq. 1", "normalized": "normalized, eq. 16"}
KINDS = {"activation": "activations", "gradient": "gradients", "weights": "weights' gradients"}


def start(name, seed=None):
    """Eq. 1, U(±1/sqrt(fan_in)), or eq. 16."""
    if name == "normalized":
        return kil.XavierUniform(seed=seed)
    return kil.VarianceScaling(scale=1 / 3, mode="fan_in", distribution="uniform", seed=seed)


def fashion_name():
    """None where Fashion-MNIST is not installed."""
    return fashion() and fashion().name


def pictures(trials):
    """The name of the images."""
    return trials.of(fashion_name) or digits().name


def images_of(name):
    return digits() if name == digits().name else fashion()


def variances(images, name, seed):
    """Variances in every layer: of activations, and of the cost's gradients for one image."""
    images, rows = images_of(images), 256
    x, y = images.train_x[:rows].astype("float64"), images.train_y[:rows]
    before, weights = forward(
        "tanh",
        lambda layer: start(name, 1000 * seed + layer),
        depth=DEPTH,
        width=WIDTH,
        signal=x,
    )
    after = [np.tanh(each) for each in before]
    output = numpy_of(start(name, 1000 * seed + DEPTH)((WIDTH, 10)))
    chances = np.exp(after[-1] @ output)
    chances /= chances.sum(1, keepdims=True)
    last = (chances - np.eye(10)[y]) @ output.T * (1 - after[-1] ** 2)
    gradients = backward_from("tanh", before, weights, last)
    signals = zip([x, *after[:-1]], gradients, strict=True)
    return {
        "activation": [float(each.var()) for each in after],
        "gradient": [float(each.var()) for each in gradients],
        # That of one image is the outer product of the two.
        "weights": [
            float(np.mean(np.mean(signal**2, 1) * np.mean(each**2, 1))) for signal, each in signals
        ],
    }


@claim(
    "glorot-variances",
    says="Standard weights shrink activations upwards and gradients downwards, though not the"
    " gradients of weights; normalized weights hold all three",
    source=f"{GLOROT}, figures 6, 7 and 8, eq. 13 and 14",
    published="gradients: 1/3 a layer with standard weights, 1 with normalized; of weights: 1",
)
def glorot_variances(trials):
    seeds, images = trials.seeds(3, 10), pictures(trials)
    runs = {name: [trials.of(variances, images, name, seed) for seed in seeds] for name in NAMES}
    means = {
        name: {kind: np.mean([run[kind] for run in each], 0) for kind in KINDS}
        for name, each in runs.items()
    }
    # A layer's factor on the way down, over the square layers to which the equations apply.
    factor = {
        (name, kind): float((row[1] / row[-1]) ** (1 / (DEPTH - 2)))
        for name, kinds in means.items()
        for kind, row in kinds.items()
    }
    ours = "; ".join(
        f"{kind} {factor['standard', key]:.2f} standard, {factor['normalized', key]:.2f} normalized"
        for key, kind in KINDS.items()
    )
    # Which of the two equations a factor is nearer to, on the logarithm's scale.
    nearer = 3**-0.5
    return Finding(
        f"a layer downwards, width {WIDTH}, {images}: {ours}",
        factor["standard", "gradient"] < nearer < factor["normalized", "gradient"]
        and all(nearer < factor[name, "weights"] < 1 / nearer for name in NAMES)
        and factor["standard", "activation"] > 1 / nearer > factor["normalized", "activation"],
        lambda figure: draw_variances(figure, means),
    )


def draw_variances(figure, means):
    layers = range(1, DEPTH + 1)
    for place, (key, kind) in enumerate(KINDS.items(), 1):
        axes = figure.add_subplot(1, 3, place, title=kind, xlabel="layer", yscale="log")
        for name, label in NAMES.items():
            row = means[name][key]
            axes.plot(layers, row / row[0 if key == "activation" else -1], "o-", label=label)
        # One scale for all, or the last one would show its noise.
        axes.set(xticks=layers, ylim=(3e-3, 3))
    figure.axes[0].set_ylabel("variance / that of the first layer")
    figure.axes[1].set_ylabel("variance / that of the last layer")
    figure.axes[2].legend(frameon=False)


def singular_values(name, seed):
    """The mean singular value of one layer's Jacobian, for the square layers."""
    # Not standardized, for the paper's number is one of small signals.
    pixels = load_digits().data[seed : seed + 1] / 16
    before, weights = forward(
        "tanh",
        lambda layer: start(name, 1000 * seed + layer),
        depth=DEPTH,
        width=WIDTH // 2,
        signal=pixels,
    )
    slopes = [1 - np.tanh(each[0]) ** 2 for each in before]
    return [
        float(np.linalg.svd(kernel * slope, compute_uv=False).mean())
        for kernel, slope in zip(weights[1:], slopes[1:], strict=True)
    ]


@claim(
    "glorot-jacobian",
    says="A layer's Jacobian has a mean singular value near 0.8 with normalized weights,"
    " 0.5 with standard ones",
    source=f"{GLOROT}, section 4.2.1",
    published="0.8 and 0.5",
)
def glorot_jacobian(trials):
    seeds = trials.seeds(2, 10)
    means = {
        name: float(np.mean([trials.of(singular_values, name, seed) for seed in seeds]))
        for name in NAMES
    }
    return Finding(
        f"{means['normalized']:.2f} and {means['standard']:.2f}, layers 2 to {DEPTH}",
        # Both are printed with one digit.
        {name: round(mean, 1) for name, mean in means.items()}
        == {"normalized": 0.8, "standard": 0.5},
    )


@alone
def errors_by_epoch(images, name, seed, epochs):
    """The test error after each epoch."""
    images = images_of(images)
    keras.utils.set_random_seed(seed)
    widths = (256,) * DEPTH
    hidden = [keras.layers.Dense(width, "tanh", kernel_initializer=start(name)) for width in widths]
    last = keras.layers.Dense(10, "softmax", kernel_initializer=start(name))
    model = keras.Sequential([keras.Input((images.train_x.shape[1],)), *hidden, last])
    model.compile(
        keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    data = (images.train_x, images.train_y), (images.test_x, images.test_y)
    history = model.fit(*data[0], batch_size=64, epochs=epochs, validation_data=data[1], verbose=0)
    return [round(1 - each, 4) for each in history.history["val_accuracy"]]


@claim(
    "glorot-early-error",
    says="Normalized weights learn faster than standard ones",
    source=f"{GLOROT}, figures 11 and 12",
    published="five tanh layers: a lower test error all along",
)
def glorot_early_error(trials):
    epochs, seeds, images = 1 if trials.fast else 8, trials.seeds(3, 5), pictures(trials)
    runs = {
        name: np.array([trials.of(errors_by_epoch, images, name, seed, epochs) for seed in seeds])
        for name in NAMES
    }
    means = {name: each.mean(0) for name, each in runs.items()}
    errors = {name: each.std(0, ddof=1) / np.sqrt(len(each)) for name, each in runs.items()}
    ours = ", ".join(f"{name} {means[name][0]:.1%} ± {errors[name][0]:.1%}" for name in NAMES)
    if epochs > 1:
        ends = " and ".join(f"{mean[-1]:.1%}" for mean in means.values())
        ours += f"; after {epochs} epochs {ends}"
    gap = means["standard"] - means["normalized"]
    return Finding(
        f"test error after one epoch, {images}: {ours}",
        bool(np.all(gap > 5 * np.hypot(*errors.values()))),
        (lambda figure: draw_errors(figure, runs, images)) if epochs > 1 else None,
    )


def draw_errors(figure, runs, images):
    axes = figure.add_subplot(title=f"5 tanh layers of 256, {images}, SGD 0.01")
    for number, (name, label) in enumerate(NAMES.items()):
        for place, run in enumerate(runs[name]):
            epochs = range(1, len(run) + 1)
            axes.plot(epochs, run, "o-", color=f"C{number}", label=None if place else label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test error")
    axes.legend(frameon=False)
