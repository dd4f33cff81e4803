"""Chrono, Tallec and Ollivier 2018: biases of gates as long as the memory."""
