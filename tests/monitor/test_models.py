"""Every kind of model that Keras trains: which rows there are, and what they hold at step 0."""

import keras
import numpy as np
import pytest
from keras import layers
from monitoring import fitted, is_clean, logger_of

RNG = np.random.default_rng(7)
N = 16
DENSE = RNG.normal(size=(N, 6)).astype("float32")
LABELS = RNG.normal(size=(N, 1)).astype("float32")
SEQUENCES = RNG.normal(size=(N, 5, 6)).astype("float32")
IDS = RNG.integers(1, 20, size=(N, 7))
IDS[:, 4:] = 0

KINDS = {}


def kind(builder):
    """A builder returns model, x, y, and the expected outputs by row, or a function of them."""
    KINDS[builder.__name__] = builder
    return builder


def parts(model, *names, x):
    """Outputs of layers of a functional model, each from a model of its own."""
    return {
        name: np.asarray(
            keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer(name).output)(x)),
            np.float64,
        )
        for name in names
    }


def dense64(x, layer):
    kernel, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    return np.asarray(x, np.float64) @ kernel + bias


@kind
def sequential():
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu", name="a"), layers.Dense(1, name="b")]
    )
    a = np.maximum(dense64(DENSE, model.layers[0]), 0)
    return model, DENSE, LABELS, {"a": a, "b": dense64(a, model.layers[1])}


@kind
def nested():
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(8, "tanh", name="x")], name="inner")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(1, name="y")(inner(inputs)))
    x = np.tanh(dense64(DENSE, inner.layers[0]))
    return model, DENSE, LABELS, {"x": x, "y": dense64(x, model.layers[-1])}


@kind
def subclassed_with_sublayers():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.first, self.second = layers.Dense(6, "relu"), layers.Dense(6, name="second")

        def call(self, x):
            return x + self.second(self.first(x))

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks, self.head = [Block(), Block()], layers.Dense(1, name="head")

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    model = Net()
    model(DENSE)
    expected, x = {}, np.asarray(DENSE, np.float64)
    for block in model.blocks:
        hidden = np.maximum(dense64(x, block.first), 0)
        branch = dense64(hidden, block.second)
        expected |= {block.first: hidden, block.second: branch}
        x = x + branch
    expected[model.head] = dense64(x, model.head)
    names = [*(f"{k}" for k in range(4)), "head"]
    return model, DENSE, LABELS, dict(zip(names, expected.values(), strict=True))


@kind
def shared_layer_called_twice():
    shared = layers.Dense(6, "tanh", name="shared")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(1, name="y")(shared(shared(inputs))))
    once = np.tanh(dense64(DENSE, shared))
    twice = np.tanh(dense64(once, shared))
    expected = {"shared": once, "shared#2": twice, "y": dense64(twice, model.layers[-1])}
    return model, DENSE, LABELS, expected


@kind
def many_inputs_and_outputs():
    one, other = keras.Input((6,), name="one"), keras.Input((6,), name="other")
    a, b = layers.Dense(4, "relu", name="a")(one), layers.Dense(4, "tanh", name="b")(other)
    both = layers.Concatenate()([a, b])
    outputs = [layers.Dense(1, name="left")(both), layers.Dense(1, name="right")(both)]
    model = keras.Model([one, other], outputs)
    x = [DENSE, DENSE * 2]
    return model, x, [LABELS, LABELS], parts(model, "a", "b", "left", "right", x=x)


@kind
def dictionaries():
    inputs = {"one": keras.Input((6,), name="one")}
    x = layers.Dense(4, "relu", name="a")(inputs["one"])
    model = keras.Model(
        inputs, {"p": layers.Dense(1, name="p")(x), "q": layers.Dense(1, name="q")(x)}
    )
    data = {"one": DENSE}
    y = {"p": LABELS, "q": LABELS}
    return model, data, y, parts(model, "a", "p", "q", x=data)


@kind
def recurrent():
    inputs = keras.Input((5, 6))
    x = layers.LSTM(4, return_sequences=True, name="lstm")(inputs)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both")(x)
    x = layers.TimeDistributed(layers.Dense(2), name="steps")(x)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(1, name="y")(x))
    return model, SEQUENCES, LABELS, parts(model, "lstm", "both", "steps", "y", x=SEQUENCES)


