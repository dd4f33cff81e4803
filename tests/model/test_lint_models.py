"""The linter on whole models: subclassed ones, Keras's applications, the tables of keras-rs."""

import keras
import numpy as np
import pytest
from keras import layers
from monitoring import JAX, TENSORFLOW

from keras_initlab import lint


def dense(**options):
    return layers.Dense(**{"units": 16, "activation": "relu", "name": "a", **options})


def test_layers_inside_subclassed_and_nested_models_are_found():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.inside = keras.Sequential([dense(kernel_initializer="zeros")])
            self.head = layers.Dense(1, kernel_initializer="zeros", name="head")

        def call(self, x):
            return self.head(self.inside(x))

    model = Net()
    model(np.zeros((2, 16), "float32"))

    (finding,) = lint(model)

    assert (finding.rule, finding.layer) == ("equal-units", "a")


def test_subclassed_model_of_healthy_parts_has_no_findings():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.norm = layers.LayerNormalization()
            self.up = layers.Dense(64, "gelu")
            self.down = layers.Dense(16, kernel_initializer="zeros")

        def call(self, x):
            return x + self.down(self.up(self.norm(x)))

    inputs = keras.Input((16,))
    model = keras.Model(inputs, layers.Dense(1)(Block()(inputs)))

    assert lint(model) == []


def test_every_variable_that_is_not_finite_is_found():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.frozen, self.norm = dense(trainable=False), layers.BatchNormalization(name="norm")
            self.own = self.add_weight(
                shape=(), initializer=keras.initializers.Constant(np.nan), name="own"
            )

        def call(self, x):
            return self.norm(self.frozen(x)) * self.own

    model = Net()
    model(np.zeros((2, 16), "float32"))
    model.frozen.set_weights([np.full((16, 16), np.inf), np.zeros(16)])
    model.own.assign(np.nan)
    model.norm.gamma.assign(np.full(16, np.nan))

    found = lint(model)

    assert {finding.rule for finding in found} == {"nonfinite"}
    assert sorted(finding.paths[0].split("/")[-1] for finding in found) == [
        "gamma",
        "kernel",
        "own",
    ]


@pytest.mark.skipif(not TENSORFLOW, reason="slow to build elsewhere, and the numbers are the same")
@pytest.mark.parametrize(
    "name",
    [
        *("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0"),
        *("ResNet50V2", "Xception", "VGG16", "VGG19"),
        pytest.param("ConvNeXtTiny", marks=pytest.mark.slow),
    ],
)
def test_no_application_of_keras_has_findings(name):
    model = getattr(keras.applications, name)(
        weights=None, include_top="VGG" not in name, input_shape=(96, 96, 3)
    )

    assert lint(model) == []


@pytest.mark.skipif(not (TENSORFLOW or JAX), reason="keras-rs has no distributed tables on torch")
def test_tables_of_keras_rs_that_share_a_default_are_found():
    rs = pytest.importorskip("keras_rs").layers

    class Towers(keras.Model):
        def __init__(self):
            super().__init__()
            sizes = {"user": 100, "item": 80}
            configs = {name: rs.TableConfig(name, size, 16) for name, size in sizes.items()}
            self.tables = rs.DistributedEmbedding(
                {name: rs.FeatureConfig(name, configs[name], (8,), (8, 16)) for name in sizes}
            )
            self.head = layers.Dense(1)

        def call(self, ids):
            vectors = self.tables(ids)
            return self.head(vectors["user"] * vectors["item"])

    model = Towers()
    model({"user": np.arange(8), "item": np.arange(8)})

    (finding,) = lint(model)

    assert finding.rule == "same-weights"
    assert sorted(path.split("/")[-2] for path in finding.paths) == ["item", "user"]
    # The shorter table, 80 rows of 16.
    assert "same 1280 numbers, correlation 1.000" in finding.evidence
