import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from keras_initlab import ActivationVarianceLogger, HeNormal

RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 2.0, size=(91, 20)).astype("float32")
Y = RNG.normal(size=(91, 1)).astype("float32")


def built(seed=0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((20,))
    x = keras.layers.Dense(64, "relu", kernel_initializer=HeNormal(seed=1), name="first")(inputs)
    shared = keras.layers.Dense(64, "tanh", name="shared")
    x = shared(keras.layers.Dropout(0.3)(shared(x)))
    x = keras.layers.BatchNormalization(name="norm")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="last")(x))
    model.compile("adam", "mse", metrics=["mae"])
    return model


def fitted(model, *callbacks, epochs=2, **options):
    history = model.fit(
        X,
        Y,
        batch_size=16,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
        **options,
    )
    return history.history


def is_clean(model):
    covers = {"call", "train_step", "make_train_function"}
    return not model._seed_generators and not any(
        covers & set(layer.__dict__) for layer in [model, *model.layers]
    )


def test_first_look_equals_a_sub_model_on_the_untrained_batch():
    model = built()
    part = keras.Model(model.input, model.get_layer("first").output)
    output = keras.ops.convert_to_numpy(part(X[:16])).astype("float64")
    logger = ActivationVarianceLogger(update_freq=5, max_elements=None)

    fitted(model, logger)

    look = logger.looks[0]
    assert look.step == 0
    # float32 rounding over 1,024 elements: sqrt(1024) half-ulps, relative.
    rounding = 32 * float(np.finfo("float32").eps)
    assert look.by_layer("mean")["first"] == pytest.approx(output.mean(), rel=rounding)
    assert look.by_layer("variance")["first"] == pytest.approx(output.var(), rel=rounding)
    assert look.by_layer("zero_fraction")["first"] == (output == 0).mean()
    assert look.by_layer("dead_fraction")["first"] == (output == 0).all(0).mean()


def test_event_file_holds_the_variance_of_a_sub_model(tmp_path):
    model = built()
    part = keras.Model(model.input, model.get_layer("first").output)
    expected = keras.ops.convert_to_numpy(part(X[:16])).astype("float64").var()

    fitted(model, ActivationVarianceLogger(tmp_path, max_elements=None))

    events = EventAccumulator(str(tmp_path)).Reload()
    first = events.Tensors("signal/activation_variance/first")[0]
    assert first.step == 0
    written = float(tensor_util.make_ndarray(first.tensor_proto))
    assert written == pytest.approx(expected, rel=32 * float(np.finfo("float32").eps))


@pytest.mark.parametrize(
    ("update_freq", "steps"),
    [(4, [0, 4, 8]), ("batch", list(range(12))), ("epoch", [0, 5, 11]), (100, [0])],
)
def test_looks_follow_update_freq(update_freq, steps):
    logger = ActivationVarianceLogger(update_freq=update_freq)

    fitted(built(), logger)

    assert [look.step for look in logger.looks] == steps


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_epoch_looks_work_when_the_number_of_steps_is_unknown():
    def batches():
        for start in range(0, 91, 16):
            yield X[start : start + 16], Y[start : start + 16]

    logger = ActivationVarianceLogger(update_freq="epoch")
    model = built()

    model.fit(batches(), verbose=0, shuffle=False, callbacks=[logger])

    assert [look.step for look in logger.looks] == [0, 5]


def test_steps_go_on_in_a_second_fit():
    logger, model = ActivationVarianceLogger(update_freq=4), built()

    fitted(model, logger, epochs=1)
    fitted(model, logger, epochs=1)

    # The first step of the second fit is looked at whatever the schedule says.
    assert [look.step for look in logger.looks] == [0, 4, 6, 8]


def test_sink_may_be_a_list():
    looks = []

    fitted(built(), ActivationVarianceLogger(update_freq=4, sink=looks))

    assert [look.step for look in looks] == [0, 4, 8]


def test_model_is_clean_after_training():
    model = built()
    before = len(model.non_trainable_variables)

    fitted(model, ActivationVarianceLogger(update_freq=1))

    assert is_clean(model)
    assert len(model.non_trainable_variables) == before


def test_model_is_clean_at_its_next_use_when_fit_has_raised():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model, logger = built(), ActivationVarianceLogger(update_freq=1)
    with pytest.raises(KeyboardInterrupt):
        fitted(model, logger, Stop())
    seen = len(logger.looks)

    model.predict(X, verbose=0)
    assert is_clean(model)
    fitted(model)

    assert len(logger.looks) == seen


def test_subclassed_model_is_watched_at_any_depth():
    class Block(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner = keras.layers.Dense(8, "relu", name="inner")

        def call(self, x):
            return self.inner(x)

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.block, self.head = Block(), keras.layers.Dense(1, name="head")

        def call(self, x):
            return self.head(self.block(x))

    model, logger = Net(), ActivationVarianceLogger(update_freq=1)
    model.compile("sgd", "mse")

    model.fit(X, Y, verbose=0, callbacks=[logger])

    assert [layer.name for layer in logger.looks[0].layers] == ["inner", "head"]


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="a JAX step returns state itself")
def test_custom_train_step_is_watched():
    class Twice(keras.Model):
        def train_step(self, data):
            super().train_step(data)
            return super().train_step(data)

    inputs = keras.Input((20,))
    model = Twice(inputs, keras.layers.Dense(1, name="head")(inputs))
    model.compile("sgd", "mse")
    logger = ActivationVarianceLogger(update_freq=1)

    model.fit(X, Y, verbose=0, callbacks=[logger])

    assert [layer.name for layer in logger.looks[0].layers] == ["head", "head#2"]


def test_works_beside_the_keras_callbacks(tmp_path):
    pytest.importorskip("tensorflow", reason="Keras writes its TensorBoard logs by TensorFlow")
    board = keras.callbacks.TensorBoard(tmp_path)
    logger = ActivationVarianceLogger(tmp_path, update_freq=2)

    fitted(built(), board, logger)

    assert [look.step for look in logger.looks] == [0, 2, 4, 6, 8, 10]
