"""Numbers in, numbers out: fans, laws, moments, gains and mean-field theory, with NumPy alone."""

from keras_initlab.theory.activations import ACTIVATIONS, Activation, activation_of, keras_name_of
from keras_initlab.theory.critical import (
    CriticalPoint,
    critical_point,
    edge_of_chaos,
    half_stable_points,
)
from keras_initlab.theory.fans import Fans, fans_of, share_inside
from keras_initlab.theory.flatness import FLAT_SLOPE, FlatRegions, flat_regions
from keras_initlab.theory.gains import gain_of, odd_slope_of
from keras_initlab.theory.kinds import KINDS, Kind
from keras_initlab.theory.laws import STANDARD_VARIANCE, Law, rectifier_scale, spread_of
from keras_initlab.theory.maps import (
    FixedPoint,
    correlation_map,
    correlation_slope,
    fixed_point,
    length_map,
)
from keras_initlab.theory.moments import Moments, moments_of
from keras_initlab.theory.profile import SignalProfile, StackLayer, signal_profile
from keras_initlab.theory.stability import Stability, stability_of

__all__ = [
    "ACTIVATIONS",
    "FLAT_SLOPE",
    "KINDS",
    "STANDARD_VARIANCE",
    "Activation",
    "CriticalPoint",
    "Fans",
    "FixedPoint",
    "FlatRegions",
    "Kind",
    "Law",
    "Moments",
    "SignalProfile",
    "Stability",
    "StackLayer",
    "activation_of",
    "correlation_map",
    "correlation_slope",
    "critical_point",
    "edge_of_chaos",
    "fans_of",
    "fixed_point",
    "flat_regions",
    "gain_of",
    "half_stable_points",
    "keras_name_of",
    "length_map",
    "moments_of",
    "odd_slope_of",
    "rectifier_scale",
    "share_inside",
    "signal_profile",
    "spread_of",
    "stability_of",
]
