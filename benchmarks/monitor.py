"""Cost of the callback: the same `fit` with and without it, in pairs, in one process.

Run with `python -m benchmarks.monitor`. The clock stops in `on_train_end`, because tf.data may
stall for seconds at the end of a `fit` on a busy machine; the first epoch, which traces, is not
counted.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from keras_initlab import ActivationVarianceLogger


class Clock(keras.callbacks.Callback):
    """CPU and wall seconds from the end of the first epoch to the end of training."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.begin = time.process_time(), time.perf_counter()

    def on_train_end(self, logs=None):
        self.cpu = time.process_time() - self.begin[0]
        self.wall = time.perf_counter() - self.begin[1]


def build() -> keras.Model:
    """The MLP of the target: 8 hidden layers of 256 units."""
    layers = [keras.layers.Dense(256, "relu") for _ in range(8)]
    model = keras.Sequential([keras.Input((256,)), *layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def seconds(data: tuple, *callbacks) -> tuple[float, float]:
    """CPU and wall seconds of 200 steps."""
    clock = Clock()
    build().fit(*data, batch_size=1024, epochs=3, verbose=0, callbacks=[*callbacks, clock])
    return clock.cpu, clock.wall


def main() -> None:
    """Print medians of the pairs' ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100, help="steps of an epoch")
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    rows = 1024 * options.steps
    data = (
        generator.normal(size=(rows, 256)).astype("float32"),
        generator.normal(size=(rows, 1)).astype("float32"),
    )
    table = Table(title=f"fit with / without the callback, {keras.backend.backend()}, batch 1024")
    for title in ("update_freq", "CPU ratio", "wall ratio", "pairs"):
        table.add_column(title, justify="right")
    seconds(data)
    for update_freq in (100, 10, 1):
        ratios = []
        for pair in range(options.pairs):
            loggers = [ActivationVarianceLogger(update_freq=update_freq, sink=[])]
            orders = (loggers, []) if pair % 2 else ([], loggers)
            times = {len(order): seconds(data, *order) for order in orders}
            ratios.append([times[1][clock] / times[0][clock] for clock in (0, 1)])
        cpu, wall = (statistics.median(column) for column in zip(*ratios, strict=True))
        table.add_row(str(update_freq), f"{cpu:.3f}", f"{wall:.3f}", str(options.pairs))
    Console().print(table)


if __name__ == "__main__":
    main()
