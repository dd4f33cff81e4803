"""Numbers in, numbers out: fans and laws, with NumPy alone."""

from keras_initlab.theory.fans import Fans, fans_of
from keras_initlab.theory.laws import STANDARD_VARIANCE, Law, rectifier_scale, spread_of

__all__ = ["STANDARD_VARIANCE", "Fans", "Law", "fans_of", "rectifier_scale", "spread_of"]
