"""Chrono, Tallec and Ollivier 2018: biases of gates as long as the memory."""

import functools

import keras
import numpy as np
from claim import Finding, claim
from keras import layers as kl
from restarts import restart

import keras_initlab as kil

CHRONO = "Tallec and Ollivier 2018"
SYMBOLS, UNITS, BATCH = 8, 64, 64
LENGTH, RATE, PARTS = 10, 0.01, 20

# A tenth of one symbol: five times what guessing alone fluctuates by, which the claim measures.
KEPT = 0.1
NAMES = ("Chrono", "UnitForgetBias")


def sequences(random, count, delay):
    """Symbols to keep, `delay` blanks, then one mark for each symbol that is asked for."""
    symbols = random.integers(SYMBOLS, size=(BATCH, count))
    x = np.full((BATCH, count + delay + count), SYMBOLS)
    x[:, :count] = symbols
    x[:, -count:] = SYMBOLS + 1
    return np.eye(SYMBOLS + 2, dtype="float32")[x], symbols


@functools.cache
def network(count, delay):
    keras.utils.clear_session()
    lstm = kl.LSTM(UNITS, return_sequences=True, unit_forget_bias=False, name="lstm")
    inputs = keras.Input((delay + 2 * count, SYMBOLS + 2))
    answers = kl.Dense(SYMBOLS, "softmax", name="out")(lstm(inputs)[:, -count:])
    model = keras.Model(inputs, answers)
    # A loop over time is what XLA is good at.
    model.compile(keras.optimizers.RMSprop(), "sparse_categorical_crossentropy", jit_compile=True)
    return model


def starts(name, delay):
    bias = {
        "Chrono": lambda seed: kil.Chrono(max_time=delay, units=UNITS, seed=seed),
        "UnitForgetBias": lambda _: kil.UnitForgetBias(units=UNITS),
    }[name]
    return {
        "lstm*bias": bias,
        "lstm*recurrent_kernel": lambda seed: kil.PerGate(kil.Orthogonal(seed=seed), gates=4),
        "*kernel": lambda seed: kil.XavierUniform(seed=seed),
    }


def forgotten(name, delay, updates, seed):
    """The share of the symbols that is not kept, for every part of the updates.

    It is the mean loss over that of a guess: who knows one symbol of ten loses a tenth less.
    """
    model, random = network(LENGTH, delay), np.random.default_rng(seed)
    restart(model, starts(name, delay), seed, RATE)
    found = []
    for _ in range(updates):
        # It is a running mean otherwise.
        model.reset_metrics()
        found.append(float(model.train_on_batch(*sequences(random, LENGTH, delay))))
    return (np.reshape(found, (PARTS, -1)).mean(axis=1) / np.log(SYMBOLS)).tolist()


@claim(
    "chrono-copy",
    says="On a copy task over 100 steps chrono biases learn sooner than a forget bias of 1",
    source=f"{CHRONO}, section 3",
    published='they "greatly improve" long memories',
)
def chrono_copy(trials):
    updates, seeds = 200 if trials.fast else 400, trials.seeds(1, 3)
    found = {
        (delay, name): np.array(
            [trials.of(forgotten, name, delay, updates, seed) for seed in seeds[: most(delay)]]
        )
        for delay in ((100,) if trials.fast else (100, 200))
        for name in NAMES
    }
    kept = {key: LENGTH * (1 - runs[:, -1]) for key, runs in found.items()}
    ours = "; ".join(
        f"{name} over {delay} steps {', '.join(f'{each:.2f}' for each in shares)}"
        for (delay, name), shares in kept.items()
    )
    return Finding(
        f"symbols of {LENGTH} that are kept after {updates} updates, by seed: {ours}",
        bool(kept[100, "Chrono"].min() > KEPT > 5 * np.abs(kept[100, "UnitForgetBias"]).max()),
        lambda figure: draw(figure, updates, found),
    )


def most(delay):
    return 3 if delay == 100 else 2


def draw(figure, updates, found):
    delays = sorted({delay for delay, _ in found})
    ends = updates / PARTS * np.arange(1, PARTS + 1)
    for place, delay in enumerate(delays, 1):
        axes = figure.add_subplot(1, len(delays), place)
        for name, color in zip(NAMES, ("C0", "C1"), strict=True):
            for number, run in enumerate(found[delay, name]):
                axes.plot(ends, run, color=color, label=None if number else name)
        axes.axhline(1, color="0.7", linewidth=0.8, linestyle=":")
        axes.set_title(f"{LENGTH} symbols over {delay} steps, {UNITS} units")
        axes.set_xlabel("updates of RMSprop")
        axes.set_ylabel("loss / loss of a guess")
        axes.legend(frameon=False)
