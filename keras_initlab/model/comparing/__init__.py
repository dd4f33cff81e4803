"""Training a model under several schemes and seeds."""
