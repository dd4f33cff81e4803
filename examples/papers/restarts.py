"""One compiled network trained from many starts, for tracing a deep one takes longest."""

import fnmatch

import keras
from digits import Until

__all__ = ["compiled", "restart", "train"]


def compiled(model, optimizer):
    """Ready for `restart`; without XLA, which needs longer for a deep network than it saves."""
    model.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    return model


def restart(model, starts, seed, rate):
    """Draw every weight anew, forget the optimizer's state and set its learning rate.

    `starts` maps patterns of `layer/weight` to functions from a seed to a scheme; the first that
    fits counts.
    """
    for number, weight in enumerate(model.weights):
        weight.assign(start_of(weight, starts)(1000 * seed + number)(weight.shape))
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    model.optimizer.learning_rate = rate


def start_of(weight, starts):
    # A sequential model puts its own name before those of its layers, a functional one does not.
    name = "/".join(weight.path.split("/")[-2:])
    for pattern, make in {**starts, "*/bias": zeros, "*/beta": zeros}.items():
        if fnmatch.fnmatch(name, pattern):
            return make
    raise LookupError(f"No start for {name}.")


def zeros(_):
    return keras.initializers.Zeros()


def train(model, images, *, epochs, accuracy=0.9, seed=0, batch_size=64, shape=(64,)):
    """The epoch in which the accuracy is reached, or None, and the last accuracy and loss."""
    until = Until(accuracy)
    keras.utils.set_random_seed(seed)
    history = model.fit(
        images.train_x.reshape(-1, *shape),
        images.train_y,
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=[until],
    ).history
    return {
        "epoch": until.epoch,
        "accuracy": float(history["accuracy"][-1]),
        "loss": float(history["loss"][-1]),
    }
