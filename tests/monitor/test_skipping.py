"""Steps that are not finite, taken back as if their batches had not come."""

import keras
import numpy as np
import pytest
from grids import over
from keras import layers, ops
from monitoring import BATCH, INPUTS, JAX, MODES, TORCH, X, Y, is_clean

from keras_initlab import ActivationVarianceLogger, SignalError, SignalWarning

# Four batches, the last one smaller.
ROWS = 3 * BATCH + 11
X, Y = X[:ROWS], Y[:ROWS]


def network(activation="relu"):
    """Dropout with and without a seed, batch statistics."""
    x = inputs = keras.Input((INPUTS,))
    x = layers.Dropout(0.3, seed=5)(layers.Dense(4, activation, name="a")(layers.Dropout(0.2)(x)))
    return keras.Model(inputs, layers.Dense(1, name="c")(layers.BatchNormalization()(x)))


class Numbers(keras.callbacks.Callback):
    """What the progress bar would show."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append({name: float(value) for name, value in logs.items()})


def trained(callbacks, x=X, y=Y, make=network, optimizer=lambda: "adam", epochs=1, **options):
    """All variables, the history, the numbers of batches, and what Keras's seed draws next."""
    keras.utils.set_random_seed(0)
    model, numbers = make(), Numbers()
    own = list(model._seed_generators)
    model.compile(**{"loss": "mse", "metrics": ["mae"], "optimizer": optimizer(), **options})
    how = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "epochs": epochs}
    history = model.fit(x, y, callbacks=[*callbacks, numbers], **how)
    values = [ops.convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]
    assert is_clean(model, own)
    return values, history.history, numbers.seen, float(keras.random.uniform(()))


def skipping(**options):
    return ActivationVarianceLogger(**{"skip_nonfinite": True, "on_problem": None, **options})


def spoilt(*batches):
    """The data with a wrong number in these batches, and the data without them."""
    x, kept = X.copy(), np.ones(ROWS, bool)
    for batch in batches:
        # The whole row: dropout may leave a single number out.
        x[batch * BATCH + 3] = np.nan
        kept[batch * BATCH : (batch + 1) * BATCH] = False
    return x, X[kept], Y[kept]


def assert_same(one, other):
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)


def assert_left_out(*batches, **options):
    """Assert that training with bad batches is, bit for bit, that without them."""
    x, rest, labels = spoilt(*batches)
    logger = skipping()
    skipped, plain = trained([logger], x, **options), trained([], rest, labels, **options)
    assert_same(skipped[0], plain[0])
    assert logger.report.skipped_steps == batches
    # Losses and metrics of the epoch, and what is drawn next.
    assert skipped[1] == plain[1]
    assert skipped[3] == plain[3]


class Own(keras.Model):
    """A step of the user's own around Keras's."""

    def train_step(self, *args):
        return super().train_step(*args)


class Apart(layers.Layer):
    """Holds an infinite number on purpose."""

    def build(self, shape):
        self.mask = self.add_weight(shape=(), initializer=lambda *a, **k: ops.array(-np.inf))

    def call(self, x):
        return x * ops.where(ops.isfinite(self.mask), 0.0, 1.0)


def own_network():
    x = inputs = keras.Input((INPUTS,))
    x = layers.BatchNormalization()(layers.Dense(4, "relu")(Apart(trainable=False)(x)))
    return Own(inputs, layers.Dense(1)(x))


def smooth_network():
    """TensorFlow's fused ReLU makes 0 of NaN on some processors, and then only the gradient is not
    finite, which the loss scale leaves out by itself."""
    return network("tanh")


def scaled():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), dynamic_growth_steps=2)


def accumulating():
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    return keras.optimizers.SGD(
        rate, momentum=0.9, clipnorm=1.0, gradient_accumulation_steps=2, use_ema=True
    )


def several():
    optimizers = keras.optimizers
    by_name = optimizers.OptimizerMap(optimizers.Adam(), {"c/.*": optimizers.SGD(0.1)})
    return optimizers.MultiOptimizer(by_name)


# Where a batch lies that is left out, how the model is made and compiled, and how it runs.
WAYS = [
    ((0,), {} if JAX else {"run_eagerly": True}),
    ((3,), {"make": own_network, "optimizer": accumulating}),
    ((0, 2), {"make": smooth_network, "optimizer": scaled}),
    ((1,), {"optimizer": several, **({} if TORCH else {"steps_per_execution": 2})}),
]


