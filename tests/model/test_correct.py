import re

import keras
import numpy as np
import pytest
from chains import PERCENT
from keras import layers as kl
from keras import ops

from keras_initlab import diagnose, initialize
from keras_initlab.model.initialization.correct import _Correction
from keras_initlab.theory import critical_point

RNG = np.random.default_rng(0)


def images(count=64):
    return RNG.normal(size=(count, 12, 12, 3)).astype("float32") * 3 + 1


def variances(report):
    """Of what enters each activation, as `diagnose` has measured it after the correction."""
    return {layer.name: layer.before_variance for layer in report.layers}


def test_every_layer_has_unit_variance_on_the_batch():
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            kl.Conv2D(16, 3, activation="relu", name="conv"),
            kl.DepthwiseConv2D(3, activation="relu", name="depthwise"),
            kl.SeparableConv2D(16, 3, activation="relu", name="separable"),
            kl.Conv2DTranspose(8, 4, strides=2, activation="relu", name="transposed"),
            kl.Flatten(),
            kl.Dense(32, "relu", name="hidden"),
            kl.Dense(4, name="out"),
        ]
    )
    x = images()

    report = initialize(model, data=x, seed=1)

    found = variances(report)
    assert len(found) == 6
    assert all(abs(variance - 1) < PERCENT for variance in found.values())
    conv = model.get_layer("conv")
    by_hand = ops.convert_to_numpy(ops.conv(x, conv.kernel, padding="valid"))
    assert abs(by_hand.astype(np.float64).var() - 1) < PERCENT


@pytest.mark.once
def test_gelu_is_corrected_to_its_fixed_point():
    hidden = [kl.Dense(48, "gelu", name=f"h{k}") for k in range(20)]
    model = keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(1, name="out")])
    x = RNG.normal(size=(256, 16)).astype("float32")

    found = variances(initialize(model, data=x, seed=1))

    target = critical_point("gelu").q
    assert all(abs(found[layer.name] / target - 1) < PERCENT for layer in hidden)


@pytest.mark.once
def test_small_signal_before_tanh_is_not_blown_up():
    model = keras.Sequential(
        [keras.Input((16,)), kl.Dense(64, "tanh", name="h0"), kl.Dense(64, "tanh", name="h1")]
    )
    small, large = (factor * RNG.normal(size=(128, 16)).astype("float32") for factor in (0.1, 30))

    quiet = variances(initialize(model, data=small, seed=1))
    loud = variances(initialize(model, data=large, seed=1))

    assert 0.003 < quiet["h0"] < 0.03
    assert abs(loud["h0"] - 1) < PERCENT


@pytest.mark.once
def test_shared_layer_is_held_to_the_mean_of_its_calls():
    shared = kl.Dense(16, "relu", name="shared")
    one, two = keras.Input((8,)), keras.Input((8,))
    model = keras.Model([one, two], kl.Dense(1, name="out")(kl.Add()([shared(one), shared(two)])))
    x = [RNG.normal(size=(64, 8)), 3 * RNG.normal(size=(64, 8))]

    found = variances(initialize(model, data=x, seed=1))

    # Both calls end a branch of the one sum: a half each.
    assert abs((found["shared"] + found["shared#2"]) - 1) < PERCENT
    assert abs(found["out"] - 1) < PERCENT


def test_nested_and_subclassed_models_are_corrected():
    class Inner(keras.Model):
        def __init__(self, **options):
            super().__init__(**options)
            self.dense = kl.Dense(16, "relu", name="dense")

        def call(self, x):
            return self.dense(x)

    inputs = keras.Input((8,))
    nested = keras.Sequential([keras.Input((16,)), kl.Dense(16, "relu", name="nested")])
    model = keras.Model(inputs, kl.Dense(1, name="out")(nested(Inner(name="inner")(inputs))))
    x = 5 * RNG.normal(size=(64, 8))

    found = variances(initialize(model, data=x, seed=1))

    assert {"dense", "nested", "out"} <= set(found)
    assert all(abs(found[name] - 1) < PERCENT for name in ("dense", "nested", "out"))


@pytest.mark.once
def test_recurrent_kernels_are_held_by_what_their_gates_sum():
    ids = keras.Input((None,), dtype="int32")
    x = kl.Embedding(50, 16, mask_zero=True, name="table")(ids)
    x = kl.Bidirectional(kl.LSTM(8, return_sequences=True), name="both")(x)
    x = kl.TimeDistributed(kl.Dense(12, "relu", name="inner"), name="each")(x)
    model = keras.Model(ids, kl.Dense(1, name="out")(kl.GRU(8, name="gru")(x)))
    batch = RNG.integers(1, 50, size=(64, 10))
    batch[:32, 6:] = 0

    report = initialize(model, data=batch, seed=1)

    forward = model.get_layer("both").forward_layer.cell
    vectors = np.array(model.get_layer("table").embeddings)[batch]
    counted = vectors[batch > 0] @ np.array(forward.kernel)
    assert abs(counted.var() - 1) < PERCENT
    assert all("not corrected" not in change.reason for change in report.changes)


@pytest.mark.once
def test_residual_branches_are_corrected_to_their_share():
    inputs = keras.Input((32,))
    x = inputs
    for k in range(4):
        branch = kl.Dense(32, name=f"last{k}")(kl.Dense(32, "relu", name=f"first{k}")(x))
        x = kl.Add()([x, branch])
    model = keras.Model(inputs, kl.Dense(1, name="out")(x))
    batch = RNG.normal(size=(256, 32))

    found = variances(initialize(model, data=batch, seed=1))

    assert all(abs(found[f"last{k}"] * 5 - 1) < PERCENT for k in range(4))


