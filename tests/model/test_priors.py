"""Biases of outputs from labels: which layer gets them, and in which space."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from keras_initlab import initialize, lint

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 8)).astype("float32")


def labels(rate):
    return (np.arange(400) < 400 * rate).astype("float32")[:, None]


def logit(rate):
    # One more of each class, by Laplace's rule.
    rate = (400 * rate + 1) / 402
    return np.log(rate / (1 - rate))


def bias_of(layer):
    return np.array(ops.convert_to_numpy(layer.bias), np.float64)


def started(inputs, outputs, loss, y, **options):
    model = keras.Model(inputs, outputs)
    model.compile("adam", loss)
    return initialize(model, data=(X, y), seed=1, **options)


def test_labels_go_to_their_outputs_where_one_output_feeds_another():
    inputs = keras.Input((8,))
    first = kl.Dense(1, "sigmoid", name="first")
    last = kl.Dense(1, "sigmoid", name="last")
    middle = first(inputs)

    started(inputs, [middle, last(middle)], "binary_crossentropy", [labels(0.9), labels(0.02)])

    assert bias_of(last)[0] == pytest.approx(logit(0.02), rel=1e-5)


def test_keys_of_a_dict_count_where_they_are_no_names():
    inputs = keras.Input((8,))
    one, two = kl.Dense(1, "sigmoid", name="one"), kl.Dense(1, "sigmoid", name="two")
    losses = {"zz": "binary_crossentropy", "aa": "binary_crossentropy"}

    y = {"zz": labels(0.9), "aa": labels(0.02)}
    started(inputs, {"zz": one(inputs), "aa": two(inputs)}, losses, y)

    assert bias_of(one)[0] == pytest.approx(logit(0.9), rel=1e-5)
    assert bias_of(two)[0] == pytest.approx(logit(0.02), rel=1e-5)


def test_labels_by_name_may_go_with_outputs_in_a_list():
    inputs = keras.Input((8,))
    one, two = kl.Dense(1, "sigmoid", name="z"), kl.Dense(1, "sigmoid", name="a")
    losses = {"z": "binary_crossentropy", "a": "binary_crossentropy"}

    report = started(
        inputs, [one(inputs), two(inputs)], losses, {"z": labels(0.5), "a": labels(0.02)}
    )

    assert bias_of(two)[0] == pytest.approx(logit(0.02), rel=1e-5)
    assert np.isfinite(report.loss)


@pytest.mark.parametrize("end", [kl.Activation("sigmoid"), ops.sigmoid], ids=["layer", "ops"])
def test_bias_before_a_sigmoid_of_its_own_is_a_logit(end):
    inputs, dense = keras.Input((8,)), kl.Dense(1)

    started(inputs, end(dense(inputs)), "mse", labels(0.02))

    assert bias_of(dense)[0] == pytest.approx(logit(0.02), rel=1e-5)


def test_output_that_is_computed_further_gets_no_prior():
    inputs, dense, other = keras.Input((8,)), kl.Dense(1), kl.Dense(1, "sigmoid")
    scaled = ops.sigmoid(dense(inputs) * 10.0)
    product = kl.Multiply()([scaled, other(inputs)])

    started(inputs, product, "binary_crossentropy", labels(0.02))

    assert bias_of(dense)[0] == 0
    assert bias_of(other)[0] == 0


def test_one_of_several_layers_that_are_summed_gets_the_prior():
    inputs = keras.Input((8,))
    wide = kl.Dense(1, name="wide")
    deep = kl.Dense(1, use_bias=False, name="deep")
    hidden = kl.Dense(32, "relu")(inputs)
    total = kl.Activation("sigmoid")(kl.Add()([wide(inputs), deep(hidden)]))

    started(inputs, total, "binary_crossentropy", labels(0.02))

    assert bias_of(wide)[0] == pytest.approx(logit(0.02), rel=1e-5)


def test_classes_of_each_step_are_counted_and_others_ignored():
    inputs, dense = keras.Input((6, 8)), kl.Dense(4)
    model = keras.Model(inputs, dense(inputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    model.compile("adam", loss)
    y = RNG.integers(0, 3, size=(50, 6))
    y[:, 5] = -1

    initialize(model, data=(RNG.normal(size=(50, 6, 8)), y), seed=1)

    counted = np.bincount(y[y >= 0], minlength=4) + 1
    assert bias_of(dense) == pytest.approx(np.log(counted / counted.sum()), rel=1e-5)


def test_labels_that_are_no_rates_are_left():
    inputs, dense = keras.Input((8,)), kl.Dense(1, "sigmoid")

    started(inputs, dense(inputs), "mse", 2 * labels(0.5) - 1)

    assert bias_of(dense)[0] == 0


def test_labels_of_a_dataset_count_too():
    inputs, dense = keras.Input((8,)), kl.Dense(1, "sigmoid")
    model = keras.Model(inputs, dense(inputs))
    model.compile("adam", "binary_crossentropy")

    initialize(model, data=iter([(X, labels(0.02))]), seed=1)

    assert bias_of(dense)[0] == pytest.approx(logit(0.02), rel=1e-5)


RARE = (np.arange(200) % 50 == 0).astype("float32")[:, None]
CLASSES = np.repeat([0, 1, 2], [160, 30, 10])


def divergence(rates, start):
    """Of a first prediction from the rates, in nats."""
    rates = (np.asarray(rates) + 1) / (np.sum(rates) + len(rates))
    return float(np.sum(rates * np.log(rates / np.asarray(start))))


@pytest.mark.parametrize(
    ("head", "loss", "found", "cost"),
    [
        ((1, "sigmoid"), None, RARE, divergence([4, 196], [0.5, 0.5])),
        ((1, None), "hinge", RARE, None),
        ((3, "softmax"), "sparse_categorical_crossentropy", CLASSES,
         divergence([160, 30, 10], [1 / 3] * 3)),
    ],
)  # fmt: skip
def test_linter_finds_biases_off_the_base_rates(head, loss, found, cost):
    model = keras.Sequential([keras.Input((4,)), kl.Dense(*head, name="head")])
    model.compile("sgd", loss)
    assert not lint(model)

    findings = lint(model, labels=found)

    assert [(finding.rule, finding.layer) for finding in findings] == [
        ("off-prior", "head")
    ] * bool(cost)
    if cost:
        assert f"costs {cost:.2f} of loss" in findings[0].evidence
        assert "PriorBias.from_labels(labels" in findings[0].fix
    initialize(model, data=(np.zeros((len(found), 4)), found))
    assert not lint(model, labels=found)


def test_linter_finds_a_bias_far_from_the_mean():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(1)])
    model.compile("sgd", "mse")
    targets = np.array([8.0, 10.0, 12.0, 10.0])

    (finding,) = lint(model, labels=targets)

    assert f"{10 / targets.std():.1f} of their standard deviations" in finding.evidence
    assert 'kind="regression"' in finding.fix
    assert not lint(model, labels=targets - 10)
    assert not lint(model, labels=np.full(4, 3.0))
