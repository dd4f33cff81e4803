"""Pairs of short `fit`s of one model, with a callback and without, in turn."""

import itertools
import statistics
import time
from dataclasses import dataclass

import keras

from benchmarks.intervals import Ratio, bootstrapped
from benchmarks.monitor.systems import System
from benchmarks.record import UNCLEAR, verdict_of

CLOCKS = ("cpu", "wall")


class Clock(keras.callbacks.Callback):
    """CPU and wall seconds from the second step to the end of the epoch.

    It must be the last callback. It has no `on_train_batch_end`: with such a callback Keras waits
    for each step's loss on JAX, which is a cost of the callback that is measured.
    """

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 1:
            self._begin = self._now()

    def on_epoch_end(self, epoch, logs=None):
        cpu, wall = self._begin
        end = self._now()
        self.seconds = {"cpu": end[0] - cpu, "wall": end[1] - wall}

    def _now(self) -> tuple[float, float]:
        if keras.backend.backend() == "jax":
            import jax

            jax.block_until_ready(self.model._jax_state)
        else:
            keras.ops.convert_to_numpy(self.model.trainable_variables[-1])
        return time.process_time(), time.perf_counter()


@dataclass(frozen=True)
class Pairs:
    """Seconds of blocks of steps with a callback and of those without, pair by pair."""

    steps: int
    with_it: list[dict[str, float]]
    without: list[dict[str, float]]

    def ratio(self, clock: str) -> Ratio:
        """Median of with over without (unitless), with its interval."""
        return bootstrapped(statistics.median, self.ratios(clock))

    def ratios(self, clock: str) -> list[float]:
        """With over without, pair by pair (unitless)."""
        return [a[clock] / b[clock] for a, b in zip(self.with_it, self.without, strict=True)]

    def added(self, clock: str) -> list[float]:
        """Milliseconds that one step takes longer with the callback, pair by pair."""
        both = zip(self.with_it, self.without, strict=True)
        return [(a[clock] - b[clock]) / self.steps * 1e3 for a, b in both]

    def added_ms(self, clock: str) -> float:
        """Median of what one step takes longer with the callback."""
        return statistics.median(self.added(clock))

    def step_ms(self, clock: str) -> float:
        """Median of one step without the callback."""
        return statistics.median(block[clock] / self.steps * 1e3 for block in self.without)


def seconds(system: System, steps: int, callbacks: list) -> dict[str, float]:
    """Seconds of so many steps of a `fit`, and one before them that is not counted."""
    clock = Clock()
    callbacks = [*callbacks, clock]
    system.model.fit(
        system.feed(), steps_per_epoch=steps + 1, shuffle=False, verbose=0, callbacks=callbacks
    )
    return clock.seconds


def measured(
    system: System,
    callback: keras.callbacks.Callback,
    steps: int,
    count: int,
    goal: str = "",
    limit_s: float = 0.0,
) -> Pairs:
    """Pairs, in an order that turns with each; two before them trace and warm up.

    Args:
        system: What is trained.
        callback: Of the one half of each pair.
        steps: Of a block.
        count: The fewest pairs.
        goal: What the ratio of CPU time is held to; empty if nothing was promised.
        limit_s: For how long more pairs are run while noise hides whether the goal is met.
    """
    pairs, end = Pairs(steps, [], []), time.perf_counter() + limit_s
    for number in itertools.count(-2):
        if number >= count and (
            time.perf_counter() > end or verdict_of(pairs.ratio("cpu"), goal) not in UNCLEAR
        ):
            break
        length = steps if number >= 0 else 1
        times = {}
        for watched in (number % 2 == 0, number % 2 == 1):
            times[watched] = seconds(system, length, [callback] if watched else [])
        if number >= 0:
            pairs.with_it.append(times[True])
            pairs.without.append(times[False])
    return pairs
