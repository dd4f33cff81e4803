"""What `diagnose` says of inputs, labels, and heads that do not fit their losses."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initlab import diagnose, initialize

RNG = np.random.default_rng(0)
ROWS = 203


def dense(*first, columns=4, head=None, units=1):
    return keras.Sequential(
        [
            keras.Input((columns,), name="table"),
            *first,
            layers.Dense(16, "relu", name="first"),
            layers.Dense(units, head, name="head"),
        ]
    )


def said(model, x, y, loss="mse"):
    """The rule and the first layer of each problem."""
    model.compile("adam", loss)
    report = diagnose(model, (x, y))
    return [(problem.rule, problem.layers[0]) for problem in report.problems]


def numbers(scale=1.0, offset=0.0, columns=4):
    return (RNG.normal(size=(ROWS, columns)) * scale + offset).astype("float32")


LABELS = numbers(columns=1)


@pytest.mark.parametrize(
    ("x", "rule"),
    [
        (numbers(scale=[1, 1, 1, 2e4]), "input-scale"),
        (np.floor(RNG.lognormal(4, 2, size=(ROWS, 4))), "input-scale"),
        (RNG.integers(0, 256, size=(ROWS, 4)).astype("uint8"), "input-scale"),
        (numbers(scale=5, offset=285), "input-offset"),
        (numbers(scale=0.01, offset=5), "input-offset"),
    ],
    ids=["one column", "counts", "pixels", "kelvin", "narrow"],
)
@pytest.mark.once
def test_inputs_that_no_weights_fit_are_the_first_thing_said(x, rule):
    assert said(dense(), x, LABELS) == [(rule, "first")]


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.once
def test_pixels_are_named_in_a_convolution_and_sequences_in_a_loop(columns):
    pixels = RNG.integers(0, 256, size=(ROWS, 8, 8, columns)).astype("float32")
    images = keras.Sequential(
        [
            keras.Input((8, 8, columns)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1),
        ]
    )
    steps = keras.Sequential(
        [keras.Input((6, columns)), layers.GRU(8, name="gru"), layers.Dense(1)]
    )

    assert said(images, pixels, LABELS) == [("input-scale", "conv")]
    assert said(steps, pixels[:, :6, 0] + 400, LABELS) == [("input-offset", "gru")]


@pytest.mark.parametrize(
    "first",
    [
        [layers.Normalization(mean=[0.0] * 4, variance=[4e8] * 4)],
        [layers.Rescaling(1 / 2e4)],
        [layers.Dense(8), layers.BatchNormalization(), layers.ReLU()],
        [layers.LayerNormalization()],
    ],
    ids=["normalization", "rescaling", "norm behind", "norm before"],
)
@pytest.mark.once
def test_inputs_that_the_model_scales_itself_are_healthy(first):
    first = [type(layer).from_config(layer.get_config()) for layer in first]

    assert said(dense(*first), numbers(scale=2e4), LABELS) == []


@pytest.mark.once
def test_ids_one_hot_columns_and_standardized_numbers_are_healthy():
    ids, table = keras.Input((3,), dtype="int32", name="ids"), keras.Input((4,), name="table")
    vectors = layers.Flatten()(layers.Embedding(900, 4)(ids))
    months = layers.CategoryEncoding(12, output_mode="multi_hot")(ids % 12)
    hidden = layers.Dense(16, "relu")(layers.Concatenate()([vectors, months, table]))
    model = keras.Model([ids, table], layers.Dense(1)(hidden))
    x = {"ids": RNG.integers(0, 900, (ROWS, 3)), "table": numbers()}

    assert said(model, x, LABELS) == []


@pytest.mark.parametrize(
    ("head", "units", "y", "loss", "rule"),
    [
        (None, 1, LABELS * 1e6, "mse", "label-scale"),
        (None, 1, LABELS * 1e3 + 2e5, keras.losses.Huber(), "label-scale"),
        ("sigmoid", 1, RNG.integers(1, 6, (ROWS, 1)), "mse", "head-loss-mismatch"),
        ("relu", 1, LABELS - 3, "mae", "head-loss-mismatch"),
        (None, 1, LABELS > 0, "binary_crossentropy", "head-loss-mismatch"),
        ("softmax", 1, LABELS > 0, "binary_crossentropy", "head-loss-mismatch"),
        (
            *(None, 3, RNG.integers(0, 3, (ROWS, 1))),
            *(keras.losses.SparseCategoricalCrossentropy(), "head-loss-mismatch"),
        ),
    ],
)
# Keras warns of the softmax of one unit itself.
@pytest.mark.filterwarnings("ignore:You are using a softmax")
@pytest.mark.once
def test_labels_and_losses_that_the_head_does_not_fit_are_named(head, units, y, loss, rule):
    model = dense(head=head, units=units)

    assert said(model, numbers(), np.asarray(y, "float32"), loss) == [(rule, "head")]


@pytest.mark.parametrize(
    ("head", "units", "y", "loss"),
    [
        (None, 1, LABELS * 5 + 3, "mse"),
        ("sigmoid", 1, LABELS > 0, "binary_crossentropy"),
        ("sigmoid", 1, LABELS > 0, "mse"),
        (None, 1, LABELS > 0, keras.losses.BinaryCrossentropy(from_logits=True)),
        ("softmax", 3, RNG.integers(0, 3, (ROWS, 1)), "sparse_categorical_crossentropy"),
        ("softplus", 1, RNG.poisson(40, (ROWS, 1)), "poisson"),
        (None, 1, LABELS * 1e3, lambda y, p: keras.ops.mean(keras.ops.abs(y - p) / 1e3)),
    ],
)
@pytest.mark.once
def test_labels_that_fit_the_head_are_healthy(head, units, y, loss):
    model = dense(head=head, units=units)

    assert said(model, numbers(), np.asarray(y, "float32"), loss) == []


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="torch refuses such labels itself, with an error"
)
def test_labels_outside_of_what_a_cross_entropy_expects_are_named():
    y = RNG.choice([-1, 1], (ROWS, 1)).astype("float32")

    found = said(dense(head="sigmoid"), numbers(), y, "binary_crossentropy")

    assert found == [("head-loss-mismatch", "head")]


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="there Keras finds the logits behind a head"
)
def test_softmax_that_the_loss_applies_again_is_named():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    y = RNG.integers(0, 3, (ROWS, 1))

    assert said(dense(head="softmax", units=3), numbers(), y, loss) == [
        ("head-loss-mismatch", "head")
    ]


@pytest.mark.once
def test_each_of_several_outputs_is_held_to_its_own_loss():
    inputs = keras.Input((4,))
    x = layers.Dense(16, "relu")(inputs)
    outputs = {"price": layers.Dense(1, name="price")(x), "sold": layers.Dense(1, name="sold")(x)}
    model = keras.Model(inputs, outputs)
    y = {"price": LABELS * 1e6, "sold": (LABELS > 0).astype("float32")}

    found = said(model, numbers(), y, {"price": "mse", "sold": "binary_crossentropy"})

    assert sorted(found) == [("head-loss-mismatch", "sold"), ("label-scale", "price")]


@pytest.mark.once
def test_symptoms_are_told_with_their_cause_and_not_again():
    model = dense()
    model.compile("adam", "mse")

    report = diagnose(model, (numbers(scale=[1, 1, 1, 1e6]), LABELS))

    (problem,) = report.problems
    assert problem.what == "inputs"
    assert "Normalization" in problem.text
    assert "Use " not in problem.text


@pytest.mark.once
def test_models_without_a_graph_random_inputs_and_initialize_go_on():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    own = Own()
    own(numbers())

    assert diagnose(own, (numbers(scale=2e4), LABELS)).layers
    assert diagnose(dense()).healthy
    assert initialize(dense(), data=numbers(scale=2e4), seed=1).problems[0].rule == "input-scale"


@pytest.mark.parametrize("shape", [(0,), (3, 0)], ids=["table", "sequence"])
@pytest.mark.once
def test_an_input_without_columns_is_passed_over(shape):
    """A model of ids and numbers keeps its input of numbers where a table has none."""
    ids, none = keras.Input((2,), dtype="int32", name="ids"), keras.Input(shape, name="none")
    vectors = layers.Flatten()(layers.Embedding(9, 4)(ids))
    joined = layers.Concatenate()([vectors, layers.Flatten()(none)])
    model = keras.Model([ids, none], layers.Dense(1, name="head")(joined))
    data = ([RNG.integers(0, 9, size=(ROWS, 2)), np.zeros((ROWS, *shape))], LABELS)
    model.compile("adam", "mse")
    assert diagnose(model, data).problems == ()
    initialize(model, data=data, seed=0)
