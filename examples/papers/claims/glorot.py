"""Glorot and Bengio 2010: what standard and normalized weights do to signal and gradient."""
