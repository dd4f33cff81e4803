"""He et al. 2015: rectifiers, and depth at which Xavier stalls."""

import keras
import numpy as np
from claim import Finding, alone, claim
from digits import digits, fitted
from stacks import backward, forward

import keras_initlab as kil

HE = "He et al. 2015"
SCHEMES = ("HalfXavierUniform", "HeUniform", "XavierUniform", "HeNormal")


@alone
def trained(scheme, depth, seed):
    """A stack of ReLU layers on the digits."""
    make = getattr(kil, scheme)
    keras.utils.set_random_seed(seed)
    hidden = [keras.layers.Dense(128, "relu", kernel_initializer=make()) for _ in range(depth - 1)]
    model = keras.Sequential(
        [
            keras.Input((64,)),
            *hidden,
            keras.layers.Dense(10, "softmax", kernel_initializer=make()),
        ]
    )
    return fitted(model, digits(), keras.optimizers.SGD(0.01), epochs=40, seed=seed)


def stalls(depth):
    def experiment(trials):
        found = {
            scheme: [trials.of(trained, scheme, depth, seed) for seed in trials.seeds(1, 5)]
            for scheme in (SCHEMES[2:] if trials.fast else SCHEMES)
        }
        ours = []
        for scheme, runs in found.items():
            epochs = [run["epoch"] for run in runs if run["epoch"]]
            when = f" (epoch {np.median(epochs):.0f})" if epochs else ""
            ours.append(f"{scheme} {len(epochs)}/{len(runs)}{when}")
        he, xavier = found["HeNormal"], found["XavierUniform"]
        return Finding(
            f"seeds at 90 % of the digits in 40 epochs: {', '.join(ours)}",
            all(run["epoch"] for run in he) and not any(run["epoch"] for run in xavier),
        )

    return experiment


he_30 = claim(
    "he-30-layers",
    says="30 ReLU layers: Xavier stalls, He converges",
    source=f"{HE}, figure 3",
    published="error of Xavier does not fall",
)(stalls(30))
