"""Whole models: what is wrong with their weights before training."""

from keras_initlab.model.lint import Finding, lint

__all__ = ["Finding", "lint"]
