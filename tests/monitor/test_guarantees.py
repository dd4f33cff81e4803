"""Files saved, exceptions, memory and copies: nothing of ours is left, and nothing is lost."""

import copy
import re
import resource
import signal
import subprocess
import sys
import time
import zipfile

import keras
import monitoring
import numpy as np
import pytest
from monitoring import BATCH, JAX, TENSORFLOW, TORCH, X, Y, compiled, fitted, is_clean, logger_of

from keras_initlab import ActivationVarianceLogger, _backend
from keras_initlab.signal.data_rules import COLUMNS
from keras_initlab.signal.recording import Recording


class Saver(keras.callbacks.Callback):
    """Saves in every format in the middle of an epoch."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        folder.mkdir()

    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            self.model.save(self.folder / "model.keras")
            self.model.save(self.folder / "model.h5")
            self.model.save_weights(self.folder / "some.weights.h5")


def contents_of(path):
    """The bytes of a file, or of an archive's members, whose dates differ."""
    if not zipfile.is_zipfile(path):
        return {path.name: path.read_bytes()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def saved(folder, *callbacks):
    keras.utils.set_random_seed(0)
    keras.backend.clear_session()
    model = compiled(optimizer="adam")
    backup = keras.callbacks.BackupAndRestore(
        folder.parent / f"{folder.name}-backup", delete_checkpoint=False
    )
    fitted(model, *callbacks, Saver(folder), backup)
    files = [*sorted(folder.iterdir()), *sorted(backup.backup_dir.rglob("*.h5"))]
    return {path.name: contents_of(path) for path in files}


def comparable(contents):
    """Without what differs between any two runs: the second of saving, and memory addresses."""
    return {
        file: {name: renumbered(data) for name, data in members.items() if name != "metadata.json"}
        for file, members in contents.items()
    }


def renumbered(data):
    """Keras writes the addresses of shared objects; here they are counted instead."""
    order = {}
    return re.sub(
        rb'"shared_object_id": (\d+)',
        lambda found: b"%d" % order.setdefault(found[1], len(order)),
        data,
    )


@pytest.mark.once
def test_files_saved_during_training_are_the_same_byte_for_byte(tmp_path):
    plain = saved(tmp_path / "plain")
    watched = saved(tmp_path / "watched", logger_of())

    assert len(plain) >= 4
    assert comparable(plain) == comparable(watched)


@pytest.mark.skipif(TORCH, reason="torch exports through a tracer of its own")
@pytest.mark.filterwarnings("ignore:The `native_serialization` parameter:DeprecationWarning")
def test_exported_model_holds_nothing_of_ours(tmp_path):
    class Export(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.export(tmp_path / "served", verbose=False)

    import tensorflow as tf

    model = compiled()
    fitted(model, logger_of(), Export())

    served = tf.saved_model.load(tmp_path / "served")
    assert sorted(tuple(variable.shape) for variable in served.variables) == sorted(
        tuple(weight.shape) for weight in model.weights
    )
    assert "initlab" not in str([variable.name for variable in served.variables])


def failing(kind):
    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise kind

    return Fail()


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("use", ["fit", "predict", "evaluate", "save", "train_on_batch", "compile"])
def test_model_is_clean_at_its_next_use_after_an_exception(kind, use, tmp_path):
    if kind is not KeyboardInterrupt and use != "fit":
        pytest.skip("one kind is enough")
    model, logger = compiled(), logger_of()
    with pytest.raises(kind):
        fitted(model, logger, failing(kind))
    seen = len(logger.looks)

    uses = {
        "fit": lambda: fitted(model),
        "predict": lambda: model.predict(X, verbose=0),
        "evaluate": lambda: model.evaluate(X, Y, verbose=0),
        "save": lambda: model.save(tmp_path / "model.keras"),
        "train_on_batch": lambda: model.train_on_batch(X[:8], Y[:8]),
        "compile": lambda: compiled(model),
    }
    uses[use]()

    assert is_clean(model)
    assert len(logger.looks) == seen == 3


def test_error_inside_the_step_leaves_the_model_clean_at_once():
    model = compiled()
    # Labels of a shape that the loss refuses.
    with pytest.raises(Exception, match=r"(?i)shape|size|broadcast|dimension"):
        fitted(model, logger_of(), y=np.ones((len(X), 7, 3), "float32"))

    assert is_clean(model)


KILLED = """
import sys, keras, numpy as np
from keras_initlab import ActivationVarianceLogger

class Tell(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 60:
            print("now", flush=True)
        if batch > 60:
            import time; time.sleep(0.5)

model = keras.Sequential([keras.layers.Dense(4, "relu", name="a"), keras.layers.Dense(1)])
model.compile("sgd", "mse")
logger = ActivationVarianceLogger(sys.argv[1], update_freq=1)
model.fit(np.ones((4000, 3)), np.ones((4000, 1)), verbose=0, callbacks=[logger, Tell()])
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_log_is_readable_to_its_last_look_after_a_kill(how, tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as ran:
        assert ran.stdout.readline() == "now\n"
        # The writer's thread writes as soon as it gets a look and finds time for it.
        until = time.monotonic() + 60
        while len(logged_steps(tmp_path)) < 61 and time.monotonic() < until:
            time.sleep(0.2)
        assert ran.poll() is None
        ran.send_signal(how)
        ran.wait(120)

    assert logged_steps(tmp_path)[:61] == list(range(61))


def logged_steps(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events, tag = (
        EventAccumulator(str(folder), {"tensors": 0}).Reload(),
        "signal/activation_variance/a",
    )
    return [event.step for event in events.Tensors(tag)] if tag in events.Tags()["tensors"] else []


# On a busy machine the writer may fall behind, which is said; here it is about memory.
@pytest.mark.filterwarnings("ignore:Snapshots cannot be written now")
def test_memory_is_flat_over_ten_thousand_steps(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, "relu", name="a")])
    compiled(model, steps_per_execution=1 if TORCH else 10)
    logger = logger_of(log_dir=tmp_path, watch="activations", update_freq=5)
    sizes = []

    class Size(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            sizes.append(resident_bytes())

    x = np.zeros((1_250, 4), "float32")
    fitted(model, logger, Size(), x=x, y=x, batch_size=1, epochs=8)

    assert len(logger.looks) == 2_000
    # An epoch keeps 250 looks of 14 numbers in memory, about 2 kB each. A leak of one
    # activation, or of one event, at every step is more than twice that, in every epoch.
    assert np.median(np.diff(sizes[3:])) < 2 * 250 * 2_000


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_one_copy_to_the_host_for_each_look(monkeypatch):
    reads, checks, batches = [], [], []
    original = _backend.StepState.read

    def read(self):
        parts = original(self)
        # The array of looks has a slot in front, those of the first batch and of a bad step none.
        flat = batches if parts[0].shape[-1] == COLUMNS else checks
        (reads if parts[0].ndim == 3 else flat).append(sum(part.nbytes for part in parts))
        return parts

    monkeypatch.setattr(_backend.StepState, "read", read)
    model, logger = compiled(), logger_of(update_freq=2)

    fitted(model, logger)

    assert len(reads) == len(logger.looks) == 3
    # One size, whatever the batch: rows of numbers, no activations.
    fitted(model, logger, batch_size=6 * BATCH)
    assert len(reads) == len(logger.looks) == 4
    assert len(set(reads)) == 1
    # At the end of each epoch, and of each training; at the first look of each training.
    assert (len(checks), len(set(checks)), len(batches)) == (4, 1, 2)


def test_activations_are_collected_only_inside_a_training_step():
    assert Recording()._watching() is None


def test_deep_copies_train_beside_one_another(tmp_path):
    # KerasTuner copies its callbacks for each trial.
    logger = ActivationVarianceLogger(tmp_path, update_freq=1, on_problem=None)
    twins = [copy.deepcopy(logger) for _ in range(2)]

    for twin in twins:
        fitted(compiled(), twin)

    assert [len(twin.looks) for twin in twins] == [6, 6]
    assert not logger.looks
    assert len(list(tmp_path.rglob("*tfevents*"))) == 2


@pytest.mark.once
def test_used_logger_can_be_copied_and_starts_anew():
    logger = logger_of()
    fitted(compiled(), logger)

    twin = copy.deepcopy(logger)
    fitted(compiled(), twin)

    assert [look.step for look in twin.looks] == list(range(6))
    assert len(logger.looks) == 6


@pytest.mark.skipif(JAX, reason="a JAX step returns state itself")
def test_custom_step_without_compute_loss_is_watched():
    class Bare(keras.Model):
        def train_step(self, data):
            x, y = data
            if TENSORFLOW:
                import tensorflow as tf

                with tf.GradientTape() as tape:
                    loss = keras.ops.mean((self(x, training=True) - y) ** 2)
                gradients = tape.gradient(loss, self.trainable_variables)
                self.optimizer.apply_gradients(
                    zip(gradients, self.trainable_variables, strict=True)
                )
                return {"own": loss}
            self.zero_grad()
            loss = keras.ops.mean((self(x, training=True) - y) ** 2)
            loss.backward()
            trained = list(self.trainable_weights)
            self.optimizer.apply([weight.value.grad for weight in trained], trained)
            return {"own": loss.detach()}

    model = compiled(monitoring.network(Bare))
    weights, logger = model.get_weights(), logger_of()

    fitted(model, logger)

    monitoring.check_look(logger.looks[0], weights)
