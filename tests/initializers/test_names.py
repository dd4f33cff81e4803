"""Names as people type them: aliases, spellings of Keras and torch, and what is near a typo."""

import re
from pathlib import Path

import keras
import pytest

import keras_initlab
from keras_initlab import _names
from keras_initlab._schemes import ALIASES, FAMILIES, STRINGS, did_you_mean
from keras_initlab.initializers.catalogue import CATALOGUE, list_schemes, scheme_of
from keras_initlab.theory import ACTIVATIONS, activation_of

pytestmark = pytest.mark.once


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_alias_is_the_same_class(alias, name):
    assert getattr(keras_initlab, alias) is CATALOGUE[name]
    assert alias in dir(keras_initlab)
    assert alias not in keras_initlab.__all__


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *STRINGS.items(),
        ("HeNormal", "HeNormal"),
        ("keras_initlab.HeNormal", "HeNormal"),
        ("keras_initlab>HeNormal", "HeNormal"),
        ("keras_initlab.he_normal", "HeNormal"),
        ("kaiming_normal_", "HeNormal"),
        ("KaimingUniform", "HeUniform"),
        ("half_xavier_uniform", "HalfXavierUniform"),
        ("delta-orthogonal", "DeltaOrthogonal"),
    ],
)
def test_spelling_means_ours(text, name):
    assert type(scheme_of(text)) is CATALOGUE[name]


@pytest.mark.parametrize("text", ["he_normal", "glorot_uniform", "zeros", "orthogonal", "normal"])
def test_string_that_keras_knows_stays_that_of_keras(text):
    found = scheme_of(text)

    assert type(found) is type(keras.initializers.get(text))
    assert type(found).__name__ not in CATALOGUE or type(found) not in CATALOGUE.values()


@pytest.mark.parametrize("text", [*STRINGS, "keras_initlab.HeNormal", "keras_initlab>HeNormal"])
def test_layer_takes_the_string(text):
    layer = keras.layers.Dense(2, kernel_initializer=text)
    layer.build((None, 3))

    assert type(layer.kernel_initializer) in CATALOGUE.values()
    again = keras.layers.Dense.from_config(layer.get_config())
    assert type(again.kernel_initializer) is type(layer.kernel_initializer)


@pytest.mark.parametrize("text", ["HeNorml", "keras_initlab.HeNorml", "keras_initlab>henorml"])
def test_mistyped_scheme_is_refused_with_what_is_near(text):
    with pytest.raises(ValueError, match=r"There is no scheme .*Did you mean HeNormal"):
        scheme_of(text)


def test_name_like_none_is_refused_with_the_list():
    with pytest.raises(ValueError, match="Try `keras-initlab list`"):
        scheme_of("qwertz")


def test_mistyped_attribute_is_refused_with_what_is_near():
    with pytest.raises(AttributeError, match="Did you mean ActivationVarianceLogger"):
        _ = keras_initlab.ActivationVarianceLoger
    with pytest.raises(AttributeError, match="Did you mean GlorotNormal"):
        _ = keras_initlab.GlorotNormale


def test_question_is_empty_where_nothing_is_near():
    assert did_you_mean("qwertz", CATALOGUE) == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [("ReLU", "relu"), ("LeakyReLU", "leaky_relu"), ("hardtanh", "hard_tanh"), ("GELU", "gelu")],
)
def test_activation_is_known_by_other_spellings(text, name):
    assert activation_of(text) is ACTIVATIONS[name]


def test_mistyped_activation_is_refused_with_what_is_near():
    with pytest.raises(ValueError, match=r"Did you mean gelu"):
        activation_of("gellu")


# --- families ----------------------------------------------------------------------------------


def test_every_module_of_schemes_is_in_one_family():
    listed = [module for modules in FAMILIES.values() for module in modules]
    held = {cls.__module__.rpartition(".")[2] for cls in CATALOGUE.values()}

    assert sorted(listed) == sorted(held)


def test_families_come_in_the_order_of_the_table():
    assert list(_names.families()) == list(FAMILIES)


def test_lists_name_the_schemes_in_one_order():
    shown = [name for family in _names.families().values() for name in family]

    assert list_schemes() == shown
    assert shown[:3] == ["Zeros", "Constant", "RandomNormal"]


def test_scheme_of_a_module_that_is_in_no_family_comes_last(monkeypatch):
    class Mine(keras.initializers.Initializer):
        pass

    monkeypatch.setitem(CATALOGUE, "Mine", Mine)

    assert list_schemes()[-1] == "Mine"


def test_type_checkers_see_every_alias():
    source = Path(keras_initlab.__file__).read_text()

    found = re.findall(r"^    (\w+) = (\w+)  # noqa: F405$", source, re.MULTILINE)
    assert dict(found) == ALIASES
