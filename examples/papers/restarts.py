"""One compiled network trained from many starts, for tracing a deep one takes longest."""

import fnmatch

import keras

__all__ = ["compiled", "restart"]


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