@kind
def convolutions():
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(1, name="y")(x))
    images = RNG.normal(size=(N, 8, 8, 2)).astype("float32")
    return model, images, LABELS, parts(model, "conv", "depthwise", "pool", "y", x=images)


@kind
def masked_sequence():
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, 4, mask_zero=True, name="table")(inputs)
    x = layers.Dense(5, "tanh", name="a")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(1, name="y")(x))
    expected = parts(model, "table", "a", "pool", "y", x=IDS)
    # Steps that are padding do not count.
    expected |= {name: expected[name][IDS != 0] for name in ("table", "a")}
    return model, IDS, LABELS, expected


@kind
def attention():
    inputs = keras.Input((5, 6))
    x = layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(1, name="y")(x))
    inside = model.get_layer("attention")
    expected = parts(model, "attention", "y", x=SEQUENCES)
    for name in ("query", "key", "value"):
        weights = getattr(inside, f"_{name}_dense").get_weights()
        kernel, bias = (np.asarray(weight, np.float64) for weight in weights)
        expected[name] = np.einsum("btf,fhd->bthd", SEQUENCES, kernel) + bias
    expected["attention_output"] = expected.pop("attention")
    return model, SEQUENCES, LABELS, expected


@pytest.mark.parametrize("name", KINDS)
def test_first_look_holds_the_outputs_of_each_layer(name):
    keras.utils.set_random_seed(3)
    model, x, y, expected = KINDS[name]()
    model.compile("sgd", "mse" if not isinstance(y, dict) else dict.fromkeys(y, "mse"))
    logger = logger_of()

    fitted(model, logger, x=x, y=y, batch_size=N)

    look = logger.looks[0]
    seen = {stat: look.by_layer(stat) for stat in ("count", "mean", "variance", "max")}
    rows = list(seen["variance"])
    if not set(expected) <= set(rows):
        expected = dict(zip(rows, expected.values(), strict=True))
    for row, values in expected.items():
        assert seen["count"][row] == values.size, row
        # float32 through a few layers: 5 half ulps of sums over at most 64 inputs.
        assert seen["variance"][row] == pytest.approx(values.var(), rel=2e-5), row
        assert seen["mean"][row] == pytest.approx(values.mean(), abs=2e-5 * values.std()), row
        assert seen["max"][row] == pytest.approx(values.max(), rel=2e-5), row
    assert is_clean(model)


def test_loops_are_said_once():
    model, x, y, _ = recurrent()
    model.compile("sgd", "mse")
    logger = logger_of()

    fitted(model, logger, x=x, y=y)
    fitted(model, logger, x=x, y=y)

    notes = logger.report.notes
    assert [note.split()[0] for note in notes] == ["lstm", "both", "steps"]
    assert all("in a loop" in note for note in notes)


def test_scores_of_attention_have_a_row_where_keras_computes_them_apart():
    # Without dropout Keras calls a fused operation, in which nothing can be reached.
    inputs = keras.Input((5, 6))
    x = layers.MultiHeadAttention(2, 3, dropout=0.1, name="attention")(inputs, inputs)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile("sgd", "mse")
    logger = logger_of()

    fitted(model, logger, x=SEQUENCES, y=SEQUENCES[..., :1], batch_size=N)

    look = logger.looks[0]
    scores = next(row.name for row in look.layers if row.kind == "Softmax")
    assert look.by_layer("count")[scores] == N * 2 * 5 * 5
    assert look.by_layer("mean")[scores] == pytest.approx(1 / 5, rel=1e-5)


def test_dropout_and_batch_norm_are_seen_as_in_training():
    inputs = keras.Input((6,))
    x = layers.BatchNormalization(name="norm")(inputs)
    x = layers.Dropout(0.5, seed=1, name="drop")(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile("sgd", "mse")
    logger = logger_of(layers="*")

    fitted(model, logger, x=DENSE * 100, y=LABELS, batch_size=N)

    look = logger.looks[0]
    # The batch's own statistics, not the moving ones, which are 0 and 1.
    assert look.by_layer("variance")["norm"] == pytest.approx(1, rel=1e-3)
    assert 0.2 < look.by_layer("zero_fraction")["drop"] < 0.8
