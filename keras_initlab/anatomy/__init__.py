"""What a Keras model is: its layers, how they are wired, and which weight has which fans."""
