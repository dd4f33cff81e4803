"""Fixup, SkipInit, DeepNorm: residual networks without normalization, and deep transformers."""
