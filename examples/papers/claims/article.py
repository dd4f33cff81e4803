"""The article that this package starts from: zero, random, Xavier and He weights."""

import keras
import numpy as np
from claim import Finding, claim
from digits import digits, fitted
from elsewhere import BACKENDS, on_backend
from stacks import forward, gain_per_layer, numpy_of

import keras_initlab as kil

ARTICLE = "the article"
WIDTH = 512


def spread_of_units(start, epochs):
    """The largest difference between two units of a hidden layer, before and after training."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            *(keras.layers.Dense(32, "tanh", kernel_initializer=start) for _ in range(2)),
            keras.layers.Dense(10, "softmax", kernel_initializer=start),
        ]
    )
    kernel = model.layers[0].kernel
    before = keras.ops.convert_to_numpy(kernel)
    fitted(model, digits(), keras.optimizers.SGD(0.1), epochs=epochs, accuracy=2.0)
    after = keras.ops.convert_to_numpy(kernel)
    return {
        "moved": float(np.abs(after - before).max()),
        "spread": float(np.ptp(after, axis=1).max()),
    }


def constant_spread(epochs):
    return spread_of_units(kil.Constant(0.1), epochs)


def zero_spread(epochs):
    return spread_of_units(kil.Zeros(), epochs)


@claim(
    "constant",
    says="Units that start equal stay equal for ever, though they learn",
    source=ARTICLE,
    published="spread 0",
)
def constant(trials):
    epochs = 20 if not trials.fast else 5
    found = {
        backend: trials.of(on_backend, backend, "claims.article", "constant_spread", epochs)
        for backend in BACKENDS
    }
    # torch sums in an order that differs from unit to unit, so its units part by rounding.
    exact = [each for name, each in found.items() if each and name != "torch"]
    ours = ", ".join(
        f"{name} {each['spread']:.0g}" for name, each in found.items() if each is not None
    )
    return Finding(
        f"after {epochs} epochs: {ours}",
        bool(exact) and all(each["spread"] == 0 and each["moved"] > 0.01 for each in exact),
    )


def accuracy_from_zero():
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(10, "softmax", kernel_initializer=kil.Zeros())]
    )
    return fitted(model, digits(), keras.optimizers.SGD(0.1), epochs=20, accuracy=2.0)["accuracy"]


@claim(
    "logistic-from-zero",
    says="Logistic regression trains from zero weights",
    source=ARTICLE,
    published="it learns",
)
def logistic_from_zero(trials):
    accuracy = trials.of(accuracy_from_zero)
    return Finding(f"{accuracy:.1%} of the digits after 20 epochs", accuracy > 0.95)


def worst_chain_error(chains):
    """The formula's largest relative error, and the largest share of its bound that is used."""
    random, errors, shares = np.random.default_rng(0), [], []
    # Both, for the policy does not follow the other once it was read.
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        model, scores = chain()
        for _ in range(chains):
            model.set_weights(drawn_for(model, random))
            model.layers[1].bias.assign([0.0])
            error, share = error_and_share(model, scores, random.normal(size=(1, 1)))
            errors.append(error)
            shares.append(share)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    return {"error": max(errors), "share": max(shares)}


def drawn_for(model, random):
    return [random.uniform(-1, 1, each.shape) for each in model.weights]


def chain():
    """Four sigmoids in a row, and the same with every signal as an output."""
    x = signal = keras.Input((1,))
    signals = []
    for _ in range(4):
        signal = keras.layers.Dense(1, "sigmoid")(signal)
        signals.append(signal)
    model = keras.Model(x, signal)
    # A step of length 1 shows the gradient.
    model.compile(keras.optimizers.SGD(1.0), "mse")
    return model, keras.Model(x, signals)


def error_and_share(model, scores, x):
    """How far the formula is from autodiff, and dC/db1 over dC/da4 / 4^4."""
    signals = np.concatenate([numpy_of(each) for each in scores(x)]).ravel()
    weights = [float(numpy_of(layer.kernel)[0, 0]) for layer in model.layers[2:]]
    cost_slope = 2 * (signals[-1] - 1)
    formula = np.prod(signals * (1 - signals)) * np.prod(weights) * cost_slope
    model.train_on_batch(x, np.ones((1, 1)))
    from_autodiff = -float(numpy_of(model.layers[1].bias)[0])
    return (
        float(abs(formula - from_autodiff) / abs(formula)),
        float(abs(formula / cost_slope) * 4**4),
    )


@claim(
    "sigmoid-chain",
    says="In a chain of four sigmoids dC/db1 = s'(z1) w2 s'(z2) w3 s'(z3) w4 s'(z4) dC/da4,"
    " at most 1/4^4 of dC/da4 where no weight is above 1",
    source=ARTICLE,
    published="formula",
)
def sigmoid_chain(trials):
    chains = 20 if trials.fast else 100
    found = trials.of(worst_chain_error, chains)
    return Finding(
        f"autodiff agrees to {found['error']:.0e} over {chains} chains,"
        f" which use at most {found['share']:.0%} of the bound",
        found["error"] < 1e-12 and found["share"] <= 1,
    )


STDDEVS = (0.01, 0.1, 1.0)


