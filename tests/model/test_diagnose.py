import keras
import numpy as np
import pytest
from chains import deep, rows_of
from keras import layers as kl
from keras import ops
from monitoring import BATCH, X, Y, by_hand, compiled

from keras_initlab import XavierUniform, diagnose

# Rounding of float32 through three layers, as in `monitoring.check_look`.
REL = 2e-5


# --- the numbers -------------------------------------------------------------------------------


def test_forward_and_backward_agree_with_float64():
    model = compiled()
    x, y = X[:BATCH], Y[:BATCH]
    weights = [np.array(weight, np.float64) for weight in model.get_weights()]
    outputs, gradients, _, _ = by_hand(weights, x, y)
    c = outputs["c"]
    d = {"c": 2 * (c - y) / c.size}
    d["b"] = d["c"] @ weights[4].T
    d["a"] = (d["b"] * (1 - outputs["b"] ** 2)) @ weights[2].T
    before = {"a": x @ weights[0] + weights[1], "b": outputs["a"] @ weights[2] + weights[3], "c": c}

    report = diagnose(model, (x, y), max_elements=None)

    assert list(rows_of(report)) == ["a", "b", "c"]
    for kernel, (name, row) in zip(weights[::2], rows_of(report).items(), strict=True):
        expected = {
            "variance": outputs[name].var(),
            "before_variance": before[name].var(),
            "gradient_variance": d[name].var(),
            "weight_gradient_variance": gradients[name].var(),
            "weight_variance": kernel.var(),
            "zero_fraction": (outputs[name] == 0).mean(),
        }
        for statistic, value in expected.items():
            assert abs(getattr(row, statistic) - value) <= REL * value, (name, statistic)
        assert abs(row.before_mean - before[name].mean()) <= REL * before[name].std()
        assert row.kernel_shape == kernel.shape
        assert (row.fan_in, row.fan_out) == kernel.shape
    assert abs(report.loss - ((c - y) ** 2).mean()) <= REL * report.loss


def test_gradients_start_with_unit_variance_where_there_are_no_labels():
    model = keras.Sequential([keras.Input((8,)), kl.Dense(512, use_bias=False, name="out")])

    report = diagnose(model, X[:, :8], max_elements=None)

    # 96 x 512 normal numbers: the variance of their variance is 2 / n.
    assert abs(report.layers[0].gradient_variance - 1) < 5 * np.sqrt(2 / (len(X) * 512))
    assert any("unit variance" in note for note in report.notes)


def test_loss_counts_regularizers_as_training_does():
    def build(regularizer):
        kernel = keras.initializers.RandomNormal(stddev=0.3, seed=1)
        dense = kl.Dense(1, kernel_initializer=kernel, kernel_regularizer=regularizer, name="d")
        return compiled(keras.Sequential([keras.Input((12,)), dense]))

    plain, penalized = (
        diagnose(build(regularizer), (X[:BATCH], Y[:BATCH]))
        for regularizer in (None, keras.regularizers.L2(0.5))
    )
    kernel = np.array(build(None).layers[0].kernel, np.float64)

    assert abs(penalized.loss - plain.loss - 0.5 * (kernel**2).sum()) < REL * penalized.loss


def test_theory_stands_beside_what_is_measured():
    model = deep(256, activation="relu", kernel_initializer="he_normal")

    rows = diagnose(model).layers[:-1]

    assert all(0.3 < row.variance / row.predicted_variance < 3 for row in rows)


def test_given_loss_takes_the_place_of_the_compiled_one():
    x, y = X[:BATCH], Y[:BATCH]
    model = compiled(loss="mse")

    own, given = diagnose(model, (x, y)), diagnose(model, (x, y), loss="mae")

    prediction = by_hand(model.get_weights(), x, y)[0]["c"]
    assert abs(own.loss - ((prediction - y) ** 2).mean()) <= REL * own.loss
    assert abs(given.loss - np.abs(prediction - y).mean()) <= REL * given.loss


