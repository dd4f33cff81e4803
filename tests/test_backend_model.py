"""What the package asks of Keras's models and initializers, each thing by itself."""

import keras
import numpy as np
import pytest
from monitoring import TENSORFLOW

from keras_initlab import HeNormal, _backend


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(2)
        self.number = 3

    def call(self, x):
        return self.inner(x)


def test_sublayers_come_with_the_names_of_their_attributes():
    block = Block()

    assert _backend.named_sublayers(block) == [("inner", block.inner)]


def test_unbuilt_layers_are_those_without_weights_the_model_among_them():
    model = keras.Sequential([Block(), keras.layers.Dense(1)])
    before = _backend.unbuilt_layers(model)

    model.layers[1].build((None, 2))
    half = _backend.unbuilt_layers(model)
    model(np.zeros((1, 4), np.float32))

    assert set(before) == {*map(id, (model, *model.layers, model.layers[0].inner))}
    assert set(before) - set(half) == {id(model.layers[1])}
    assert _backend.unbuilt_layers(model) == ()


def test_only_tensorflow_traces_a_step_that_may_be_traced_again():
    seen = []

    def function(x):
        seen.append(_backend.is_tracing_step())
        return x

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    _backend.compiled(model, function)(keras.ops.ones((2,)))

    assert seen == [TENSORFLOW]
    assert not _backend.is_tracing_step()


def test_named_initializer_is_found_by_keras():
    class Mine(HeNormal):
        pass

    keras.saving.register_keras_serializable(package="backend_test")(Mine)
    _backend.name_initializer("backend_test>Mine", Mine)

    assert type(keras.initializers.get("backend_test>Mine")) is Mine


def test_memory_that_no_machine_has_is_refused_and_little_is_not():
    _backend.check_room((1 << 10, 1 << 10), "float32")

    with pytest.raises(MemoryError, match="float32"):
        _backend.check_room((1 << 30, 1 << 20), "float32")


def test_shift_is_the_whole_number_that_a_call_adds():
    ids = keras.Input((2,), dtype="int64")
    added = {3: ids + 3, 1: 1 + ids, -2: ids - 2, None: 2 - ids}

    for number, tensor in added.items():
        [node] = [
            node
            for node in _backend.graph_nodes(keras.Model(ids, tensor))
            if not isinstance(node.operation, keras.layers.InputLayer)
        ]
        assert _backend.shift_of(node) == number
    summed = keras.layers.Add(name="sum")([ids, ids])
    nodes = _backend.graph_nodes(keras.Model(ids, summed))
    assert all(_backend.shift_of(node) is None for node in nodes)


@pytest.mark.parametrize("specials", [{}, {"num_oov_indices": 3}, {"mask_token": "mask"}])
def test_words_of_a_lookup_are_those_that_keras_lists(specials):
    words = [f"w{number}" for number in np.random.default_rng(0).permutation(50)]
    numbers = [int(word[1:]) + 100 for word in words]
    ours = {**specials, **({"mask_token": 7} if "mask_token" in specials else {})}
    lookups = [
        keras.layers.StringLookup(vocabulary=[*words, "ü"], **specials),
        keras.layers.IntegerLookup(vocabulary=numbers, **ours),
    ]

    first = specials.get("num_oov_indices", 1) + ("mask_token" in specials)
    for lookup in lookups:
        listed = lookup.get_vocabulary(include_special_tokens=False)
        assert _backend.words_of_lookup(lookup, first) == listed
        assert _backend.words_of_lookup(lookup, first + 1) is None
