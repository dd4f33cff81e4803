"""Finding what is wrong with weights before training."""
