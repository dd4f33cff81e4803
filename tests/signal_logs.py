"""Logs for the tab, by the real sink, the real callback and Keras's own, and their reader."""

import keras
import numpy as np
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

from keras_initlab import ActivationVarianceLogger
from keras_initlab._wire import HISTOGRAM_BINS, SECTIONS, LayerInfo, Problem
from keras_initlab.monitor import Look, TensorBoardSink
from keras_initlab.signal.looks import Section

VARIANCE = SECTIONS["activations"].index("variance")


def layers_of(count, names=None):
    names = names or [f"dense_{depth}" for depth in range(count)]
    return tuple(
        LayerInfo(name, "Dense", "relu", depth, scheme="HeNormal")
        for depth, name in enumerate(names)
    )


def values_at(step, count, seed=0):
    """Statistics of every layer, all different; the variance falls with depth and grows by step."""
    rng = np.random.default_rng([seed, step])
    values = rng.random((count, len(SECTIONS["activations"])))
    values[:, VARIANCE] = (1 + step / 10) * 0.5 ** np.arange(count)
    return values


def look_at(step, layers, *, problems=(), histograms=False, seed=0):
    count = len(layers)
    rng = np.random.default_rng([seed, step, 1])
    counts = rng.integers(0, 9, (count, HISTOGRAM_BINS)) if histograms else None
    weights = rng.random((count, len(SECTIONS["weights"])))
    sections = {
        "activations": Section(layers, values_at(step, count, seed), counts),
        "weights": Section(layers, weights),
    }
    if step == 0:
        sections["theory"] = Section(layers, np.column_stack([np.zeros(count), np.ones(count)]))
    return Look(step, 1e9 + step, sections, problems=tuple(problems))


def problem_at(step, layer, text="the signal vanishes; use HeNormal()"):
    return Problem("vanishing", "activations", (layer,), step, 1e-9, 1e-4, text)


def write_run(folder, steps, layers, *, broken=None, **options):
    """A run with looks at these steps; `broken` is the step of a look with a problem."""
    sink = TensorBoardSink(folder, scalars=None)
    for step in steps:
        problems = [problem_at(step, layers[-1].name)] if step == broken else []
        sink.append(look_at(step, layers, problems=problems, **options))
        sink.flush()


def provider_of(folder, samples=0):
    """What TensorBoard's slower server reads: `samples` of each series, 0 for all."""
    multiplexer = EventMultiplexer(tensor_size_guidance={"initlab": samples, "histograms": samples})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, str(folder))


def trained(folder, scheme):
    """The logger of a small network that was trained with the callback."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8)).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,))])
    for depth in range(6):
        model.add(keras.layers.Dense(16, "relu", kernel_initializer=scheme, name=f"deep_{depth}"))
    model.add(keras.layers.Dense(1, name="out"))
    model.compile("adam", "mse")
    logger = ActivationVarianceLogger(
        str(folder), update_freq=1, histograms=True, on_problem=None, verbose=0
    )
    model.fit(x, x[:, :1], batch_size=16, epochs=2, verbose=0, callbacks=[logger])
    return logger


def keras_logs(folder):
    """What Keras's own callback writes."""
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(64, name="only")])
    model.compile("sgd", "mse")
    x = np.ones((8, 8), "float32")
    theirs = keras.callbacks.TensorBoard(str(folder), histogram_freq=1, write_graph=False)
    model.fit(x, np.ones((8, 64)), epochs=2, verbose=0, callbacks=[theirs])
