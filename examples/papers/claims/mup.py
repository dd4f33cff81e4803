"""muP, Yang et al. 2021: learning rates that transfer from narrow to wide."""
