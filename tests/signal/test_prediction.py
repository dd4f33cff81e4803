"""What theory expects of each layer, beside what the callback measures in it."""

import keras
import numpy as np
import pytest
from keras import layers
from monitoring import BATCH, X, compiled, fitted, logger_of

from keras_initlab._wire import SECTIONS

pytestmark = pytest.mark.once


def seen_by(logger, model=None, **options):
    fitted(compiled() if model is None else model, logger, **options)
    return logger.looks[0]


def test_theory_is_written_once_with_the_first_look():
    model = compiled()
    kernels = model.get_weights()[::2]
    logger = logger_of()

    look = seen_by(logger, model)

    assert "theory" in look.sections
    assert all("theory" not in later.sections for later in logger.looks[1:])
    # ReLU of a Gaussian of variance q: mean square q / 2, mean sqrt(q / 2 pi).
    q = (np.float64(X[:BATCH]) ** 2).mean() * len(kernels[0]) * (np.float64(kernels[0]) ** 2).mean()
    predicted = look.by_layer("predicted_variance")["a"]
    assert predicted == pytest.approx(q / 2 - q / (2 * np.pi), rel=1e-4)
    assert set(SECTIONS["theory"]) == {"predicted_mean", "predicted_variance"}


@pytest.mark.parametrize(
    ("layer", "fans"),
    [
        (layers.DepthwiseConv2D(3), [9]),
        (layers.SeparableConv2D(6, 3, depth_multiplier=2), [9, 8]),
        # Every second place of the window lies on the signal, along each axis.
        (layers.Conv2DTranspose(6, 4, strides=2), [4 * 4]),
        (layers.Conv2D(6, 3, groups=2), [9 * 2]),
        # 22 of 24 places along each axis: two windows of eight have one row on the padding.
        (layers.Conv2D(6, 3, padding="same"), [9 * 4 * (22 / 24) ** 2]),
        (layers.EinsumDense("bhwc,cd->bhwd", (8, 8, 5)), [4]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, layers.Layer) else "",
)
def test_theory_counts_the_connections_that_the_layer_has(layer, fans):
    inputs = keras.Input((8, 8, 4))
    layer = type(layer).from_config({**layer.get_config(), "name": "wide"})
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(layer(inputs))))
    images = np.random.default_rng(0).normal(size=(BATCH, 8, 8, 4)).astype("float32")
    kernels = [weight for weight in layer.get_weights() if weight.ndim > 1]
    expected = np.mean(np.float64(images) ** 2)
    for kernel, fan in zip(kernels, fans, strict=True):
        expected *= fan * np.mean(np.float64(kernel) ** 2)

    look = seen_by(logger_of(), compiled(model), x=images, y=np.ones((BATCH, 1)))

    assert look.by_layer("predicted_variance")["wide"] == pytest.approx(expected, rel=1e-5)


def test_theory_knows_that_a_norm_leaves_small_what_is_small_beside_its_epsilon():
    ids = keras.Input((6,), dtype="int32")
    scheme = keras.initializers.RandomNormal(stddev=0.02, seed=1)
    x = layers.Embedding(500, 64, embeddings_initializer=scheme, name="table")(ids)
    norm = layers.LayerNormalization(name="norm")
    model = keras.Model(ids, layers.Dense(1)(layers.Flatten()(norm(x))))
    table = np.float64(model.get_layer("table").get_weights()[0]).var()

    look = seen_by(
        logger_of(),
        compiled(model),
        x=np.random.default_rng(0).integers(0, 500, (BATCH, 6)),
        y=np.ones((BATCH, 1)),
    )

    expected = table / (table + norm.epsilon)
    assert look.by_layer("predicted_variance")["norm"] == pytest.approx(expected, rel=1e-4)
    # The variance of a row of 64 numbers has a standard error of sqrt(2 / 64) of it.
    assert look.by_layer("variance")["norm"] == pytest.approx(expected, rel=5 * np.sqrt(2 / 64))


@pytest.mark.parametrize(("center", "silent"), [(0.0, False), (0.02, False), (0.5, True)])
def test_theory_says_nothing_where_the_mean_of_the_weights_decides(center, silent):
    scheme = keras.initializers.RandomUniform(center - 0.5, center + 0.5, seed=1)
    model = keras.Sequential(
        [keras.Input((X.shape[1],)), layers.Dense(64, kernel_initializer=scheme, name="a")]
    )
    model.add(layers.Dense(1))

    look = seen_by(logger_of(), compiled(model))

    assert np.isnan(look.by_layer("predicted_variance")["a"]) == silent


def test_theory_starts_again_behind_a_layer_that_it_cannot_follow():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.AveragePooling2D(3, strides=1, name="unknown"),
            layers.Flatten(),
            layers.Dense(9, name="known"),
        ]
    )
    images = np.random.default_rng(0).normal(size=(BATCH, 8, 8, 1)).astype("float32")

    kernel = np.float64(model.get_layer("known").get_weights()[0])

    look = seen_by(logger_of(), compiled(model), x=images, y=np.ones((BATCH, 9)))

    entering = look.by_layer("rms")["unknown"] ** 2
    assert np.isnan(look.by_layer("predicted_variance")["unknown"])
    expected = entering * len(kernel) * (kernel**2).mean()
    assert look.by_layer("predicted_variance")["known"] == pytest.approx(expected, rel=1e-4)
