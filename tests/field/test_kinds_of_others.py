"""Kinds of models by others that the tools once misjudged, crashed on, or damaged; in small."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from monitoring import TENSORFLOW, logger_of

from keras_initlab import PriorBias, diagnose, initialize, lint

RNG = np.random.default_rng(0)
# A last batch that is smaller.
ROWS, BATCH = 75, 32


def problems_of(model, x, y, **options):
    """The rules that a training of a few steps breaks."""
    options = {"optimizer": "adam", "loss": "mse", "run_eagerly": True, **options}
    model.compile(**options)
    logger = logger_of(update_freq=1)
    model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0, callbacks=[logger])
    assert logger.report.healthy is not None
    return {(problem.rule, problem.layers) for problem in logger.report.problems}


def test_table_that_is_multiplied_with_is_read_only_where_it_is_looked_up():
    """A masked item model with tied weights, as BERT4Rec: hidden numbers are no ids."""
    ids = keras.Input((6,), dtype="int32")
    table = layers.ReversibleEmbedding(41, 8, name="items")
    h = layers.LayerNormalization()(layers.Dense(8, name="mixed")(table(ids)))
    model = keras.Model(ids, table(5 * h, reverse=True))
    x = RNG.integers(1, 20, (ROWS, 6))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    logger = logger_of(update_freq=1)

    model.fit(x, x, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[logger])

    last = logger.looks[-1].by_layer("untouched_fraction")
    assert logger.report.healthy is not None
    assert last["items"] == pytest.approx(1 - len(np.unique(x)) / 41)


@pytest.mark.once
def test_rank_is_that_of_all_positions():
    """The first patch of every image is black; the others differ."""
    x = RNG.normal(size=(64, 16, 6)).astype("float32")
    x[:, 0] = 1.0
    inputs = keras.Input((16, 6))
    patches = layers.Dense(12, "relu", name="patches")(inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(patches)))

    report = diagnose(model, x, examples=32)

    (row,) = [row for row in report.layers if row.name == "patches"]
    assert report.healthy
    assert row.effective_rank > 2


@pytest.mark.once
def test_layers_of_one_column_lie_on_a_curve():
    """Tokens of numbers, as FT-Transformer and AutoInt make them."""
    columns = [keras.Input((1,), name=f"number_{place}") for place in range(3)]
    tokens = [layers.Dense(8, name=f"token_{place}")(one) for place, one in enumerate(columns)]
    tokens = [layers.Dense(8, "elu", name=f"deep_{k}")(one) for k, one in enumerate(tokens)]
    h = layers.Dense(16, "relu", name="joined")(layers.Concatenate()(tokens))
    x = [RNG.normal(size=(ROWS, 1)) for _ in columns]

    assert problems_of(keras.Model(columns, layers.Dense(1)(h)), x, x[0]) == set()


class Transform(layers.Layer):
    """A T-net of PointNet: multiplies by a matrix that starts as the identity."""

    def __init__(self, **options):
        super().__init__(**options)
        self.wide = layers.Dense(16, "relu", name="wide")
        eye = keras.initializers.Constant(np.eye(3).ravel().tolist())
        self.matrix = layers.Dense(9, kernel_initializer="zeros", name="matrix")
        self.matrix.bias_initializer = eye

    def build(self, shape):
        self.wide.build(shape)
        self.matrix.build((shape[0], 16))

    def call(self, points):
        pooled = ops.max(self.wide(points), axis=1)
        return ops.matmul(points, ops.reshape(self.matrix(pooled), (-1, 3, 3)))


@pytest.mark.once
def test_layer_that_starts_as_the_identity_is_left_and_not_blamed():
    inputs = keras.Input((20, 3))
    net = Transform(name="net")
    h = layers.Dense(16, "relu", name="after")(net(inputs))
    model = keras.Model(inputs, layers.Dense(1, name="head")(layers.GlobalMaxPooling1D()(h)))
    x, y = RNG.normal(size=(ROWS, 20, 3)).astype("float32"), RNG.normal(size=(ROWS, 1))

    assert lint(model) == []
    initialize(model, data=x)

    assert not ops.convert_to_numpy(net.matrix.kernel).any()
    assert problems_of(model, x, y) == set()


@pytest.mark.once
def test_output_of_zeros_stays_and_gets_the_prior_bias():
    inputs = keras.Input((4,))
    hidden = layers.Dense(8, "relu", name="hidden")(inputs)
    head = layers.Dense(1, "sigmoid", kernel_initializer="zeros", name="head")
    model = keras.Model(inputs, head(hidden))
    model.compile("adam", "binary_crossentropy")
    y = (np.arange(ROWS) % 5 == 0).astype("float32")[:, None]

    report = initialize(model, data=(RNG.normal(size=(ROWS, 4)).astype("float32"), y))

    assert not ops.convert_to_numpy(head.kernel).any()
    prior = PriorBias(rate=float(y.mean()))((1,))
    np.testing.assert_allclose(head.bias, ops.convert_to_numpy(prior), atol=0.1)
    assert any("on purpose" in change.reason for change in report.changes)


@pytest.mark.once
def test_model_of_zeros_alone_is_drawn_anew_to_its_outputs():
    zeros = {"kernel_initializer": "zeros"}
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, "relu", **zeros), layers.Dense(1, **zeros)]
    )

    initialize(model)

    assert all(ops.convert_to_numpy(layer.kernel).any() for layer in model.layers)


@pytest.mark.once
def test_stateful_model_is_measured_on_as_many_examples_as_it_takes():
    inputs = keras.Input(batch_shape=(16, 10, 1))
    model = keras.Model(inputs, layers.Dense(1)(layers.LSTM(8, stateful=True)(inputs)))
    x = RNG.normal(size=(320, 10, 1)).astype("float32")

    for report in (diagnose(model), diagnose(model, x), initialize(model, data=x)):
        assert report.healthy
    assert any("the first 16 of 320" in note for note in diagnose(model, x).notes)


class Critic(keras.Model):
    """A GAN whose `call` is that of its critic: no random input reaches its generator."""

    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential([keras.Input((4,)), layers.Dense(8, name="made")])
        self.critic = keras.Sequential(
            [keras.Input((8,)), layers.Dense(8, "relu", name="seen"), layers.Dense(1)]
        )

    def call(self, x):
        return self.critic(x)


@pytest.mark.once
def test_layers_that_are_not_called_are_noted_and_not_blamed():
    model = Critic()
    model.build((None, 8))

    report = diagnose(model, RNG.normal(size=(ROWS, 8)).astype("float32"))

    assert report.healthy
    assert any("made was not called" in note for note in report.notes)


@pytest.mark.once
def test_gates_are_no_stack_of_sigmoids():
    """Gated linear units side by side, before a layer that is really alike."""
    inputs = keras.Input((6,))
    h = layers.Dense(16, "relu", name="first")(inputs)
    for number in range(4):
        gate = layers.Dense(16, "sigmoid", name=f"gate_{number}")(h)
        h = layers.Multiply()([layers.Dense(16, name=f"value_{number}")(h), gate])
    same = layers.Dense(8, kernel_initializer="ones", name="same")(h)
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(8, "relu", name="last")(same)))

    report = diagnose(model, RNG.normal(size=(ROWS, 6)).astype("float32"))

    assert report.problems
    assert {problem.cause for problem in report.problems} == {"weights-equal"}


def of_several_labels():
    inputs = keras.Input((6,))
    head = layers.Dense(5, "softmax", name="head")(layers.Dense(8, "relu")(inputs))
    y = (RNG.random((ROWS, 5)) < 0.5).astype("float32")
    return keras.Model(inputs, head), y, "binary_crossentropy"


def of_logits_behind(*shapes, dtype=None):
    inputs = keras.Input((6,))
    hidden = layers.Dense(8, "relu")(inputs)
    head = layers.Dense(4, "sigmoid", name="head", dtype=dtype)(hidden)
    for shape in shapes:
        head = layers.Reshape(shape)(head)
    y = (RNG.random((ROWS, *(shapes[-1] if shapes else (4,)))) < 0.5).astype("float32")
    return keras.Model(inputs, head), y, keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (of_several_labels, "several labels"),
        (lambda: of_logits_behind((2, 2)), "applies it again"),
        (lambda: of_logits_behind((2, 2), (4,)), "applies it again"),
        (lambda: of_logits_behind(dtype="mixed_bfloat16"), "applies it again"),
    ],
    ids=["several labels", "reshaped", "reshaped twice", "cast"],
)
def test_head_that_its_loss_misreads_is_named(case, words):
    model, y, loss = case()
    model.compile("adam", loss)
    x = RNG.normal(size=(ROWS, 6)).astype("float32")

    (problem,) = diagnose(model, (x, y)).problems

    assert (problem.cause, problem.layers) == ("head-loss-mismatch", ("head",))
    assert words in problem.text


@pytest.mark.skipif(not TENSORFLOW, reason="Keras finds logits on TensorFlow alone")
def test_logits_that_keras_finds_are_no_fault_and_others_are_applied_twice():
    """What the rule takes from Keras: the loss of a sigmoid head with from_logits=True."""
    x = RNG.normal(size=(ROWS, 6)).astype("float32")
    losses = []
    for shapes in ((), ((2, 2), (4,))):
        keras.utils.set_random_seed(0)
        model, _, loss = of_logits_behind(*shapes)
        y = np.zeros((ROWS, 4), "float32")
        model.compile("sgd", loss)
        with pytest.warns(UserWarning, match="from_logits") if not shapes else np.errstate():
            losses.append(model.evaluate(x, y, verbose=0))
        once = keras.losses.BinaryCrossentropy()(y, model.predict(x, verbose=0))
        assert (losses[-1] == pytest.approx(float(once), rel=1e-5)) is not bool(shapes)


@pytest.mark.once
def test_state_that_explodes_is_named_at_the_first_layer():
    inputs = keras.Input((60, 3))
    loop = layers.SimpleRNN(
        48,
        activation="relu",
        recurrent_initializer=keras.initializers.RandomNormal(stddev=0.5),
        name="loop",
    )
    model = keras.Model(inputs, layers.Dense(1)(loop(inputs)))

    report = diagnose(model, RNG.normal(size=(ROWS, 60, 3)).astype("float32"))

    assert report.problems[0].cause == "recurrent-explosion"
    assert report.problems[0].layers[0] == "loop"


@pytest.mark.once
def test_scheme_that_is_there_already_is_not_advised():
    """In an Xception with he_normal in both kernels the depthwise one is too small, as it counts
    nine times the channels and sums nine numbers."""
    he = {"depthwise_initializer": "he_normal", "pointwise_initializer": "he_normal"}
    x = inputs = keras.Input((8, 8, 16))
    for number in range(6):
        name = f"separable_{number}"
        x = layers.SeparableConv2D(32, 3, padding="same", activation="relu", name=name, **he)(x)
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling2D()(x)))

    problem = diagnose(model, RNG.normal(size=(ROWS, 8, 8, 16)).astype("float32")).problems[0]

    assert problem.cause == "weights-small"
    assert problem.code == 'depthwise_initializer=LecunNormal(kind="depthwise")'


@pytest.mark.once
def test_product_of_two_zero_tables_is_named_whatever_the_optimizer():
    """The generalized factorization of NeuMF, with both tables at zero."""
    ids = [keras.Input((), dtype="int32") for _ in range(2)]
    vectors = [
        layers.Embedding(30, 8, embeddings_initializer="zeros", name=name)(one)
        for name, one in zip(("users", "items"), ids, strict=True)
    ]
    model = keras.Model(ids, layers.Dense(1, "sigmoid")(layers.Multiply()(vectors)))
    model.compile("adam", "binary_crossentropy")

    findings = [finding for finding in lint(model) if finding.rule == "small-product"]

    assert [finding.layer for finding in findings] == ["users", "items"]
    assert "no gradient ever reaches either" in findings[0].evidence
