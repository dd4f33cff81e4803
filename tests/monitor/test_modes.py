"""Every way in which Keras trains, against a computation in float64."""

import keras
import monitoring
import numpy as np
import pytest
from monitoring import BATCH, JAX, MODES, TORCH, X, Y, check_look, compiled, fitted, logger_of


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("makes", ["nothing", "variables"])
def test_looks_hold_what_float64_gives(mode, makes):
    options = MODES[mode]
    if makes == "variables":
        # TensorFlow traces a step twice that makes variables: momenta, too small to matter, and
        # those of a metric.
        momentum = keras.optimizers.SGD(monitoring.RATE, momentum=1e-30)
        options = {"optimizer": momentum, "metrics": ["mae"], **options}
    model = compiled(**options)
    weights = model.get_weights()
    logger = logger_of()

    fitted(model, logger)

    assert [look.step for look in logger.looks] == list(range(6))
    for step, look in enumerate(logger.looks):
        batch = slice(step * BATCH, (step + 1) * BATCH)
        weights = check_look(look, weights, X[batch], Y[batch])


@pytest.mark.skipif(TORCH, reason="Keras on torch runs single steps")
@pytest.mark.parametrize("steps", [1, 4, 32])
def test_no_look_is_lost_under_steps_per_execution(steps):
    model = compiled(steps_per_execution=steps)
    weights = model.get_weights()
    logger = logger_of()

    fitted(model, logger, epochs=2)

    assert [look.step for look in logger.looks] == list(range(12))
    for look in logger.looks:
        batch = slice(look.step % 6 * BATCH, (look.step % 6 + 1) * BATCH)
        weights = check_look(look, weights, X[batch], Y[batch])


@pytest.mark.skipif(not TORCH, reason="a compiler of torch")
def test_looked_at_steps_run_as_plain_python_under_torch_compile():
    model = compiled(jit_compile=True)
    weights = model.get_weights()
    logger = logger_of(update_freq=5)

    fitted(model, logger)

    assert [look.step for look in logger.looks] == [0, 5]
    check_look(logger.looks[0], weights)
    assert monitoring.is_clean(model)


def test_partial_last_batch_is_looked_at_whole():
    model = compiled()
    weights, logger = model.get_weights(), logger_of()

    fitted(model, logger, x=X[: BATCH + 5], y=Y[: BATCH + 5])

    weights = check_look(logger.looks[0], weights)
    check_look(logger.looks[1], weights, X[BATCH : BATCH + 5], Y[BATCH : BATCH + 5])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_measured_in_float32(policy):
    with Policy(policy):
        model = compiled(monitoring.network())
    weights, logger = model.get_weights(), logger_of()

    fitted(model, logger)

    # bfloat16 has 8 bits: half an ulp is 1/512, of each of three layers.
    rel = 5 * 3 / 512
    outputs, gradients, kernels, _ = monitoring.by_hand(weights, X[:BATCH], Y[:BATCH])
    look = logger.looks[0]
    for name, values in outputs.items():
        assert look.by_layer("variance")[name] == pytest.approx(values.var(), rel=rel)
        norm = np.sqrt((gradients[name] ** 2).sum())
        # Loss scaling of 2**15 is taken out again.
        assert look.by_layer("gradient_norm")[name] == pytest.approx(norm, rel=2 * rel)
    assert look.layers[0].dtype == policy.removeprefix("mixed_")
    assert look.by_layer("weight_variance")["a"] == pytest.approx(kernels[0].var(), rel=1e-5)


class Policy:
    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.name)

    def __exit__(self, *error):
        keras.config.set_dtype_policy(self.before)


def test_gradient_accumulation_moves_weights_at_its_own_pace():
    model = compiled(optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    logger = logger_of()

    fitted(model, logger)

    moved = [look.by_layer("update_ratio")["a"] > 0 for look in logger.looks]
    assert moved == [False, True] * 3
    assert all(look.by_layer("gradient_norm")["a"] > 0 for look in logger.looks)


def test_moving_average_of_weights_leaves_the_look_as_it_is():
    model = compiled(optimizer=keras.optimizers.SGD(monitoring.RATE, use_ema=True))
    weights, logger = model.get_weights(), logger_of()

    fitted(model, logger)

    check_look(logger.looks[0], weights)


def test_class_weight_reaches_the_gradient():
    labels = (Y > 0).astype("float32")
    norms = []
    for weight in ({0: 1.0, 1: 1.0}, {0: 3.0, 1: 3.0}):
        model, logger = compiled(), logger_of()
        fitted(model, logger, y=labels, class_weight=weight)
        norms.append(logger.looks[0].by_layer("gradient_norm")["a"])

    assert norms[1] == pytest.approx(3 * norms[0], rel=1e-5)


def test_py_dataset_with_workers_is_watched():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            return X[:BATCH], Y[:BATCH]

    model = compiled()
    weights, logger = model.get_weights(), logger_of()

    model.fit(Batches(workers=2), verbose=0, shuffle=False, callbacks=[logger])

    check_look(logger.looks[0], weights)
    assert len(logger.looks) == 6


def test_train_on_batch_is_watched_when_the_callback_is_called_by_hand():
    model = compiled()
    weights, logger = model.get_weights(), logger_of()
    logger.set_model(model)

    logger.on_train_begin()
    for step in range(3):
        batch = slice(step * BATCH, (step + 1) * BATCH)
        model.train_on_batch(X[batch], Y[batch])
        logger.on_train_batch_end(step)
    logger.on_train_end()

    for step, look in enumerate(logger.looks):
        batch = slice(step * BATCH, (step + 1) * BATCH)
        weights = check_look(look, weights, X[batch], Y[batch])
    assert len(logger.looks) == 3
    assert monitoring.is_clean(model)


def test_another_callback_may_train_on_a_batch():
    class More(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.train_on_batch(X[:BATCH], Y[:BATCH])

    if JAX:
        pytest.skip("Keras on JAX holds the state apart during fit")
    model, logger = compiled(), logger_of()

    fitted(model, More(), logger)

    # Both kinds of step count; those of `fit` are read.
    assert logger.looks[-1].step == 11
    assert monitoring.is_clean(model)


def test_two_loggers_see_the_same_and_leave_in_any_order():
    model = compiled()
    weights = model.get_weights()
    one, other = logger_of(), logger_of(update_freq=3)

    fitted(model, one, other)

    check_look(one.looks[0], weights)
    check_look(other.looks[0], weights)
    assert [look.step for look in other.looks] == [0, 3]
    assert monitoring.is_clean(model)


def test_initial_epoch_moves_the_count_of_steps():
    logger = logger_of()

    fitted(compiled(), logger, epochs=5, initial_epoch=3)

    assert [look.step for look in logger.looks] == list(range(18, 30))


def test_steps_go_on_after_backup_and_restore(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    backup = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        fitted(compiled(), keras.callbacks.BackupAndRestore(backup), Stop(), epochs=2)
    logger = logger_of()

    # The logger comes first: the model is restored after its `on_train_begin`.
    fitted(compiled(), logger, keras.callbacks.BackupAndRestore(backup), epochs=2)

    assert [look.step for look in logger.looks] == list(range(6, 12))


def test_validation_and_prediction_are_not_looked_at():
    logger, model = logger_of(), compiled()

    fitted(model, logger, validation_data=(X * 100, Y), validation_batch_size=len(X))

    counts = [look.by_layer("count")["a"] / monitoring.WIDTH for look in logger.looks]
    assert counts == [*[BATCH] * (len(X) // BATCH), len(X) % BATCH]
