"""Small logs that claim to be large: the tab refuses them before it makes room for them."""

import json
import subprocess
import sys
from pathlib import Path

import asked
import numpy as np
import pytest
from hostile_logs import HOSTILE, tensor, value, write_log
from page import Page, write_events
from signal_logs import layers_of, provider_of, values_at, write_run
from tensorboard.plugins.histogram import metadata as histogram
from tensorboard.util import tensor_util

from keras_initlab._wire import tag_of
from keras_initlab.board import series
from keras_initlab.board.tensors import as_held, holds_what_it_claims
from keras_initlab.monitor.events import _summary_event, records_of

pytestmark = pytest.mark.once

MOST_HELD = 200_000_000


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What every route took for every log, by name of the log."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("measures memory as Linux tells it")
    folder = tmp_path_factory.mktemp("hostile")
    for name in HOSTILE:
        write_log(folder, name)
    told = subprocess.run(
        [sys.executable, asked.__file__, str(folder)],
        capture_output=True,
        check=True,
        text=True,
        timeout=500,
    )
    return json.loads(told.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", HOSTILE)
def test_small_log_is_answered_in_little_memory(answers, name):
    assert answers[name]["held"] < MOST_HELD, answers[name]["slowest"]
    assert set(answers[name]["codes"]) == {200, 400}


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        (tensor((2, 3), float_val=[1.0] * 6), True),
        (tensor((), float_val=[1.0]), True),
        (tensor((0, 3), float_val=[]), True),
        (tensor((2, 3), tensor_content=np.ones(6, np.float32).tobytes()), True),
        (tensor((2,), "complex64", scomplex_val=[1.0, 0.0, 2.0, 0.0]), True),
        (tensor((2,), "string", string_val=[b"a", b"b"]), True),
        (tensor((2, 3), float_val=[1.0]), False),
        (tensor((2,), "complex64", scomplex_val=[1.0, 0.0]), False),
        (tensor((2**40, 2**40), "string", string_val=[b"a"]), False),
        (tensor((2, 3), tensor_content=b"1234"), False),
        (tensor((-1, -6), float_val=[1.0]), False),
    ],
)
def test_tensor_is_read_as_it_is_held_or_not_at_all(content, fits):
    with as_held():
        array = tensor_util.make_ndarray(content)

    assert (array.shape == tuple(dim.size for dim in content.tensor_shape.dim)) == fits
    assert fits or np.isnan(array)


def test_other_plugins_read_tensors_as_before():
    repeated = tensor((2, 3), float_val=[1.0])
    with as_held():
        tensor_util.make_ndarray(repeated)

    assert not holds_what_it_claims(repeated)
    assert tensor_util.make_ndarray(repeated).tolist() == [[1.0] * 3] * 2


def test_odd_looks_are_left_out_and_counted_and_others_shown(tmp_path):
    write_run(tmp_path / "run", [0, 1], layers_of(2))
    (path,) = (tmp_path / "run").iterdir()
    tag = tag_of("activations")
    odd = [tensor((9_000, 9_000), float_val=[1.0]), tensor((2, 14), tensor_content=b"short")]
    events = [_summary_event(2 + k, [value(tag, each, None)]) for k, each in enumerate(odd)]
    path.write_bytes(path.read_bytes() + records_of(events))

    arrays, header = Page(provider_of(tmp_path)).arrays(
        "/series", run="run", section="activations", statistic="mean"
    )

    expected = [values_at(step, 2)[:, 1] for step in (0, 1)]
    np.testing.assert_array_equal(arrays["last"], np.float32(expected))
    assert header["dropped"] == 2


def test_odd_histograms_are_left_out_and_others_shown(tmp_path):
    about = histogram.create_summary_metadata(display_name=None, description=None)
    bins = tensor_util.make_tensor_proto(np.array([[0.0, 1.0, 5.0], [1.0, 2.0, 7.0]]))
    odd = tensor((3_000_000, 3), float_val=[1.0])
    wide = tensor_util.make_tensor_proto(np.ones((5_000, 3)))
    contents = (value("w", each, about) for each in (bins, odd, wide, bins))
    write_events(tmp_path / "run", *enumerate(contents))
    page = Page(provider_of(tmp_path))

    shown, _ = page.arrays("/histogram", run="run", tag="w")
    _, header = page.arrays("/series", run="run", section="histograms", statistic="histogram_mean")

    assert shown["steps"].tolist() == [0, 3]
    assert shown["bins"].shape == (2, 2, 3)
    assert header["dropped"] == 2


def test_histograms_are_chosen_before_they_are_made_equally_wide(tmp_path):
    about = histogram.create_summary_metadata(display_name=None, description=None)
    arrays = [np.ones((900 if step == 1 else 2, 3)) for step in range(40)]
    contents = (value("w", tensor_util.make_tensor_proto(each), about) for each in arrays)
    write_events(tmp_path / "run", *enumerate(contents))

    shown, _ = Page(provider_of(tmp_path)).arrays("/histogram", run="run", tag="w", points=4)

    assert shown["steps"].tolist() == [0, 13, 26, 39]
    assert shown["bins"].shape == (4, 2, 3)


@pytest.mark.parametrize("section", ["activations", "histograms"])
def test_looks_that_are_too_many_are_fewer_with_first_and_last(tmp_path, monkeypatch, section):
    monkeypatch.setattr(series, "_MOST_NUMBERS", 6 * (2 * 14 if section == "activations" else 2))
    if section == "activations":
        write_run(tmp_path / "run", range(50), layers_of(2))
    else:
        about = histogram.create_summary_metadata(display_name=None, description=None)
        bins = tensor_util.make_tensor_proto(np.array([[0.0, 1.0, 5.0]]))
        write_events(tmp_path / "run", *((step, value("w", bins, about)) for step in range(50)))
    statistic = "mean" if section == "activations" else "histogram_mean"

    arrays, header = Page(provider_of(tmp_path)).arrays(
        "/series", run="run", section=section, statistic=statistic
    )

    assert arrays["steps"].tolist() == [0, 10, 20, 29, 39, 49]
    assert np.isfinite(arrays["last"]).all()
    assert header["dropped"] == 0
