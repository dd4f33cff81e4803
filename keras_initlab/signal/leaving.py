"""Whether weights that start too small grow by themselves."""

import numpy as np

from keras_initlab._backend import StepRule

__all__ = ["USUAL_GRADIENT", "leaves"]

# A gradient that is this share of what an optimizer divides by still moves a weight.
_COUNTS = 0.5

# Share of itself by which a weight must change in a step.
_LEAVING = 4e-4

# Root mean square of the gradient of a hidden kernel in a sound model, about.
USUAL_GRADIENT = 0.05


def leaves(gradients: np.ndarray, weights: np.ndarray, steps: StepRule) -> np.ndarray:
    """Whether the steps of an optimizer are large enough to take weights out of a bad beginning.

    Optimizers like Adam need a gradient that their epsilon does not hide; others a gradient that is
    not too small beside the weight. docs/decisions/0018 has the trial.

    Args:
        gradients: Root mean squares of gradients.
        weights: The same of their weights.
        steps: The optimizer's.
    """
    # A rate of 0 times an infinite gradient is NaN, which is larger than nothing.
    with np.errstate(invalid="ignore"):
        found: np.ndarray = gradients * steps.rate > _LEAVING * weights
    if steps.smallest:
        found = found | (gradients > _COUNTS * steps.smallest)
    return found & (gradients > 0)
