"""The tab on logs that are unlike one another."""

import numpy as np
import pytest
from served import CHROMIUM, DRIVER, SignalTab, browser, tensorboard, until
from signal_logs import VARIANCE, keras_logs, layers_of, values_at, write_run

from keras_initlab._wire import SECTIONS, Problem
from keras_initlab.monitor import Look, TensorBoardSink
from keras_initlab.signal.looks import Section

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"
    ),
]

HEADROOM = SECTIONS["activations"].index("float16_headroom")


def write_reference(folder):
    """A run that has looked at a reference batch alone, with a problem."""
    sink = TensorBoardSink(folder, scalars=None)
    layers = layers_of(2)
    values = np.ones((2, len(SECTIONS["reference"])))
    problem = Problem("dead", "activations", (layers[1].name,), 1, 1.0, 0.5, "units are dead")
    sink.append(Look(0, 1.0, {"reference": Section(layers, values)}))
    sink.append(Look(1, 2.0, {"reference": Section(layers, values)}, problems=(problem,)))
    sink.flush()


def write_infinite(folder, layers):
    sink = TensorBoardSink(folder, scalars=None)
    for step in range(3):
        values = values_at(step, len(layers))
        values[0, HEADROOM], values[1, HEADROOM], values[2, VARIANCE] = np.inf, np.nan, np.inf
        sink.append(Look(step, 1e9 + step, {"activations": Section(layers, values)}))
    sink.flush()


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    keras_logs(folder / "a_keras")
    write_run(folder / "b", range(5), layers_of(6))
    names = ["dense_2", "other", *(f"more_{k}" for k in range(8))]
    write_run(folder / "c", range(5), layers_of(10, names), seed=1)
    write_infinite(folder / "d", layers_of(6))
    write_reference(folder / "looked")
    work = tmp_path_factory.mktemp("browser")
    with tensorboard(folder) as address, browser(work) as driver:
        yield SignalTab(driver, address)


@pytest.fixture
def opened(tab):
    tab.open()
    yield tab
    assert not tab.faults()


def choose(tab, statistic):
    tab.run(
        "const box = document.querySelector('select'); box.value = arguments[0];"
        "box.dispatchEvent(new Event('change'))",
        statistic,
    )


def test_page_opens_on_the_worst_problem(opened):
    assert "looked" in opened.text(".runs .focus")
    assert "reference variance at step 1" in opened.text(".profilePart")
    assert opened.text("section[aria-label='Layer '] h2 .layer-name") == "dense_1"


def test_focus_without_the_statistic_leaves_the_axis_to_another(tab):
    words = "p.initlab.focus=a_keras&p.initlab.statistic=activations/variance"
    opened = tab.open(f"{tab.address}/#initlab&{words}")
    assert "a_keras" in opened.text(".runs .focus")

    until(lambda: any(tip.startswith("dense_0 ") for tip in opened.tips()))

    assert len(opened.all(".column")) == 6


def test_runs_of_other_layers_are_held_to_the_layer_of_that_name(opened):
    opened.click(".runs .name", "b")
    until(lambda: len(opened.all(".column")) == 6)
    opened.slide(4)

    expected = values_at(4, 10, 1)[0, VARIANCE]
    (tip,) = until(
        lambda: [tip for tip in opened.tips() if tip.startswith("dense_2 ") and "c: " in tip]
    )
    (line,) = [line for line in tip.split("\n") if line.startswith("c: ")]
    assert float(line.removeprefix("c: ").split(",")[0]) == pytest.approx(expected, rel=6e-3)
    assert all("c: \u2013" in tip for tip in opened.tips() if tip.startswith("dense_3 "))
    assert "c has 9 layers that b does not have" in opened.text(".told")
    right = opened.run(
        "return Math.max(...[...document.querySelectorAll('.line.now')]"
        ".map((e) => e.getBBox().x + e.getBBox().width))"
    )
    assert right <= opened.run("return document.querySelector('.profilePart svg').clientWidth")


def test_infinite_values_break_no_picture(opened):
    opened.click(".runs .name", "d")
    choose(opened, "activations/float16_headroom")
    until(lambda: "float16 headroom at" in opened.text(".profilePart"))
    until(lambda: opened.all("canvas.heat"))
    opened.click(".column[data-row='0']")

    opened.slide(1)

    until(lambda: "step 1 of" in opened.text("output.step"))
    assert opened.text(".message") == ""
    assert "d: ∞" in opened.text(".told")


def test_problem_of_a_run_with_a_reference_alone_is_shown_there(opened):
    opened.click(".runs .name", "looked")
    until(lambda: "reference variance at" in opened.text(".profilePart"))

    opened.click(".problem", "units are dead")

    until(lambda: opened.text("section[aria-label='Layer '] h2 .layer-name") == "dense_1")
    assert opened.text(".message") == ""


def test_filter_that_hides_the_focus_leaves_the_axis_to_what_is_shown(opened):
    opened.click(".runs .name", "b")

    opened.one("input[type=search]").send_keys("^c$")
    until(lambda: len(opened.all(".column")) == 10)
    opened.one("input[type=search]").send_keys("\ue003" * 3)

    until(lambda: len(opened.all(".column")) == 6)
    until(lambda: len(opened.all(".profilePart .now")) == 3)


def test_link_in_an_open_page_changes_the_view(opened):
    opened.run("window.parent.location.hash = 'initlab&p.initlab.focus=c&p.initlab.step=2'")

    until(lambda: "c" in opened.texts(".runs .focus"))
    until(lambda: "step 2 of" in opened.text("output.step"))


def test_last_look_is_followed_and_any_other_is_kept(opened):
    opened.click(".runs .name", "b")
    until(lambda: len(opened.all(".column")) == 6)
    opened.slide(2)
    assert opened.run("return window.parent.location.hash") is not None
    until(lambda: "p.initlab.step=2" in opened.run("return window.parent.location.hash"))

    opened.slide(4)

    until(lambda: "p.initlab.step" not in opened.run("return window.parent.location.hash"))
