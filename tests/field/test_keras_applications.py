"""Every model of `keras.applications`, at the least input that it takes.

A run takes one of each family, the first that was published, which is the cheapest or near it.
With `EVERY_MODEL=1` in the environment it takes all of them, and hours.
"""

import functools
import inspect
import os
import re

import keras
import numpy as np
import pytest
from field.training_of_others import Example, check_tools, check_training
from monitoring import TENSORFLOW

pytestmark = pytest.mark.field

CLASSES, ROWS, BATCH = 4, 5, 3


def applications():
    """The functions that make a model, in the order in which they were published."""
    found = [
        function
        for _, function in inspect.getmembers(keras.applications, callable)
        if "classes" in inspect.signature(function).parameters
    ]
    return sorted(found, key=lambda each: (*_version_of(each), each.__code__.co_firstlineno))


def _version_of(function):
    module = function.__module__.rsplit(".", 1)[-1]
    return len(module), module


def family_of(function):
    return re.match("[a-z]+", _version_of(function)[1]).group()


MODELS = {function.__name__: function for function in applications()}
FIRST = {family_of(function): name for name, function in reversed(MODELS.items())}
CHOSEN = list(MODELS) if os.environ.get("EVERY_MODEL") else sorted(FIRST.values())


def model_of(name, size=32):
    """A model with its least input, which the error for a smaller one names."""
    options = {"weights": None, "classes": CLASSES, "input_shape": (size, size, 3)}
    try:
        return MODELS[name](**options)
    except ValueError as error:
        least = re.search(r"at least (\d+)x", str(error))
        if least is None or int(least.group(1)) <= size:
            raise
    return model_of(name, int(least.group(1)))


def classifier(name, **options):
    model = model_of(name)
    random = np.random.default_rng(0)
    x = random.uniform(0, 255, size=(ROWS, *model.input_shape[1:])).astype("float32")
    y = random.integers(0, CLASSES, ROWS).astype("int32")
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy", **options)
    return Example(model, x, y, BATCH)


def test_list_of_models_is_that_of_keras():
    assert len(MODELS) >= 38
    assert set(FIRST.values()) == {
        *("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "InceptionV3", "MobileNet"),
        *("NASNetMobile", "ResNet50", "VGG16", "Xception"),
    }


@pytest.mark.parametrize("name", CHOSEN)
def test_application_trains_the_same_and_is_seen(name):
    check_training(functools.partial(classifier, name, jit_compile=False))


@pytest.mark.parametrize("name", CHOSEN)
def test_tools_run_on_an_application(name):
    check_tools(functools.partial(classifier, name))


@pytest.mark.skipif(not TENSORFLOW, reason="XLA on TensorFlow")
@pytest.mark.parametrize("name", ["MobileNet", pytest.param("VGG16", marks=pytest.mark.slow)])
def test_application_trains_the_same_when_compiled(name):
    # With gradients XLA may round anew: docs/callback.md.
    check_training(
        functools.partial(classifier, name, jit_compile=True),
        watch=("activations", "weights", "updates"),
    )
