"""What the plain dashboards show: scalars, problems in words, the metrics of epochs."""

import numpy as np
import pytest
from logged import LAYERS, PROBLEM, array, look_at, read, written
from tensorboard.plugins.hparams import plugin_data_pb2

from keras_initlab._wire import SECTIONS
from keras_initlab.monitor import Look, TensorBoardSink
from keras_initlab.monitor.outcome import Outcome
from keras_initlab.signal.looks import Section

pytestmark = pytest.mark.once


def tags_of(folder):
    tags = read(folder).Tags()["tensors"]
    return sorted(tag for tag in tags if tag.startswith("signal/"))


def test_a_scalar_begins_with_its_first_number_other_than_zero(tmp_path):
    zeros, later = np.zeros_like(look_at(0).sections["activations"].values), look_at(9)
    dead = SECTIONS["activations"].index("dead_fraction")
    later.sections["activations"].values[:, dead] = [0, 0.5]
    variance = SECTIONS["activations"].index("variance")
    later.sections["activations"].values[0, variance] = 0

    first = Look(0, 1e9, {"activations": Section(LAYERS, zeros)})
    last = Look(12, 1e9, {"activations": Section(LAYERS, zeros)})
    written(tmp_path, first, later, last)

    assert tags_of(tmp_path) == [
        *("signal/activation_variance/two", "signal/dead_fraction/two"),
        *("signal/saturated_fraction/one", "signal/saturated_fraction/two"),
    ]
    # A layer that dies later is zero from then on.
    events = read(tmp_path).Tensors("signal/dead_fraction/two")
    assert [(event.step, float(array(event))) for event in events] == [(9, 0.5), (12, 0.0)]


def test_all_scalars_are_written_from_the_first_look_on(tmp_path):
    values = np.zeros_like(look_at(0).sections["activations"].values)

    written(tmp_path, Look(0, 1e9, {"activations": Section(LAYERS, values)}), scalars="all")

    assert len(tags_of(tmp_path)) == 5 * len(LAYERS)


def test_unknown_choice_of_scalars_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'main', 'all' or None"):
        TensorBoardSink(tmp_path, scalars="most")


def test_a_cause_is_told_when_it_begins_and_when_it_is_over(tmp_path):
    steps = {0: False, 10: True, 20: True, 30: False, 40: False, 50: True}
    written(
        tmp_path,
        *(look_at(step, problems=(PROBLEM,) if sick else ()) for step, sick in steps.items()),
    )

    told = {event.step: array(event).item() for event in read(tmp_path).Tensors("problems")}

    assert sorted(told) == [10, 30, 50]
    assert b"since step 10" in told[10]
    assert b"over at step 30; began at step 10" in told[30]


def test_metrics_of_epochs_and_choices_stand_beside_the_looks(tmp_path):
    sink = TensorBoardSink(tmp_path)
    sink.append(look_at(0))
    sink.append_outcome(Outcome(0, 0, hparams={"scheme": "HeNormal", "batch_size": 32.0}))
    for epoch in range(3):
        sink.append_outcome(Outcome(0, epoch, {"epoch_loss": 1.0 / (1 + epoch)}))
    sink.flush()

    events = read(tmp_path)

    assert [float(array(event)) for event in events.Tensors("epoch_loss")] == [
        1,
        0.5,
        np.float32(1 / 3),
    ]
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    held = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert held["scheme"].string_value == "HeNormal"
    assert held["batch_size"].number_value == 32
