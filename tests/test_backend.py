"""What the package asks of Keras's models and training steps, each thing by itself."""

import keras
import numpy as np
import pytest
from keras import ops
from monitoring import JAX, TENSORFLOW, TORCH, X, Y, compiled, fitted

from keras_initlab import _backend


def dense(**options):
    layer = keras.layers.Dense(2, **options)
    layer.build((None, 3))
    return layer


def tiny(**options):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **options})
    return model


def values_of(tensors):
    return [ops.convert_to_numpy(each) for each in tensors]


def test_own_sublayers_are_those_one_level_down():
    inner = keras.Sequential([keras.layers.Dense(1, name="deep")])
    model = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1, name="top")])

    assert [each for each in _backend.own_sublayers(model) if each.name == "top"]
    assert inner in _backend.own_sublayers(model)
    assert "deep" not in [each.name for each in _backend.own_sublayers(model)]


def test_model_owns_no_weights_where_its_layers_do():
    model = tiny()

    assert not _backend.owns_weights(model)
    assert _backend.owns_weights(model.layers[0])


def test_own_trainable_leaves_out_what_is_frozen():
    layer = dense()
    assert _backend.own_trainable(layer) == [layer.kernel, layer.bias]

    layer.bias.trainable = False
    assert _backend.own_trainable(layer) == [layer.kernel]

    layer.trainable = False
    assert _backend.own_trainable(layer) == []


def test_own_weights_leave_out_those_of_sublayers():
    layer = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((2,)), layer])

    assert len(_backend.own_weights(layer)) == 4
    assert _backend.own_weights(model) == []


def test_graph_nodes_are_the_calls_with_their_tensors():
    inputs = keras.Input((3,))
    layer = keras.layers.Dense(3)
    model = keras.Model(inputs, layer(layer(inputs)))

    calls = [node for node in _backend.graph_nodes(model) if node.operation is layer]

    assert len(calls) == 2
    made = {id(tensor) for node in calls for tensor in node.outputs}
    assert id(model.outputs[0]) in made
    assert any(id(tensor) in made for node in calls for tensor in node.input_tensors)
    sequential = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert len(_backend.graph_nodes(sequential)) == 2
    assert _backend.graph_nodes(layer_without_graph()) is None


def layer_without_graph():
    class Own(keras.Model):
        def call(self, x):
            return x

    return Own()


def test_call_count_is_that_of_the_graph():
    layer, inputs = keras.layers.Dense(3), keras.Input((3,))
    assert _backend.call_count(layer) == 1

    layer(layer(layer(inputs)))

    assert _backend.call_count(layer) == 3


def test_remat_mode_is_that_of_the_scope():
    with keras.RematScope(mode="full"):
        inside = keras.layers.Dense(1)

    assert _backend.remat_mode(inside).mode == "full"
    assert _backend.remat_mode(keras.layers.Dense(1)) is None


def test_remat_mode_is_off_for_a_while():
    with keras.RematScope(mode="full"):
        inside = keras.layers.Dense(1)

    with _backend.without_remat([inside, keras.layers.Dense(1)]):
        assert _backend.remat_mode(inside) is None

    assert _backend.remat_mode(inside).mode == "full"


def test_optimizers_are_the_compiled_one_and_those_held_each_once():
    model, other = tiny(), keras.optimizers.Adam()
    model.second, model.again = other, model.optimizer

    assert _backend.optimizers_of(model) == [model.optimizer, other]
    assert _backend.optimizers_of(tiny(optimizer=None)) == []


def test_loss_scale_is_one_a_factor_or_the_dynamic_scale():
    plain, fixed = keras.optimizers.SGD(), keras.optimizers.SGD(loss_scale_factor=8.0)
    dynamic = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=32.0)
    dynamic.build([dense().kernel])

    assert _backend.loss_scale_of(plain) == 1.0
    assert _backend.loss_scale_of(fixed) == 8.0
    assert float(ops.convert_to_numpy(_backend.loss_scale_of(dynamic))) == 32.0


def test_loss_scale_is_found_among_values_carried_apart():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    optimizer.build([dense().kernel])
    carried = [f"value of {variable.name}" for variable in optimizer.variables]

    assert "scale" in _backend.loss_scale_of(optimizer, carried)


@pytest.mark.parametrize("accumulate", [None, 2])
@pytest.mark.parametrize("scaled", [False, True])
def test_updates_done_are_training_steps(accumulate, scaled):
    optimizer = keras.optimizers.SGD(1e-3, gradient_accumulation_steps=accumulate)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
    model = tiny(optimizer=optimizer)
    assert _backend.updates_done(model) == 0

    fitted(model, x=np.ones((12, 3)), y=np.ones((12, 2)), batch_size=4)

    assert _backend.updates_done(model) == 3


def test_model_without_optimizer_has_taken_no_updates():
    assert _backend.updates_done(tiny(optimizer=None)) == 0


