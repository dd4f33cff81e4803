"""Watching the signal while a model trains."""

from keras_initlab.monitor.callback import ActivationVarianceLogger
from keras_initlab.monitor.looks import Look
from keras_initlab.monitor.sinks import TensorBoardSink

__all__ = ["ActivationVarianceLogger", "Look", "TensorBoardSink"]
