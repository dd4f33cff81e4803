"""Snapshots of two layers, written by a sink and read back."""

import numpy as np
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from keras_initlab._wire import SECTIONS, LayerInfo, Problem
from keras_initlab.monitor import Look, TensorBoardSink
from keras_initlab.signal.looks import Section

LAYERS = (LayerInfo("one", "Dense", "relu", 0), LayerInfo("two", "Dense", "", 1))
PROBLEM = Problem("dead", "activations", ("one",), 7, 0.9, 0.5, "one is dead")


def look_at(step, **options):
    width = len(SECTIONS["activations"])
    values = np.arange(2.0 * width).reshape(2, width) + step
    return Look(step, 1e9 + step, {"activations": Section(LAYERS, values)}, **options)


def written(folder, *looks, **options):
    sink = TensorBoardSink(folder, **options)
    for look in looks:
        sink.append(look)
    sink.flush()
    return sink


def read(folder):
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def array(event):
    return tensor_util.make_ndarray(event.tensor_proto)
