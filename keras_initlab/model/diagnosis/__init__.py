"""Looking at a whole model before it is trained."""
