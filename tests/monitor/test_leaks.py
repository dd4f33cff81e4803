"""Nothing of ours keeps a model, its optimizer or a logger in memory."""

import contextlib
import gc
import weakref

import keras
import monitoring
import numpy as np
import pytest
from monitoring import MODES, TENSORFLOW, compiled, fitted, logger_of


class Fail(keras.callbacks.Callback):
    """Ends `fit` by an exception, after which Keras calls no `on_train_end`."""

    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def watched(mode, tmp_path, *callbacks, **options):
    model = compiled(optimizer="adam", **MODES[mode])
    logger = logger_of(log_dir=tmp_path, **options)
    with contextlib.suppress(KeyboardInterrupt):
        fitted(model, logger, *callbacks)
    # Python collects in one thread at a time, and the writer's imports may be at it.
    logger.sink.flush()
    return model, logger


def references_to(model, logger):
    return {
        "model": weakref.ref(model),
        "optimizer": weakref.ref(model.optimizer),
        "logger": weakref.ref(logger),
    }


def alive(references):
    keras.backend.clear_session()
    # What has finalizers is let go in a second pass.
    gc.collect()
    gc.collect()
    return [name for name, reference in references.items() if reference() is not None]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ends", ["as it should", "by an exception"])
def test_model_optimizer_and_logger_are_let_go(mode, ends, tmp_path):
    callbacks = [Fail()] if ends == "by an exception" else []

    model, logger = watched(mode, tmp_path, *callbacks)
    references = references_to(model, logger)
    del model, logger, callbacks

    assert alive(references) == []


def test_reference_batch_and_two_loggers_hold_nothing(tmp_path):
    model = compiled()
    loggers = [logger_of(reference=monitoring.X[:4]), logger_of(update_freq=3)]
    fitted(model, *loggers)
    fitted(model, loggers[0])
    references = {**references_to(model, loggers[0]), "other": weakref.ref(loggers[1])}
    del model, loggers

    assert alive(references) == []


def test_new_logger_for_every_fit_leaves_none_behind():
    model = compiled()
    references = []
    for _ in range(5):
        logger = logger_of(watch="activations")
        fitted(model, logger, epochs=1)
        references.append(weakref.ref(logger))
    del logger
    gc.collect()

    assert [reference() for reference in references] == [None] * 5
    assert monitoring.is_clean(model)


@pytest.mark.skipif(not TENSORFLOW, reason="functions of TensorFlow")
def test_new_loggers_trace_nothing_anew():
    from tensorflow.python.eager import context

    def functions_over_fits(*loggers):
        model, counts = compiled(jit_compile=False), []
        for logger in loggers:
            fitted(model, *logger)
            gc.collect()
            counts.append(len(context.context().list_function_names()))
        return counts

    plain = functions_over_fits(*[[]] * 4)
    watched = functions_over_fits(*([logger_of()] for _ in range(4)))

    assert np.ptp(plain) == 0
    assert np.ptp(watched) == 0


def test_new_logger_begins_with_nothing_seen():
    ids = np.arange(20)[:, None] % 9
    model = compiled(
        keras.Sequential(
            [keras.Input((1,), dtype="int32"), keras.layers.Embedding(40, 4), keras.layers.Dense(1)]
        )
    )
    first, second = logger_of(), logger_of()

    fitted(model, first, x=ids, y=np.ones((20, 1, 1)))
    fitted(model, second, x=ids[:3], y=np.ones((3, 1, 1)))

    assert [look.step for look in second.looks] == [2]
    # Of 40 rows the second logger has seen three.
    untouched = second.looks[0].by_layer("untouched_fraction")[model.layers[0].name]
    assert untouched == np.float32(1 - 3 / 40)


def test_loggers_of_other_settings_share_nothing():
    model = compiled()
    loggers = [logger_of(), logger_of(watch="weights"), logger_of(layers="a"), logger_of()]

    for logger in loggers:
        fitted(model, logger)

    assert [len(logger.looks) for logger in loggers] == [6, 6, 6, 6]
    assert [len(logger.looks[0].layers) for logger in loggers] == [3, 0, 1, 3]
