"""What runs inside the training step: covers that collect tensors, and the numbers made of them."""
