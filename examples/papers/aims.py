"""What becomes of a signal in 50 layers, from starts that each aim at a size of their own."""

import importlib.util

import keras
import numpy as np
from scipy.optimize import brentq
from stacks import numpy_of
from threadpoolctl import threadpool_limits

import keras_initlab as kil

__all__ = ["DEPTH", "PAIR", "RULE", "STARTS", "WIDTH", "sizes", "sizes_of_anyinit"]

DEPTH, WIDTH = 50, 512


def critical_start(activation):
    """Weights, biases, the mean square aimed at, and that of inputs which start there."""
    point = kil.critical_point(activation)
    entering = (point.q - point.bias_variance) / point.weight_variance
    return kil.CriticalNormal(activation), kil.CriticalBias(activation), point.q, entering


def start_by_gain(activation):
    """What AutoInit's rule and others aim at: a variance of 1 before every activation."""
    gain = kil.gain_of(activation)
    return kil.HeNormal(activation=activation), kil.Zeros(), 1.0, gain**-2


def start_by_rule(activation):
    """What anyinit aims at: a mean square of 1 behind every activation."""
    q = brentq(lambda q: kil.moments_of(activation, q).second - 1, 0.1, 100)
    return kil.VarianceScaling(scale=q, mode="fan_in"), kil.Zeros(), q, 1.0


def start_of_keras(name):
    return lambda _: (getattr(keras.initializers, name)(), keras.initializers.Zeros(), 1.0, 1.0)


STARTS = {
    "critical pair": critical_start,
    "exact gain": start_by_gain,
    "Keras he_normal": start_of_keras("HeNormal"),
    "Keras glorot_normal": start_of_keras("GlorotNormal"),
}
PAIR, RULE = "critical pair", "anyinit's rule, by us"


def sizes(activation, start, seed):
    """Mean squares before every activation, over the one that the start aims at."""
    weights, bias, target, entering = {**STARTS, RULE: start_by_rule}[start](activation)
    random = np.random.default_rng([seed, 1])
    numbers = range(1000 * seed, 1000 * seed + DEPTH)
    layers = (
        (drawn(weights, number, (WIDTH, WIDTH)), drawn(bias, number, (WIDTH,)))
        for number in numbers
    )
    signal = np.sqrt(entering) * random.normal(size=(16, WIDTH))
    return (passed(activation, layers, signal) / target).tolist()


def drawn(scheme, seed, shape):
    config = scheme.get_config()
    if "seed" in config:
        scheme = type(scheme).from_config({**config, "seed": seed})
    return numpy_of(scheme(shape))


def sizes_of_anyinit(activation, seed):
    """The same for anyinit itself, None where it is not installed."""
    if importlib.util.find_spec("anyinit") is None:
        return None
    import anyinit

    keras.utils.clear_session()
    hidden = [keras.layers.Dense(WIDTH, activation) for _ in range(DEPTH)]
    model = keras.Sequential([keras.Input((WIDTH,)), *hidden])
    anyinit.initialize(model, seed=seed)
    # The weights are NumPy's stream of that seed, which the inputs must not repeat.
    signal = np.random.default_rng([seed, 1]).normal(size=(16, WIDTH))
    layers = ((numpy_of(each.kernel), numpy_of(each.bias)) for each in model.layers)
    return (passed(activation, layers, signal) / anyinit.gain(activation) ** 2).tolist()


def passed(activation, layers, signal):
    """Mean squares of the preactivations."""
    phi, found = kil.activation_of(activation), []
    # Products this small cost more on two threads, which wait for one another.
    with threadpool_limits(1):
        for weights, bias in layers:
            before = signal @ weights + bias
            found.append(np.mean(before**2))
            signal = phi(before)
    return np.array(found)
