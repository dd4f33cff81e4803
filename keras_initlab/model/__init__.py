"""Whole models before training: diagnose, initialize, lint, compare and widen them."""

from keras_initlab.model.comparing.compare import compare
from keras_initlab.model.comparing.comparison import Comparison, SchemeSummary
from keras_initlab.model.comparing.record import Run
from keras_initlab.model.diagnosis.diagnose import diagnose
from keras_initlab.model.diagnosis.signal_report import Change, LayerSignal, SignalReport
from keras_initlab.model.initialization.initialize import initialize
from keras_initlab.model.linting.lint import Finding, lint
from keras_initlab.model.widening.coordinates import CoordinateCheck, coordinate_check
from keras_initlab.model.widening.rates import rate_factors, scale_learning_rates

__all__ = [
    "Change",
    "Comparison",
    "CoordinateCheck",
    "Finding",
    "LayerSignal",
    "Run",
    "SchemeSummary",
    "SignalReport",
    "compare",
    "coordinate_check",
    "diagnose",
    "initialize",
    "lint",
    "rate_factors",
    "scale_learning_rates",
]
