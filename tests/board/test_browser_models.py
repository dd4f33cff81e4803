"""Pages of models as others write them, trained with the real callback, at every width."""

import importlib.util
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from drawn import shown_blocks, shown_variances, variances_of
from keras import layers, ops
from served import CHROMIUM, DRIVER, SignalTab, until

from keras_initlab import ActivationVarianceLogger

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"
    ),
]

EXAMPLES = Path(__file__).parents[2] / "examples"
RNG = np.random.default_rng(0)
# A last batch that is smaller.
ROWS, BATCH = 75, 32


def example(name):
    """A module of the examples, which stand in no package."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXAMPLES))
    return module


def flagship():
    """Wide & Deep on Adult with the scheme that stops the tower."""
    data = example("adult").load_adult()
    model = example("wide_and_deep").build(
        lambda: keras.initializers.RandomNormal(stddev=0.01), data.vocabulary
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy")
    return model, {name: rows[:ROWS] for name, rows in data.train_x.items()}, data.train_y[:ROWS]


def two_towers():
    """Users and items whose last items come from one table."""
    users, items = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    seen = keras.Input((5,), dtype="int32")
    table = layers.Embedding(40, 8, name="items")
    user = layers.Flatten()(layers.Embedding(30, 8, name="users")(users))
    user = layers.Concatenate()([user, layers.GlobalAveragePooling1D()(table(seen))])
    item = layers.Flatten()(table(items))
    for units in (16, 8):
        user = layers.Dense(units, "relu", name=f"user_{units}")(user)
        item = layers.Dense(units, "relu", name=f"item_{units}")(item)
    model = keras.Model([users, seen, items], layers.Dot(1, name="score")([user, item]))
    model.compile("adam", "mse")
    ids = [RNG.integers(0, 30, (ROWS, 1)), RNG.integers(0, 40, (ROWS, 5))]
    return model, [*ids, RNG.integers(0, 40, (ROWS, 1))], RNG.normal(size=(ROWS, 1))


def transformer():
    """48 blocks before their normalization, as GPT-2 has them."""
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(50, 16, name="tokens")(inputs)
    for number in range(48):
        name = f"block_{number}"
        h = layers.LayerNormalization(name=f"{name}_norm_1")(x)
        h = layers.MultiHeadAttention(2, 8, name=f"{name}_attention")(h, h, use_causal_mask=True)
        x = layers.Add(name=f"{name}_add_1")([x, h])
        h = layers.LayerNormalization(name=f"{name}_norm_2")(x)
        h = layers.Dense(32, "gelu", name=f"{name}_up")(h)
        h = layers.Dense(16, name=f"{name}_down")(h)
        x = layers.Add(name=f"{name}_add_2")([x, h])
    x = layers.LayerNormalization(name="last_norm")(x)
    model = keras.Model(inputs, layers.Dense(50, name="head")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=True)
    tokens = RNG.integers(0, 50, (ROWS, 7))
    return model, tokens[:, :-1], tokens[:, 1:]


class Gan(keras.Model):
    """Two networks and a training step of its own with two optimizers."""

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def compile(self, optimizers, **options):
        super().compile(optimizer=optimizers[0], **options)
        self.second = optimizers[1]
        self.error = keras.losses.BinaryCrossentropy(from_logits=True)

    def call(self, noise):
        return self.discriminator(self.generator(noise))

    def train_step(self, real):
        import tensorflow as tf

        noise = keras.random.normal((ops.shape(real)[0], 8))
        with tf.GradientTape() as tape:
            found = self.discriminator(ops.concatenate([self.generator(noise), real], 0))
            half = ops.ones_like(found[: ops.shape(real)[0]])
            loss = self.error(ops.concatenate([0 * half, half], 0), found)
        weights = self.discriminator.trainable_variables
        self.second.apply(tape.gradient(loss, weights), weights)
        with tf.GradientTape() as tape:
            fooled = self(noise)
            loss = self.error(ops.ones_like(fooled), fooled)
        weights = self.generator.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": loss}


def gan():
    generator = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(7 * 7 * 4, name="seed"),
            layers.Reshape((7, 7, 4)),
            layers.Conv2DTranspose(8, 4, 2, "same", activation="relu", name="grow"),
            layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh", name="paint"),
        ],
        name="generator",
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(8, 3, 2, "same", activation="leaky_relu", name="look"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1, name="judge"),
        ],
        name="discriminator",
    )
    model = Gan(generator, discriminator)
    rates = [keras.optimizers.Adam(1e-4, beta_1=0.5) for _ in range(2)]
    model.compile(rates)
    return model, RNG.uniform(-1, 1, (ROWS, 28, 28, 1)).astype("float32"), None


MODELS = {model.__name__: model for model in (flagship, two_towers, transformer, gan)}


@pytest.fixture(scope="module", params=MODELS)
def watched(request, tmp_path_factory):
    """The name, the logger, and the saved page of a trained model."""
    keras.utils.set_random_seed(0)
    model, x, y = MODELS[request.param]()
    logger = ActivationVarianceLogger(update_freq=1, on_problem=None, verbose=0)
    model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[logger])
    path = tmp_path_factory.mktemp("page") / "signal.html"
    logger.report.save(path)
    return request.param, logger, path


def test_numbers_of_the_callback_are_drawn_at_every_width_in_both_themes(watched, driver):
    name, logger, path = watched
    tab = SignalTab(driver, "")
    for width in (600, 800, 1280, 1920):
        for theme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": theme}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            driver.set_window_size(width, 1400)
            driver.get("about:blank")
            driver.get(path.as_uri())
            until(lambda: tab.all(".profilePart .now"))
            tab.picture(f"{name}-{width}-{theme}")
            assert tab.run("return document.documentElement.classList.contains('dark')") is (
                theme == "dark"
            )
            room = (
                "const page = document.documentElement;"
                "return page.scrollWidth <= page.clientWidth + 1"
            )
            assert tab.run(room), (width, theme)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    (run,) = tab.texts(".runs .name")
    text = tab.text("output.step")
    step = int(text.split()[text.split().index("step") + 1])
    expected, shown = variances_of(logger, step), shown_variances(tab, run)
    assert len(shown) >= 3
    for layer, value in shown.items():
        assert value == pytest.approx(expected[layer], rel=6e-3)
    blocks = shown_blocks(tab, run)
    # Blocks that are alike are folded.
    assert len(blocks) == (48 if name == "transformer" else 0)
    assert blocks or len(shown) == len(expected)
    for block, (least, _, greatest) in blocks.items():
        inside = [value for layer, value in expected.items() if layer.startswith(f"{block}_")]
        assert least == pytest.approx(min(inside), rel=6e-3)
        assert greatest == pytest.approx(max(inside), rel=6e-3)
    logged = driver.get_log("browser")
    assert not [entry for entry in logged if entry["level"] == "SEVERE"], logged