@pytest.mark.once
def test_batch_norm_is_left_as_it_was():
    norm = kl.BatchNormalization(name="norm")
    model = keras.Sequential([keras.Input((8,)), kl.Dense(16), norm, kl.ReLU(), kl.Dense(1)])
    before = [np.array(variable) for variable in norm.variables]

    initialize(model, data=7 + RNG.normal(size=(64, 8)), seed=1)

    assert all(np.array_equal(a, np.array(b)) for a, b in zip(before, norm.variables, strict=True))


def test_labels_and_dropout_do_not_disturb():
    model = keras.Sequential(
        [
            keras.Input((16,)),
            kl.Dense(64, "relu", name="h"),
            kl.Dropout(0.5, seed=1),
            kl.Dense(1, "sigmoid", name="out"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    x, y = RNG.normal(size=(256, 16)), RNG.random((256, 1)) < 0.2

    found = variances(initialize(model, data=(x, y.astype("float32")), seed=1))

    assert abs(found["h"] - 1) < PERCENT


@pytest.mark.once
def test_layer_that_gives_nothing_is_named_and_left():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(8, "relu", name="h"), kl.Dense(1)])

    report = initialize(model, data=np.zeros((16, 4), "float32"), seed=1)

    assert "not corrected: the output of its layer does not vary" in report.changes[0].reason


@pytest.mark.once
def test_signal_that_is_not_finite_names_the_layer_and_changes_nothing():
    class Exploding(kl.Layer):
        def call(self, x):
            return x / 0.0

    model = keras.Sequential(
        [keras.Input((4,)), kl.Dense(8, "relu"), Exploding(), kl.Dense(1, name="after")]
    )
    before = [np.array(variable) for variable in model.variables]

    with pytest.raises(ValueError, match="layer 'after' is not finite"):
        initialize(model, data=RNG.normal(size=(16, 4)))

    assert all(np.array_equal(a, np.array(b)) for a, b in zip(before, model.variables, strict=True))
    assert not any("call" in vars(layer) for layer in model.layers)


def test_half_of_the_batch_is_taken_when_memory_runs_out(monkeypatch):
    run, sizes = _Correction._pass, []

    def scarce(self, batch):
        sizes.append(batch.size)
        if batch.size > 20:
            raise MemoryError
        run(self, batch)

    monkeypatch.setattr(_Correction, "_pass", scarce)
    model = keras.Sequential([keras.Input((4,)), kl.Dense(8, "relu", name="h"), kl.Dense(1)])

    report = initialize(model, data=RNG.normal(size=(64, 4)), seed=1)

    assert sizes[:3] == [64, 32, 16]
    assert sum("out of memory" in note for note in report.notes) == 2


@pytest.mark.once
def test_every_layer_is_run_in_few_passes():
    class Counting(kl.Layer):
        calls = 0

        def call(self, x):
            Counting.calls += 1
            return x + 0.0

    hidden = [kl.Dense(16, "relu") for _ in range(12)]
    model = keras.Sequential([keras.Input((16,)), Counting(), *hidden, kl.Dense(1)])
    built = Counting.calls
    correct = _Correction.all_passes
    passes = []

    def counted(self, batch):
        before = Counting.calls
        correct(self, batch)
        passes.append(Counting.calls - before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Correction, "all_passes", counted)
        initialize(model, data=RNG.normal(size=(64, 16)), seed=1)

    assert built
    assert passes == [1]


@pytest.mark.once
def test_one_example_says_nothing_of_others():
    model = keras.Sequential([keras.Input((8,)), kl.Dense(32, "relu"), kl.Dense(16)])

    report = initialize(model, data=np.ones((1, 8), "float32"), seed=1)

    assert report.notes[-1].endswith("on this one example; the variances on others are not known")


@pytest.mark.once
@pytest.mark.parametrize("count", [64, 512])
def test_report_says_what_to_expect_of_other_data(count):
    convolutions = [kl.Conv2D(16, 3, padding="same", activation="relu") for _ in range(8)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *convolutions, kl.Flatten(), kl.Dense(1)])
    scales = RNG.lognormal(0, 0.5, size=(2000, 1, 1, 1))
    x = (RNG.normal(size=(2000, 8, 8, 3)) * scales).astype("float32")

    report = initialize(model, data=x[:count], seed=1)
    fresh = variances(diagnose(model, x[1000:], examples=1000, max_elements=None))

    said = int(re.search(r"about (\d+)%", report.notes[-1]).group(1)) / 100
    off = max(abs(variance - 1) for variance in fresh.values())
    assert off < 5 * said
    assert said < 5 * max(off, 1 / np.sqrt(count))


def test_mixed_precision_is_corrected():
    policy = "mixed_bfloat16"
    model = keras.Sequential(
        [
            keras.Input((16,)),
            kl.Dense(32, "relu", dtype=policy, name="h"),
            kl.Dense(1, dtype="float32"),
        ]
    )
    x = 9 * RNG.normal(size=(128, 16)).astype("float32")

    found = variances(initialize(model, data=x, seed=1))

    assert model.get_layer("h").kernel.dtype == "float32"
    assert abs(found["h"] - 1) < PERCENT
    assert np.isfinite(ops.convert_to_numpy(model.get_layer("h").kernel)).all()
