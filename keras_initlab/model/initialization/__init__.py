"""Drawing the weights of a whole model anew."""
