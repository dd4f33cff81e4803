"""When the training step is made, and how often."""

import keras
import monitoring
import pytest
from monitoring import JAX, MODES, TENSORFLOW, TORCH, compiled, fitted, logger_of

from keras_initlab.monitor.probe import Probe


def counting(traced):
    """The network, with a note in `traced` for each time that Python computes its loss."""

    class Counting(keras.Model):
        def compute_loss(self, *arguments, **options):
            traced.append(1)
            return super().compute_loss(*arguments, **options)

    return monitoring.network(Counting)


@pytest.mark.parametrize("mode", MODES)
def test_fit_again_and_again_traces_once(mode):
    traced = []
    model, logger = compiled(counting(traced), **MODES[mode]), logger_of()
    fitted(model, logger)
    first = len(traced)

    for _ in range(3):
        fitted(model, logger)

    if MODES[mode].get("run_eagerly") or TORCH:
        # Each later fit runs the step six times; the first one also infers shapes with it.
        assert len(traced) - first == 3 * 6
    else:
        assert len(traced) == first
    assert [look.step for look in logger.looks] == list(range(24))
    assert monitoring.is_clean(model)


@pytest.mark.skipif(not TENSORFLOW, reason="other backends make variables before the first step")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_statistics_are_built_once_however_often_the_step_is_traced(optimizer, monkeypatch):
    traced, finished = [], []
    finish = Probe.finish
    monkeypatch.setattr(
        Probe, "finish", lambda probe, *seen: finished.append(probe) or finish(probe, *seen)
    )

    fitted(compiled(counting(traced), optimizer=optimizer), logger_of())

    assert (len(traced), len(finished)) == ({"sgd": 1, "adam": 2}[optimizer], 1)


def test_compiling_anew_makes_a_new_step():
    model, logger = compiled(), logger_of()
    fitted(model, logger)

    compiled(model, optimizer=keras.optimizers.SGD(0.0))
    fitted(model, logger)

    assert logger.looks[-1].step == 11
    assert logger.looks[5].by_layer("update_ratio")["a"] > 0
    assert logger.looks[6].by_layer("update_ratio")["a"] == 0


def test_step_made_anew_by_force_is_watched_too():
    class Thaw(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.get_layer("a").trainable = True
                self.model.make_train_function(force=True)

    if JAX:
        pytest.skip("Keras on JAX does not move weights between its lists during fit")
    model = network = monitoring.network()
    network.get_layer("a").trainable = False
    model, logger = compiled(network), logger_of()
    model.optimizer.build(model.get_layer("a").weights + model.trainable_weights)

    fitted(model, Thaw(), logger, epochs=2)

    assert [look.step for look in logger.looks] == list(range(12))
    assert "a" not in logger.looks[5].by_layer("weight_variance")
    assert "a" in logger.looks[6].by_layer("weight_variance")
    assert monitoring.is_clean(model)