class During(keras.callbacks.Callback):
    """Calls a function with the model at the end of each batch and keeps the answers."""

    def __init__(self, question):
        super().__init__()
        self.question, self.answers = question, []

    def on_train_batch_end(self, batch, logs=None):
        self.answers.append(self.question(self.model))


def test_model_values_are_the_newest_in_the_middle_of_fit():
    seen = During(lambda model: values_of(_backend.model_values(model)[0]))
    model = compiled()
    before = model.get_weights()

    fitted(model, seen, x=X[:16], y=Y[:16])

    for held, old, new in zip(seen.answers[0], before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(held, new)
        assert (held != old).any()


def test_synced_state_is_in_the_variables_in_the_middle_of_fit():
    def synced(model):
        _backend.sync_state(model)
        return values_of(model.trainable_variables)

    seen, model = During(synced), compiled()

    fitted(model, seen, x=X[:16], y=Y[:16])

    for held, new in zip(seen.answers[0], model.get_weights(), strict=True):
        np.testing.assert_array_equal(held, new)


def test_running_fit_is_found_inside_fit_of_the_same_model_alone():
    other = tiny()
    fits = During(lambda model: (_backend.running_fit(model), _backend.running_fit(other)))
    model = tiny()

    fitted(model, fits, x=np.ones((4, 3)), y=np.ones((4, 2)))

    held, none = fits.answers[0]
    assert fits in held.callbacks
    assert none is None
    assert _backend.running_fit(model) is None


def test_strategy_of_one_process_is_not_refused():
    assert _backend.refusal_of(tiny()) is None
    assert not _backend.is_replicated(tiny())


@pytest.mark.skipif(not TENSORFLOW, reason="strategies of TensorFlow")
def test_parameter_server_is_refused_with_the_issue():
    class ParameterServerStrategyV2:
        pass

    class Model:
        distribute_strategy = ParameterServerStrategyV2()

    assert "keras issue 20585" in _backend.refusal_of(Model())


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}])
def test_step_is_eager_in_plain_python_alone(options):
    expected = TORCH or (TENSORFLOW and bool(options))

    assert _backend.step_is_eager(tiny(**options)) == expected


@pytest.mark.parametrize("jit", [False, True])
def test_step_is_compiled_by_torch_when_asked_there(jit):
    assert _backend.step_is_compiled_by_torch(tiny(jit_compile=jit)) == (TORCH and jit)


def test_functional_step_is_the_one_of_jax():
    assert _backend.is_functional_step() == JAX == hasattr(tiny(), "jax_state_sync")


@pytest.mark.skipif(not TORCH, reason="a compiler of torch")
def test_uncompiled_step_trains_on_what_the_training_function_takes():
    model = tiny()
    model(np.zeros((1, 3)))
    before = model.get_weights()[0]

    batch = (ops.ones((4, 3)), ops.ones((4, 2)))
    logs = _backend.uncompiled_step(model, [batch])

    assert "loss" in logs
    assert (model.get_weights()[0] != before).any()


def test_end_of_data_is_told_from_other_errors():
    assert _backend.is_end_of_data(StopIteration())
    assert not _backend.is_end_of_data(ValueError())


@pytest.mark.skipif(not TENSORFLOW, reason="an error of TensorFlow")
def test_end_of_data_of_a_tensorflow_iterator_is_known():
    import tensorflow as tf

    with pytest.raises(tf.errors.OutOfRangeError) as caught:
        tf.raw_ops.IteratorGetNext(
            iterator=_exhausted(tf), output_types=[tf.int64], output_shapes=[()]
        )

    assert _backend.is_end_of_data(caught.value)


def _exhausted(tf):
    return iter(tf.data.Dataset.range(0))._iterator_resource


def test_compiled_function_gives_the_values_and_no_gradient_graph():
    function = _backend.compiled(tiny(), lambda x: x * 2.0)

    (values,) = values_of([function(ops.ones((2,)))])

    np.testing.assert_array_equal(values, [2, 2])


def test_session_hook_covers_one_instance_and_comes_off():
    layer, other = dense(), dense()
    _backend.add_session_hook(layer, "call", lambda x: "covered")
    assert layer.call(None) == "covered"
    assert "call" not in vars(other)

    _backend.remove_session_hook(layer, "call")
    _backend.remove_session_hook(layer, "call")

    assert "call" not in vars(layer)
    assert layer.call == layer.call.__self__.call


def test_keras_finds_initializers_by_the_names_that_it_was_told():
    from keras.src import initializers

    assert callable(keras.initializers.get("keras_initlab>HeNormal"))
    # Without it Keras 3.16 finds no initializer by a name with a package in front.
    assert "keras_initlab>HeNormal" in initializers.ALL_OBJECTS_DICT
    assert type(keras.initializers.get("he_normal")).__module__.startswith("keras.")
