"""A small network twice: as a Keras model, and by hand in float64."""

import keras
import numpy as np

from keras_initlab import ActivationVarianceLogger, HeNormal, XavierUniform

RATE = 0.05
WIDTH, INPUTS, BATCH = 24, 12, 16

# Six batches, of which the last is smaller, as nearly everybody's is.
ROWS = 5 * BATCH + 11
_RNG = np.random.default_rng(0)
X = _RNG.normal(0.5, 1.5, size=(ROWS, INPUTS)).astype("float32")
Y = _RNG.normal(size=(ROWS, 1)).astype("float32")

TENSORFLOW = keras.backend.backend() == "tensorflow"
JAX = keras.backend.backend() == "jax"
TORCH = keras.backend.backend() == "torch"

# Ways to compile a model.
# The first one is what Keras chooses where there is no GPU.
MODES = {
    **({"graph": {"jit_compile": False}, "xla": {"jit_compile": True}} if TENSORFLOW else {}),
    **({"jit": {"jit_compile": True}} if JAX else {}),
    **({} if TENSORFLOW or JAX else {"default": {}}),
    "eager": {"run_eagerly": True},
}


def network(model_class=keras.Model):
    """Dense relu, Dense tanh, Dense 1."""
    inputs = keras.Input((INPUTS,))
    x = keras.layers.Dense(WIDTH, "relu", kernel_initializer=HeNormal(seed=1), name="a")(inputs)
    x = keras.layers.Dense(WIDTH, "tanh", kernel_initializer=XavierUniform(seed=2), name="b")(x)
    outputs = keras.layers.Dense(1, kernel_initializer=XavierUniform(seed=3), name="c")(x)
    return model_class(inputs, outputs)


def compiled(model=None, **options):
    model = network() if model is None else model
    options = {"optimizer": keras.optimizers.SGD(RATE), "loss": "mse", **options}
    model.compile(**options)
    return model


def logger_of(**options):
    return ActivationVarianceLogger(
        **{"update_freq": 1, "max_elements": None, "on_problem": None, **options}
    )


def fitted(model, *callbacks, x=X, y=Y, **options):
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **options}
    return model.fit(x, y, callbacks=list(callbacks), **options)


def by_hand(weights, x, y):
    """One step in float64: what a look at it must hold, and the weights after it.

    Args:
        weights: Kernels and biases of the three layers.
        x: The batch.
        y: Its labels.
    """
    w = [np.asarray(weight, np.float64) for weight in weights]
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a = np.maximum(x @ w[0] + w[1], 0)
    b = np.tanh(a @ w[2] + w[3])
    c = b @ w[4] + w[5]
    dc = 2 * (c - y) / c.size
    db = dc @ w[4].T * (1 - b**2)
    da = db @ w[2].T * (a > 0)
    gradients = [x.T @ da, da.sum(0), a.T @ db, db.sum(0), b.T @ dc, dc.sum(0)]
    after = [weight - RATE * gradient for weight, gradient in zip(w, gradients, strict=True)]
    return {"a": a, "b": b, "c": c}, dict(zip("abc", gradients[::2], strict=True)), w[::2], after


def check_look(look, weights, x=X[:BATCH], y=Y[:BATCH], rel=2e-5):
    """Assert that a look holds what the float64 computation gives; return the weights after.

    `rel` bounds the rounding of float32 through three layers and a sum of 400 elements, 20 of its
    half ulps squared: sqrt(400) * 3 * 6e-8 is 4e-6.
    """
    outputs, gradients, kernels, after = by_hand(weights, x, y)
    seen = {name: look.by_layer(name) for name in NAMES}
    for kernel, (name, values) in zip(kernels, outputs.items(), strict=True):
        gradient = gradients[name]
        expected = {
            "count": values.size,
            "mean": values.mean(),
            "variance": values.var(),
            "rms": np.sqrt((values**2).mean()),
            "min": values.min(),
            "max": values.max(),
            "zero_fraction": (values == 0).mean(),
            "nonfinite_count": 0,
            "weight_variance": kernel.var(),
            "gradient_variance": gradient.var(),
            "gradient_norm": np.sqrt((gradient**2).sum()),
            "update_ratio": RATE * np.sqrt((gradient**2).sum() / (kernel**2).sum()),
        }
        for statistic, value in expected.items():
            got = seen[statistic][name]
            scale = values.std() if statistic in ("mean", "min", "max") else abs(value)
            assert abs(got - value) <= rel * scale, (name, statistic, got, value)
    return after


NAMES = (
    *("count", "mean", "variance", "rms", "min", "max", "zero_fraction", "nonfinite_count"),
    *("weight_variance", "gradient_variance", "gradient_norm", "update_ratio"),
)


def is_clean(model, seed_generators=()):
    """Whether nothing of ours is left on a model, its layers and its optimizer.

    `seed_generators` are those that the model has of its own.
    """
    covers = {"call", "quantized_call", "train_step", "make_train_function", "save", "compile"}
    optimizer = set(vars(model.optimizer)) & {"apply", "stateless_apply"}
    layers = [model, *model._flatten_layers()]
    covered = any(covers & set(vars(layer)) for layer in layers)
    session = vars(model).get("_initlab_session")
    watched = session is not None and bool(session._probes)
    own = model._seed_generators == list(seed_generators)
    return own and not covered and not optimizer and not watched
