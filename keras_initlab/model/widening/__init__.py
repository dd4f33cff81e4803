"""From a narrow model to a wide one: learning rates, and a check that they carry over."""
