"""Finds what is wrong with a model's weights before it is trained."""

from collections.abc import Collection
from typing import Any

import keras

from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.built import check_built
from keras_initlab.model.linting.finding import Finding
from keras_initlab.model.linting.subject import subject_of
from keras_initlab.model.linting.weight_rules import RULES

__all__ = ["Finding", "lint"]


def lint(
    model: keras.Model, *, data: Any = None, labels: Any = None, ignore: Collection[str] = ()
) -> list[Finding]:
    """Finds weights that cannot train well, and tables that give wrong or untrained vectors.

    It reads the weights and the graph, runs the model only if there are `data`, and changes
    nothing. docs/lint.md has a section for each rule.

    Args:
        model: A built Keras model before training; trained weights may be alike for good reasons.
            The rules `cold-unknown` and `cold-rows` are for a trained one.
        data: Inputs that training has not seen, or `(inputs, labels)`, or a dataset, of which the
            first batch is taken. The rule `cold-rows` runs up to 8,192 of them through the model to
            see which rows of its tables they read.
        labels: As `fit` takes them, an array `(examples, ...)` or a structure of them. The rule
            `off-prior` compares the biases of the outputs with them. It needs the model's loss
            where the activation alone does not show the kind of output.
        ignore: Rules to leave out.

    Returns:
        The findings, in the order of the rules and of the layers; empty for a healthy model.

    Raises:
        ValueError: If the model is not built, `data` do not fit it, or `ignore` names an unknown
            rule.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu", name="a",
        ...     kernel_initializer="zeros"), keras.layers.Dense(1)])
        >>> print(*lint(model))
        equal-units, a: all weights are zero, and relu lets no gradient through. Use \
kernel_initializer="he_normal".
    """
    check_built(model)
    return findings_in(Anatomy(model), data=data, labels=labels, ignore=ignore)


def findings_in(
    anatomy: Anatomy, *, data: Any = None, labels: Any = None, ignore: Collection[str] = ()
) -> list[Finding]:
    """`lint` of a model whose anatomy is known already."""
    unknown = set(ignore) - set(RULES)
    if unknown:
        raise ValueError(
            f"`ignore` must contain only names of rules: {', '.join(RULES)}. Received: "
            f"ignore={list(ignore)}."
        )
    subject = subject_of(anatomy, labels, data)
    found: list[Finding] = []
    for name, rule in RULES.items():
        if name not in ignore:
            found += rule(subject)
    return found