@over(WAYS)
def test_training_is_that_without_the_bad_batches(batches, options):
    """Bit for bit: weights, statistics, optimizer, seeds, the metrics of the epoch."""
    assert_left_out(*batches, **options)


def test_training_without_a_bad_batch_is_that_without_the_callback():
    skipped, plain = trained([skipping()]), trained([])
    assert_same(skipped[0], plain[0])
    assert skipped[1:] == plain[1:]


@pytest.mark.slow
@pytest.mark.skipif("xla" not in MODES, reason="XLA of TensorFlow")
def test_xla_leaves_a_batch_out_bit_for_bit_in_its_own_program():
    x, rest, labels = spoilt(2)
    skipped = trained([skipping()], x, **MODES["xla"])
    assert_same(skipped[0], trained([skipping()], rest, labels, **MODES["xla"])[0])


def small():
    return keras.Sequential([keras.Input((INPUTS,)), layers.Dense(1, name="c")])


class Batches(keras.callbacks.Callback):
    """Counts batches."""

    count = 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1


def told_in(said):
    """What our warnings say, in one line each."""
    ours = [one for one in said if one.category is SignalWarning]
    return [" ".join(str(one.message).split()) for one in ours]


def test_too_many_in_a_row_stop_training_with_the_model_as_it_was_before_them():
    batches, looks = Batches(), []
    x, rest, labels = spoilt(1, 2, 3)
    logger = skipping(skip_nonfinite=2, on_problem="warn", sink=looks)
    with pytest.warns(SignalWarning) as said:
        stopped = trained([logger, batches], x, make=small, epochs=3, run_eagerly=True)
    plain = trained([], rest, labels, make=small, run_eagerly=True)

    assert_same(stopped[0], plain[0])
    assert batches.count == 3
    assert logger.report.skipped_steps == (1, 2)
    first, last = told_in(said)
    assert f"step 1 · c: the batch has {INPUTS} NaN" in first
    assert "(the step was skipped)" in first
    assert "the last 2 steps were not finite and were skipped" in last
    assert "the model is as it was before step 1" in last
    assert "2 steps were not finite and skipped: 1, 2." in logger.report.complaints()
    assert logger.report.to_dict()["skipped_steps"] == [1, 2]
    assert [problem.step for look in looks for problem in look.problems][:2] == [1, 2]
    assert looks[-1].problems[0].text == "2 steps were not finite and skipped: 1, 2."


def test_a_skipped_step_ends_nothing_whatever_is_wanted_of_problems():
    x, _, _ = spoilt(1, 3)
    for on_problem in ("stop", "raise"):
        logger, batches = skipping(on_problem=on_problem), Batches()
        with pytest.warns(SignalWarning) as said:
            trained([logger, batches], x, make=small, epochs=2, run_eagerly=True)
        (text,) = told_in(said)
        assert "the step was skipped" in text
        assert batches.count == 8
        assert logger.report.skipped_steps == (1, 3, 5, 7)


def test_the_limit_raises_where_problems_are_to_be_raised():
    x, _, _ = spoilt(0, 1, 2, 3)
    logger = skipping(on_problem="raise", skip_nonfinite=3)
    with (
        pytest.warns(SignalWarning, match="not finite|NaN"),
        pytest.raises(SignalError, match="so training stops"),
    ):
        trained([logger], x, make=small, run_eagerly=True)


@pytest.mark.parametrize("value", ["yes", 2.5, None])
def test_the_limit_is_a_number(value):
    with pytest.raises(TypeError, match="number of steps in a row that may be skipped"):
        ActivationVarianceLogger(skip_nonfinite=value)


def test_the_limit_is_not_negative():
    with pytest.raises(ValueError, match="so it must not be negative"):
        ActivationVarianceLogger(skip_nonfinite=-1)


@pytest.mark.skipif(not TORCH, reason="torch.compile")
def test_a_step_that_torch_compiles_is_refused():
    model = small()
    model.compile("sgd", "mse", jit_compile=True)
    with pytest.raises(ValueError, match="compile the model with `jit_compile=False`"):
        model.fit(X, Y, verbose=0, callbacks=[skipping()])