def random_stack(activation, stddev, depth, width, seed):
    """What is left of the difference between inputs, and the share of flat units, by layer."""
    phi = kil.activation_of(activation)
    signal = np.random.default_rng(seed).normal(size=(256, width))
    before, _ = forward(
        activation,
        lambda layer: kil.RandomNormal(stddev=stddev, seed=1000 * seed + layer),
        depth=depth,
        width=width,
        signal=signal,
    )
    after = [phi(each) for each in before]
    return {
        "variance": [float(each.var(axis=0).mean()) for each in after],
        "flat": [float(np.mean(flat(activation, each))) for each in after],
    }


def flat(activation, after):
    """Where the activation's slope is below a hundredth of its largest."""
    if activation == "tanh":
        return 1 - after**2 < 0.01
    return after * (1 - after) < 0.01 / 4


@claim(
    "random-weights",
    says="Small random weights make the signal of sigmoid and tanh vanish, large ones saturate it",
    source=ARTICLE,
    published="in words",
)
def random_weights(trials):
    depth = 10
    found = {
        (activation, stddev): trials.of(random_stack, activation, stddev, depth, WIDTH, 0)
        for activation in ("tanh", "sigmoid")
        for stddev in STDDEVS
    }
    small = [found[name, 0.01]["variance"][-1] for name in ("tanh", "sigmoid")]
    large = [found[name, 1.0]["flat"][-1] for name in ("tanh", "sigmoid")]
    return Finding(
        f"after {depth} layers of {WIDTH}: variance between inputs {small[0]:.0e} (tanh) and"
        f" {small[1]:.0e} (sigmoid) with 0.01; {large[0]:.0%} and {large[1]:.0%} of units"
        " flat with 1",
        max(small) < 1e-6 and min(large) > 0.5,
        lambda figure: draw_random(figure, found),
    )


def draw_random(figure, found):
    for place, activation in enumerate(("tanh", "sigmoid"), 1):
        axes = figure.add_subplot(1, 2, place)
        for stddev in STDDEVS:
            variances = found[activation, stddev]["variance"]
            axes.semilogy(range(1, len(variances) + 1), variances, "o-", label=f"N(0, {stddev}²)")
        axes.set_title(f"{activation}, width {WIDTH}")
        axes.set_xlabel("layer")
        axes.set_ylabel("variance between inputs")
        axes.legend(frameon=False)


GAINS = {
    "xavier-relu": ("XavierNormal", "relu", "Xavier halves the signal of ReLU", "1/2 a layer"),
    "he-relu": ("HeNormal", "relu", "He holds the signal of ReLU", "1 a layer"),
    "printed-he": (
        "HalfXavierUniform",
        "relu",
        "The printed He-uniform passes an eighth",
        "1 a layer, by name; 1/8 by its formula",
    ),
}
PER_LAYER = {"xavier-relu": 1 / 2, "he-relu": 1.0, "printed-he": 1 / 8}


def gain(scheme, activation, seed):
    return gain_per_layer(activation, getattr(kil, scheme), depth=11, width=WIDTH, seed=seed)


def gain_experiment(key):
    scheme, activation, *_ = GAINS[key]

    def experiment(trials):
        gains = [trials.of(gain, scheme, activation, seed) for seed in trials.seeds(5, 30)]
        mean, error = np.mean(gains), np.std(gains, ddof=1) / np.sqrt(len(gains))
        expected = PER_LAYER[key]
        # The mean logarithm of ten factors lies below that of their mean, by 5 / (2 width) each.
        holds = abs(mean - expected) < 5 * error + 5 / WIDTH * expected
        return Finding(f"{mean:.3f} ± {error:.3f} a layer, depth 11, width {WIDTH}", bool(holds))

    return experiment


def gain_claim(key):
    _, _, says, published = GAINS[key]
    source = ARTICLE if key != "he-relu" else "the article; He et al. 2015, eq. 10"
    return claim(key, says=says, source=source, published=published)(gain_experiment(key))


xavier_relu, he_relu, printed_he = map(gain_claim, GAINS)


def sizes_of_tanh(scheme, depth, seed):
    before, _ = forward(
        "tanh",
        lambda layer: getattr(kil, scheme)(seed=1000 * seed + layer),
        depth=depth,
        width=WIDTH,
        signal=np.random.default_rng(seed).normal(size=(256, WIDTH)),
    )
    return [float(np.mean(each**2)) for each in before]


@claim(
    "xavier-tanh",
    says="Xavier holds the signal of tanh",
    source="the article; Glorot and Bengio 2010, eq. 16",
    published="the same in every layer",
)
def xavier_tanh(trials):
    runs = [trials.of(sizes_of_tanh, "XavierNormal", 30, seed) for seed in trials.seeds(3, 10)]
    sizes = np.mean(runs, 0)
    late = (sizes[-1] / sizes[19]) ** 0.1
    return Finding(
        f"falls like 1 / depth: {sizes[9] / sizes[0]:.3f} of it is left at layer 10,"
        f" {sizes[-1] / sizes[0]:.3f} at 30, where a layer keeps {late:.3f}",
        bool(late > 0.95),
    )
