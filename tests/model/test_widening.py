"""Learning rates that follow the width, and the check that shows whether they do."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from keras_initlab import initialize
from keras_initlab.model import (
    CoordinateCheck,
    coordinate_check,
    rate_factors,
    scale_learning_rates,
)

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
BATCH = RNG.normal(size=(64, 16)).astype("float32"), RNG.normal(size=(64, 1)).astype("float32")
BASE = 32


def built(width, optimizer=None, depth=3):
    hidden = [kl.Dense(width, "relu", name=f"hidden_{k}") for k in range(depth)]
    model = keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(1, name="out")])
    # Without a trace: models of many widths take a few steps each.
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    return model


def transferred(width):
    model = built(width)
    initialize(model, width_base=BASE, seed=int(keras.random.randint((), 0, 10_000)))
    scale_learning_rates(model, built(BASE))
    return model


def by_name(factors):
    return {"/".join(path.split("/")[-2:]): factor for path, factor in factors.items()}


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("adam", {"hidden_0": (1, 1), "hidden_1": (1 / 4, 1), "out": (1 / 4, 1)}),
        ("sgd", {"hidden_0": (4, 4), "hidden_1": (1, 4), "out": (1 / 4, 1)}),
    ],
)
def test_factors_are_those_of_the_paper(family, expected):
    factors = by_name(rate_factors(built(128), built(32), family=family))

    for layer, (kernel, bias) in expected.items():
        assert factors[f"{layer}/kernel"] == kernel
        assert factors[f"{layer}/bias"] == bias


def test_tables_convolutions_and_attention_have_their_own_fans():
    def build(width):
        ids = keras.Input((6,), dtype="int32")
        x = kl.Embedding(50, width, name="table")(ids)
        x = kl.Conv1D(width, 3, name="conv")(x)
        x = kl.MultiHeadAttention(width // 8, 8, name="attention")(x, x)
        x = kl.LayerNormalization(name="norm")(x)
        return keras.Model(ids, kl.Dense(1)(x))

    adam = by_name(rate_factors(build(64), build(16)))
    sgd = by_name(rate_factors(build(64), build(16), family="sgd"))

    assert (adam["table/embeddings"], sgd["table/embeddings"]) == (1, 4)
    assert (adam["conv/kernel"], sgd["conv/kernel"]) == (1 / 4, 1)
    assert (adam["query/kernel"], adam["attention_output/kernel"]) == (1 / 4, 1 / 4)
    assert (adam["norm/gamma"], sgd["norm/gamma"]) == (1, 4)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "accumulating": lambda: keras.optimizers.RMSprop(0.01, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("trained", [False, True])
def test_one_update_moves_each_weight_by_its_factor(name, trained):
    model, plain = built(64, OPTIMIZERS[name]()), built(64, OPTIMIZERS[name]())
    weights = model.get_weights()
    plain.set_weights(weights)
    if trained:
        # The step is compiled by then; without a rate it moves nothing.
        for network in (model, plain):
            network.optimizer.learning_rate = 0.0
            for _ in range(2):
                network.train_on_batch(*BATCH)
            network.optimizer.learning_rate = 0.01

    factors = scale_learning_rates(model, built(16)).values()
    for network in (model, plain):
        for _ in range(2 if name == "accumulating" else 1):
            network.train_on_batch(*BATCH)

    assert len(set(factors)) > 1
    moved = zip(weights, model.trainable_weights, plain.trainable_weights, factors, strict=True)
    for start, ours, theirs, factor in moved:
        np.testing.assert_allclose(
            np.array(ours) - start, factor * (np.array(theirs) - start), rtol=1e-3, atol=1e-7
        )


def test_check_tells_transfer_from_none():
    widths = [32, 512]

    without = coordinate_check(built, widths, BATCH, steps=3, seeds=2)
    with_transfer = coordinate_check(transferred, widths, BATCH, steps=3, seeds=2)

    assert with_transfer.flat, with_transfer
    assert not without.flat, without
    assert "does not carry over" in str(without)
    # Adam's steps add up over the inputs: hidden layers grow almost as fast as the width.
    assert without.slopes[1, 3] > 0.5
    assert np.all(np.abs(with_transfer.slopes[-1, :3]) < 0.25)


def test_first_look_is_the_untrained_model():
    check = coordinate_check(built, [16, 64], BATCH, steps=1, seeds=1)

    keras.utils.set_random_seed(0)
    model = built(16)
    hidden = keras.Model(model.inputs[0], model.layers[0].output)
    rms = np.sqrt(np.mean(np.square(keras.ops.convert_to_numpy(hidden(BATCH[0])))))
    assert check.rms.shape == (2, 1, 2, 4)
    assert check.rms[0, 0, 0, 0] == pytest.approx(rms, rel=1e-5)


def test_slope_is_the_power_of_the_width():
    widths = (8, 16, 64)
    sizes = np.array([[3.0 * w**0.5, 2.0 * w**-1.0, 7.0] for w in widths])
    check = CoordinateCheck(widths, ("a", "b", "c"), (False, True, False), sizes[:, None, None, :])

    np.testing.assert_allclose(check.slopes, [[0.5, -1.0, 0.0]], atol=1e-12)
    # An output may start small.
    assert list(check.drifting) == ["a"]
    assert check.to_dict()["flat"] is False
    assert len(check.to_pandas()) == 9
    assert len(check.plot().axes) == 1
    assert "width^+0.50" in check._repr_html_()


def test_layer_that_is_not_finite_is_drifting():
    sizes = np.array([1.0, np.nan])[:, None, None, None]

    assert not CoordinateCheck((8, 16), ("a",), (False,), sizes).flat


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: coordinate_check(built, [32], BATCH), "at least two widths"),
        (lambda: coordinate_check(built, [32, 64], BATCH, steps=0), "steps=0"),
        (lambda: coordinate_check(lambda w: built(w, depth=w // 16), [16, 32], BATCH, steps=1,
                                  seeds=1), "same layers"),
        (lambda: rate_factors(built(32), built(32, depth=2)), "except for their sizes"),
        (lambda: rate_factors(built(32), built(16), family="adamw"), "`family`"),
        (lambda: rate_factors(built(32), keras.Sequential([kl.Dense(1)])), "built=False"),
        (lambda: scale_learning_rates(keras.Sequential([keras.Input((4,)), kl.Dense(1)]),
                                      built(16)), "compiled"),
        (lambda: scale_learning_rates(built(32, keras.optimizers.Ftrl(0.1)), built(16)), "Ftrl"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