def test_all_examples_weigh_what_the_sample_weights_say():
    x, y = X[:BATCH], Y[:BATCH]
    weights = np.zeros(BATCH, "float32")

    report = diagnose(compiled(), (x, y, weights))

    assert report.loss == 0
    assert all(row.gradient_variance == 0 for row in report.layers)


# --- kinds of models ---------------------------------------------------------------------------


def test_shared_layer_has_a_row_for_each_call():
    shared = kl.Dense(8, "tanh", name="shared")
    one, two = keras.Input((8,)), keras.Input((8,))
    model = keras.Model([one, two], kl.Dense(1)(kl.Add()([shared(one), shared(two)])))

    rows = rows_of(diagnose(model, [X[:, :8], 10 * X[:, :8]]))

    assert rows["shared#2"].before_variance > 50 * rows["shared"].before_variance
    assert rows["shared#2"].kernel_shape == (8, 8)
    assert rows["shared"].gradient_variance == pytest.approx(rows["shared#2"].gradient_variance)


def test_subclassed_model_with_nested_layers_is_measured():
    class Block(kl.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner = kl.Dense(8, "relu", name="inner")

        def call(self, x):
            return self.inner(x)

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.block = Block(name="block")
            self.out = kl.Dense(1, name="out")

        def call(self, x):
            return self.out(self.block(x))

    model = Model()
    model(X[:2])

    rows = rows_of(diagnose(model, (X, Y), loss="mse"))
    made_up = diagnose(model)

    assert set(rows) == {"inner", "out"}
    assert rows["inner"].fan_in == 12
    assert rows["inner"].weight_gradient_variance > 0
    assert "floats" in made_up.notes[0]


def test_attention_and_recurrent_layers_are_measured():
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = kl.Embedding(20, 16, mask_zero=True, name="table")(ids)
    x = kl.MultiHeadAttention(2, 8, name="attention")(x, x)
    x = kl.GRU(8, name="gru")(x)
    model = keras.Model(ids, kl.Dense(1, name="out")(x))

    report = diagnose(model)

    rows = rows_of(report)
    assert {"query", "key", "value", "attention_output", "gru", "out", "table"} <= set(rows)
    assert rows["gru"].kernel_shape == (16, 24)
    assert rows["gru"].fan_out == 8
    assert all(row.gradient_variance > 0 for row in report.layers)
    assert rows["table"].weight_gradient_variance > 0
    assert any("gru runs its steps in a loop" in note for note in report.notes)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_measured_in_float32(policy):
    hidden = kl.Dense(16, "tanh", kernel_initializer=XavierUniform(seed=1), dtype=policy, name="h")
    model = keras.Sequential([keras.Input((12,)), hidden, kl.Dense(1, dtype="float32", name="o")])
    model.compile("sgd", "mse")

    report = diagnose(model, (X, Y))

    whole = np.tanh(X.astype("float64") @ np.array(hidden.kernel, "float64")).var()
    # Seven bits after the point of bfloat16, in inputs, weights and sums.
    assert abs(rows_of(report)["h"].variance / whole - 1) < 3 * 2.0**-8
    assert all(row.gradient_variance > 0 for row in report.layers)


def test_frozen_layer_has_its_shape_and_no_gradient_of_its_weights():
    model = deep()
    model.get_layer("h1").trainable = False

    row = rows_of(diagnose(model))["h1"]

    assert row.kernel_shape == (32, 32)
    assert row.gradient_variance > 0
    assert np.isnan(row.weight_gradient_variance)
    assert row.weight_variance == pytest.approx(np.array(model.get_layer("h1").kernel).var())


def test_layer_inside_a_loop_is_named_and_the_rest_is_measured():
    class Looping(kl.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner = kl.Dense(12, name="inner")

        def build(self, shape):
            self.inner.build(shape)

        def call(self, x):
            return ops.fori_loop(0, 2, lambda _, state: ops.tanh(self.inner(state)), x)

    model = keras.Sequential([keras.Input((12,)), Looping(name="looping"), kl.Dense(1, name="out")])

    report = diagnose(model, X)

    assert "out" in rows_of(report)
    if keras.backend.backend() == "jax":
        assert any("inner is called inside a loop" in note for note in report.notes)
