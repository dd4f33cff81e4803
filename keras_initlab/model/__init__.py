"""Whole models, before training: looked at, and what is wrong with their weights."""

from keras_initlab.model.diagnosis.diagnose import diagnose
from keras_initlab.model.diagnosis.report import Change, LayerSignal, SignalReport
from keras_initlab.model.initialization.initialize import initialize
from keras_initlab.model.linting.lint import Finding, lint

__all__ = ["Change", "Finding", "LayerSignal", "SignalReport", "diagnose", "initialize", "lint"]
