"""A trained model carried over to another vocabulary."""
