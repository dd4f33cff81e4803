"""Factors on the learning rate of each weight, for a model that is wider than the tuned one."""

from typing import Any, Literal, TypeAlias

import keras

from keras_initlab import _backend
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.built import check_built
from keras_initlab.anatomy.sites import Site

__all__ = ["rate_factors", "scale_learning_rates"]

Family: TypeAlias = Literal["adam", "sgd"]

# Optimizers that divide the gradient by its own size, and those that do not.
_NORMALIZED = ("Adam", "AdamW", "Adamax", "Nadam", "Lion", "Adagrad", "RMSprop")
_PLAIN = ("SGD",)


def rate_factors(
    model: keras.Model, base: keras.Model, *, family: Family = "adam"
) -> dict[str, float]:
    """Factors on the learning rate of each weight, so that the base's rate suits the wide model.

    The fans of each weight in the two models are compared: `fan_in` has grown `in_ratio` times and
    `fan_out` has grown `out_ratio` times. An optimizer that divides the gradient by its size needs
    `1 / in_ratio`, and plain SGD needs `out_ratio / in_ratio`. A bias has one input.

    Args:
        model: The wide model, built.
        base: The model that the learning rate was tuned on: the same layers, narrower.
        family: `"adam"` or `"sgd"`.

    Returns:
        The factor (unitless) of each trainable variable, by its path.

    Raises:
        ValueError: If a model is not built, or the weights of the two differ in more than size.

    Source:
        Yang et al. 2022, table 3, https://arxiv.org/abs/2203.03466.

    Example:
        >>> def build(width):
        ...     hidden = keras.layers.Dense(width, name="hidden")
        ...     return keras.Sequential([keras.Input((width,)), hidden])
        >>> list(rate_factors(build(512), build(128)).values())
        [0.25, 1.0]
    """
    if family not in ("adam", "sgd"):
        raise ValueError(f'`family` must be "adam" or "sgd". Received: family={family!r}.')
    check_built(model)
    check_built(base)
    pairs = _variable_pairs(model, base)
    wide, narrow = _sites_by_id(model), _sites_by_id(base)
    factors = {}
    for variable, small in pairs:
        inward, outward = _growth(variable, small, wide, narrow)
        factors[str(variable.path)] = (outward if family == "sgd" else 1.0) / inward
    return factors


def scale_learning_rates(model: keras.Model, base: keras.Model) -> dict[str, float]:
    """Apply `rate_factors` to the model's optimizer, from its next step on.

    The factors stay with this optimizer object and are not saved with the model. So call this again
    after loading, and after `compile`. Weight decay is not scaled.

    Args:
        model: The wide model, built and compiled.
        base: The model that the learning rate was tuned on, built.

    Returns:
        The factors, by path of the variable.

    Raises:
        ValueError: If the model is not compiled, its optimizer is of an unknown family, or
            `rate_factors` refuses the two.

    Example:
        >>> def build(width):
        ...     layers = [keras.layers.Dense(width, "relu"), keras.layers.Dense(1)]
        ...     model = keras.Sequential([keras.Input((4,)), *layers])
        ...     model.compile("adam", "mse")
        ...     return model
        >>> list(scale_learning_rates(build(64), build(16)).values())
        [1.0, 1.0, 0.25, 1.0]
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(
            "`model` must be compiled, because its optimizer takes the factors. "
            f"Received: model={getattr(model, 'name', model)!r}."
        )
    factors = rate_factors(model, base, family=_family_of(optimizer))
    _backend.scale_updates(_innermost(optimizer), factors)
    model.train_function = None
    return factors


def _innermost(optimizer: Any) -> Any:
    """The optimizer that updates the weights, inside of loss scaling."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _family_of(optimizer: Any) -> Family:
    names = {cls.__name__ for cls in type(_innermost(optimizer)).__mro__}
    if names & set(_PLAIN):
        return "sgd"
    if names & set(_NORMALIZED):
        return "adam"
    raise ValueError(
        f"`model` must train with one of {', '.join((*_PLAIN, *_NORMALIZED))}: for others it is "
        f"not known how steps grow with the width. Received: {type(optimizer).__name__}."
    )


def _variable_pairs(model: Any, base: Any) -> list[tuple[Any, Any]]:
    wide, narrow = model.trainable_variables, base.trainable_variables
    same = len(wide) == len(narrow) and all(
        len(variable.shape) == len(small.shape) and variable.name == small.name
        for variable, small in zip(wide, narrow, strict=True)
    )
    if not same:
        raise ValueError(
            "`base` must have the weights of `model`, except for their sizes. "
            f"Received: {len(wide)} weights in the model and {len(narrow)} in the base, or weights "
            "of other names or ranks. Build both with one function of the width."
        )
    return list(zip(wide, narrow, strict=True))


def _sites_by_id(model: Any) -> dict[int, Site]:
    return {id(site.variable): site for site in Anatomy(model).sites}


def _growth(
    variable: Any, small: Any, wide: dict[int, Site], narrow: dict[int, Site]
) -> tuple[float, float]:
    """How many times inputs and outputs of a weight have grown."""
    site, small_site = wide.get(id(variable)), narrow.get(id(small))
    # An example uses one row of a bias or a table, however many there are.
    if site is None or small_site is None or site.role in ("other", "table"):
        return 1.0, _ratio(variable.shape[-1:], small.shape[-1:])
    fans, base = site.fans or site.shape_fans, small_site.fans or small_site.shape_fans
    return fans.fan_in / base.fan_in, fans.fan_out / base.fan_out


def _ratio(shape: Any, base: Any) -> float:
    return float(shape[0] / base[0]) if len(shape) else 1.0
