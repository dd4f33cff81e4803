import warnings

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG
from tensorboard.util import tensor_util

from keras_initlab._wire import (
    FIRST_LOOK_TAG,
    LOOKS_TAG,
    PLUGIN_NAME,
    LayerInfo,
    decode_metadata,
    encode_metadata,
)
from keras_initlab.monitor import Look, TensorBoardSink

LAYERS = (LayerInfo("one", "Dense", "relu", 0), LayerInfo("two", "Dense", "", 1))


def look_at(step):
    values = np.arange(12, dtype=float).reshape(2, 6) + step
    return Look(step, 1e9 + step, LAYERS, values)


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    return events.Reload()


def test_scalars_read_back_as_written(tmp_path):
    sink = TensorBoardSink(tmp_path)
    for step in (0, 10, 20):
        sink.append(look_at(step))

    events = read(tmp_path).Tensors("activation_variance/two")

    assert [event.step for event in events] == [0, 10, 20]
    values = [float(tensor_util.make_ndarray(event.tensor_proto)) for event in events]
    assert values == [8, 18, 28]


def test_packed_record_carries_every_statistic_and_names_its_rows(tmp_path):
    sink = TensorBoardSink(tmp_path)
    sink.append(look_at(0))
    sink.append(look_at(7))

    events = read(tmp_path)
    last = tensor_util.make_ndarray(events.Tensors(LOOKS_TAG)[-1].tensor_proto)
    content = events.SummaryMetadata(LOOKS_TAG).plugin_data.content

    np.testing.assert_array_equal(last, look_at(7).values)
    assert decode_metadata(content) == list(LAYERS)
    assert set(events.PluginTagToContent(PLUGIN_NAME)) == {LOOKS_TAG, FIRST_LOOK_TAG}
    assert [event.step for event in events.Tensors(FIRST_LOOK_TAG)] == [0]


def test_custom_scalars_show_all_layers_in_one_chart(tmp_path):
    TensorBoardSink(tmp_path).append(look_at(0))

    event = read(tmp_path).Tensors(CONFIG_SUMMARY_TAG)[0]
    layout = layout_pb2.Layout.FromString(tensor_util.make_ndarray(event.tensor_proto).item())

    tags = [chart.multiline.tag[0] for chart in layout.category[0].chart]
    assert "^activation_variance/.*$" in tags


def test_text_lists_the_layers(tmp_path):
    TensorBoardSink(tmp_path).append(look_at(0))

    event = read(tmp_path).Tensors("watched_layers")[0]

    text = tensor_util.make_ndarray(event.tensor_proto).item().decode()
    assert "| 0 | one | Dense | relu |" in text


def test_two_sinks_never_share_a_file(tmp_path):
    for sink in (TensorBoardSink(tmp_path), TensorBoardSink(tmp_path)):
        sink.append(look_at(0))

    assert len(list(tmp_path.iterdir())) == 2


def test_directory_that_vanishes_gives_one_warning_and_no_error(tmp_path):
    sink = TensorBoardSink(tmp_path / "run")
    (tmp_path / "run").rmdir()

    with pytest.warns(UserWarning, match="Received: log_dir="):
        sink.append(look_at(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sink.append(look_at(1))


def test_record_of_a_later_version_is_refused():
    content = encode_metadata(LAYERS).replace(b'"version": 1', b'"version": 9')

    with pytest.raises(ValueError, match="Received: version=9"):
        decode_metadata(content)
