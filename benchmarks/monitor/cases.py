"""What is measured: ours at several frequencies, and its peers."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import keras

from benchmarks.monitor.peers import PeerLook
from benchmarks.monitor.systems import System
from keras_initlab import ActivationVarianceLogger

NEVER = 10**9
SHORTEST_BLOCK = 8

WATCHED = {
    "ours, activations": ("activations",),
    "ours, everything": ("activations", "gradients", "weights", "updates"),
}
# As a user gets it: everything watched at the default schedule, TensorBoard written.
DEFAULT = "ours, by default"
PREDICT, COMPILED = "submodel predict", "compiled submodel"
TENSORBOARD = "TensorBoard(histogram_freq=1)"


@dataclass(frozen=True)
class Case:
    """A callback that looks every so many steps."""

    what: str
    every: int
    callback_for: Callable[[System], keras.callbacks.Callback]

    @property
    def steps(self) -> int:
        """Steps of a block, in which the looks have their share."""
        return SHORTEST_BLOCK if self.every == NEVER else max(SHORTEST_BLOCK, self.every)


def cases() -> list[Case]:
    """All that runs on this backend."""
    found = [Case(DEFAULT, every, by_default(every)) for every in (100, 1)]
    found += [ours(what, every) for what in WATCHED for every in (NEVER, 100, 10, 1)]
    found += [peer(what, every) for what in (PREDICT, COMPILED) for every in (10, 1)]
    if keras.backend.backend() == "tensorflow":
        found.append(Case(TENSORBOARD, 10, tensorboard))
    return found


def by_default(every: int) -> Callable[[System], keras.callbacks.Callback]:
    def callback_for(system: System) -> keras.callbacks.Callback:
        folder = tempfile.mkdtemp(prefix="benchmark-signal-")
        return ActivationVarianceLogger(folder, every, on_problem=None, verbose=0)

    return callback_for


def ours(what: str, every: int) -> Case:
    def callback_for(system: System) -> keras.callbacks.Callback:
        return ActivationVarianceLogger(
            update_freq=every, watch=WATCHED[what], on_problem=None, verbose=0
        )

    return Case(what, every, callback_for)


def peer(what: str, every: int) -> Case:
    return Case(what, every, lambda system: PeerLook(system, every, what == COMPILED))


def tensorboard(system: System) -> keras.callbacks.Callback:
    """Histograms of the weights at the end of an epoch, which is a block of 10 steps here."""
    folder = tempfile.mkdtemp(prefix="benchmark-tensorboard-")
    return keras.callbacks.TensorBoard(folder, histogram_freq=1, write_graph=False)
