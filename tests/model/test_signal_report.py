"""What a diagnosis says: verdicts, refusals, and the report itself."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from chains import deep, rows_of
from keras import layers as kl
from monitoring import ROWS, TENSORFLOW, X, Y, compiled, network

from keras_initlab import HeNormal, diagnose
from keras_initlab.model.diagnosis.passes import Pass

pytestmark = pytest.mark.once

# Rounding of float32 through three layers, as in `monitoring.check_look`.
REL = 2e-5


# --- verdicts ----------------------------------------------------------------------------------


def test_zero_weights_are_named_with_a_fix():
    model = deep(activation="tanh", kernel_initializer="zeros")

    report = diagnose(model)

    row = rows_of(report)["h1"]
    assert not report.healthy
    assert "equal-units" in row.rules
    assert "all weights are zero" in row.verdict
    assert "kernel_initializer=" in row.verdict


def test_constant_weights_leave_one_direction():
    model = deep(activation="tanh", kernel_initializer=keras.initializers.Constant(0.05))

    rows = rows_of(diagnose(model, X[:, :12].repeat(2, axis=1)[:, :16]))

    assert rows["h1"].effective_rank == pytest.approx(1, abs=1e-3)


def test_depthwise_fan_is_the_cause_that_is_named():
    model = keras.Sequential(
        [
            keras.Input((16, 16, 32)),
            kl.DepthwiseConv2D(3, activation="relu", depthwise_initializer="he_normal", name="dw"),
            kl.GlobalAveragePooling2D(),
            kl.Dense(1),
        ]
    )

    row = rows_of(diagnose(model))["dw"]

    assert row.fan_in == 9
    assert row.rules == ("wrong-fan",)
    assert "288" in row.verdict
    assert 'HeNormal(kind="depthwise")' in row.verdict


def test_vanishing_signal_is_a_problem_of_its_layers():
    model = deep(activation="tanh", kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3))

    report = diagnose(model)

    assert "vanishing" in rows_of(report)["h3"].rules
    with pytest.raises(AssertionError, match="vanishing"):
        report.assert_healthy()


def test_healthy_model_passes():
    report = diagnose(deep(256, activation="relu", kernel_initializer=HeNormal()))

    report.assert_healthy()
    assert report.healthy
    assert {row.verdict for row in report.layers} == {"healthy"}


def test_rule_can_be_left_out():
    model = deep(activation="relu", kernel_initializer=HeNormal(seed=1))

    assert [finding.rule for finding in diagnose(model).findings] == ["same-weights"]
    assert diagnose(model, ignore=["same-weights"]).healthy


# --- memory, and bad input ---------------------------------------------------------------------


def test_half_of_the_batch_is_looked_at_when_memory_runs_out(monkeypatch):
    run, sizes = Pass.run, []

    def scarce(self, batch):
        sizes.append(batch.size)
        if batch.size > 24:
            raise MemoryError
        return run(self, batch)

    monkeypatch.setattr(Pass, "run", scarce)
    report = diagnose(compiled(), (X, Y))

    assert sizes == [ROWS, ROWS // 2, ROWS // 4]
    assert sum("out of memory" in note for note in report.notes) == 2
    assert report.layers


def test_only_so_many_examples_are_looked_at():
    report = diagnose(network(), X, examples=10)

    assert report.notes[0] == f"only the first 10 of {ROWS} examples are measured"


@pytest.mark.skipif(not TENSORFLOW, reason="an operation of TensorFlow")
def test_operation_without_a_gradient_leaves_the_rest_to_be_measured():
    class Hue(kl.Layer):
        def call(self, x):
            import tensorflow as tf

            return tf.raw_ops.AdjustHue(images=x, delta=0.1)

    images = np.random.default_rng(0).random((16, 4, 4, 3)).astype("float32")
    layers = [kl.Conv2D(3, 3, name="c"), Hue(), kl.Flatten(), kl.Dense(3, name="d")]
    model = keras.Sequential([keras.Input((4, 4, 3)), *layers])

    report = diagnose(model, images)

    assert (
        "gradients were not measured: gradient registry has no entry for: AdjustHue" in report.notes
    )
    given = keras.ops.convert_to_numpy(model(images))
    assert rows_of(report)["d"].variance == pytest.approx(given.var(), rel=1e-5)
    assert np.isnan(rows_of(report)["d"].gradient_variance)


def test_error_of_a_layer_is_not_taken_for_a_missing_gradient():
    calls = []

    class Broken(kl.Layer):
        def call(self, x):
            calls.append(x)
            # Shapes are found in the first call.
            return x if len(calls) == 1 else {}["key"]

        def compute_output_shape(self, shape):
            return shape

    model = keras.Sequential([keras.Input((12,)), Broken(), kl.Dense(1)])
    calls.clear()

    with pytest.raises(KeyError):
        diagnose(model, X)

    assert len(calls) == 2


def test_layer_that_is_not_called_is_named():
    class Idle(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.idle = kl.Dense(3, name="used"), kl.Dense(3, name="idle")
            self.idle.build((None, 3))

        def call(self, x):
            return self.used(x)

    model = Idle()
    model(X)

    assert (
        "idle was not called, or returns nothing that can be measured" in diagnose(model, X).notes
    )


# --- the report --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report():
    return diagnose(deep(activation="tanh", kernel_initializer="zeros"))


def test_report_is_readable_as_text(report):
    text = str(report)

    assert "h0" in text
    assert "equal-units" in text
    assert "note: random inputs stand in for data: floats" in text
    assert "\x1b" not in text


def test_report_is_plain_data(report):
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))

    assert data["healthy"] is False
    assert [row["name"] for row in data["layers"]] == ["h0", "h1", "h2", "h3", "out"]
    assert data["loss"] is None
    assert data["findings"][0]["rule"] == "equal-units"


def test_report_is_a_data_frame(report):
    pytest.importorskip("pandas", reason="pandas is the user's choice")

    frame = report.to_pandas()

    assert frame.loc["h1", "variance"] == 0
    assert list(frame.index) == [row.name for row in report.layers]


@pytest.mark.parametrize("ending", ["json", "html", "txt", "png", "svg"])
def test_report_is_saved(report, tmp_path, ending):
    path = tmp_path / f"report.{ending}"

    report.save(path)

    start = {"json": b"{", "html": b"<pre", "txt": b" ", "png": b"\x89PNG", "svg": b"<?xml"}
    assert path.read_bytes().startswith(start[ending])


def test_unknown_ending_is_refused(report, tmp_path):
    with pytest.raises(ValueError, match="must end with"):
        report.save(tmp_path / "report.doc")


def test_figure_shows_both_directions(report):
    forward, backward = report.plot().axes

    assert [len(line.get_xdata()) for line in forward.lines] == [5, 5]
    assert [label.get_text() for label in backward.get_xticklabels()][-1] == "out"


def test_report_is_shown_in_a_notebook(report):
    html = report._repr_html_()

    assert html.startswith("<pre")
    assert "equal-units" in html


def test_figure_needs_matplotlib_and_says_so():
    code = (
        "import sys; sys.modules['matplotlib.figure'] = None\n"
        "from keras_initlab import SignalReport\n"
        "try: SignalReport((), (), (), ()).plot()\n"
        "except ImportError as error: print(error)"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install matplotlib" in ran.stdout
