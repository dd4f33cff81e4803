"""Where Keras's optimizers keep their numbers for a weight."""

import keras
import numpy as np
import pytest

from keras_initlab import _backend


def _state(optimizer):
    weight = keras.Variable(np.ones((3, 2), "float32"))
    optimizer.build([weight])
    return _backend.OptimizerState(optimizer).of(weight)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("adam", {"first", "second"}),
        ("adagrad", {"second"}),
        ("rmsprop", {"second"}),
        ("sgd", set()),
        ("lion", {"first"}),
        ("ftrl", {"second", "linear"}),
    ],
)
def test_slots_are_where_they_were(name, kinds):
    slots = _state(keras.optimizers.get(name))

    assert all(isinstance(slot, _backend.Slot) for slot in slots.values())
    assert {slot.kind for slot in slots.values()} == kinds
    assert all(tuple(slot.variable.shape) == (3, 2) for slot in slots.values())


def test_numbers_that_are_not_known_are_refused():
    class Own(keras.optimizers.SGD):
        def build(self, variables):
            super().build(variables)
            self.odd = [self.add_variable_from_reference(value, "odd") for value in variables]

    with pytest.raises(TypeError, match="Own"):
        _state(Own(0.1))
