"""Watches the signal while a model trains."""

from keras_initlab._wire import THRESHOLDS, Problem
from keras_initlab.monitor.callback import ActivationVarianceLogger
from keras_initlab.monitor.judge import SignalError, SignalWarning
from keras_initlab.monitor.schedule import Clock, Early, EpochEnds, Every
from keras_initlab.monitor.sinks import TensorBoardSink
from keras_initlab.monitor.trackers import MLflowSink, WandbSink
from keras_initlab.monitor.training_report import TrainingReport
from keras_initlab.signal.looks import Look

__all__ = [
    "THRESHOLDS",
    "ActivationVarianceLogger",
    "Clock",
    "Early",
    "EpochEnds",
    "Every",
    "Look",
    "MLflowSink",
    "Problem",
    "SignalError",
    "SignalWarning",
    "TensorBoardSink",
    "TrainingReport",
    "WandbSink",
]
