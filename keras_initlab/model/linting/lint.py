"""Finds what is wrong with a model's weights before it is trained."""

from collections.abc import Collection
from typing import Any

import keras

from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.built import check_built
from keras_initlab.model.linting.subject import subject_of
from keras_initlab.model.linting.weight_rules import RULES, Finding

__all__ = ["Finding", "lint"]


def lint(model: keras.Model, *, labels: Any = None, ignore: Collection[str] = ()) -> list[Finding]:
    """Finds weights that cannot train well, from the weights and the graph alone.

    It needs no inputs, does not run the model, and leaves it as it is. docs/lint.md has a section
    for each rule.

    Args:
        model: A built Keras model before training. Trained weights are alike for good reasons.
        labels: As `fit` takes them, an array `(examples, ...)` or a structure of them. The rule
            `off-prior` compares the biases of the outputs with them. It needs the model's loss
            where the activation alone does not show the kind of output.
        ignore: Rules to leave out.

    Returns:
        The findings, in the order of the rules and of the layers; empty for a healthy model.

    Raises:
        ValueError: If the model is not built, or `ignore` names no rule.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu", name="a",
        ...     kernel_initializer="zeros"), keras.layers.Dense(1)])
        >>> print(*lint(model))
        equal-units, a: all weights are zero, and relu lets no gradient through to change \
them. Use kernel_initializer="he_normal".
    """
    check_built(model)
    return findings_in(Anatomy(model), labels=labels, ignore=ignore)


def findings_in(
    anatomy: Anatomy, *, labels: Any = None, ignore: Collection[str] = ()
) -> list[Finding]:
    """`lint` of a model whose anatomy is known already."""
    unknown = set(ignore) - set(RULES)
    if unknown:
        raise ValueError(
            f"`ignore` must hold some of {', '.join(RULES)}. Received: ignore={list(ignore)}."
        )
    subject = subject_of(anatomy, labels)
    found: list[Finding] = []
    for name, rule in RULES.items():
        if name not in ignore:
            found += rule(subject)
    return found
