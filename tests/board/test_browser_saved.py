"""What a saved page opens on and shows, in a browser."""

import numpy as np
import pytest
from drawn import Model, columns, ends, towers
from served import CHROMIUM, DRIVER, until

from keras_initlab._wire import SECTIONS, Problem
from keras_initlab.board.saved import SavedRun
from keras_initlab.board.series import Series

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"
    ),
]


def test_page_opens_on_the_worst_run_its_layer_and_its_step(opened):
    model = towers()
    told = Problem(
        *("dead", "activations", ("item_1",), 10, 1.0, 0.5, "item_1: dead"),
        cause="shrinking-weights",
        symptoms=("item_1: all units are zero", "item_2: all units are zero"),
        reason="the weights of item_1 are small",
        fix="use HeNormal()",
        code="kernel_initializer=HeNormal()",
    )
    later = Problem("nonfinite", "loss", ("score",), 20, 1.0, 0.5, "the loss is not finite")
    mild = Problem("saturated", "activations", ("user_1",), 0, 1.0, 0.5, "user_1 is saturated")
    runs = (
        model.run(name, np.ones((3, 9)), problems=problems)
        for name, problems in (("mild", (mild,)), ("sick", (told, later)), ("well", ()))
    )

    tab = opened(*runs)

    assert "sick" in tab.text(".runs .focus")
    assert tab.text("section[aria-label='Layer '] h2 .layer-name") == "item_1"
    assert "step 10 of 20" in tab.text("output.step")
    assert "the weights of item_1 are small" in tab.text(".card")
    assert tab.text(".fix code") == "kernel_initializer=HeNormal()"
    assert "1 more symptom" in tab.text(".card summary")
    # The cards of the run in focus come first, what came first before the rest.
    heads = tab.texts(".card strong:first-of-type")
    assert [head for head in heads if head != "dead"] == ["nonfinite", "saturated"]


def test_where_all_is_well_the_last_run_is_shown_at_its_start(opened):
    model = towers()

    tab = opened(model.run("first", np.ones((3, 9))), model.run("last", np.ones((3, 9))))

    assert "last" in tab.text(".runs .focus")
    assert "step 0 of 20" in tab.text("output.step")


def test_map_of_heat_shows_zero_and_missing_apart(opened):
    variances = np.ones((2, 9))
    variances[1, 2], variances[1, 3], variances[1, 4] = 0, np.nan, 1000
    tab = opened(towers().run("two", variances))
    canvas = until(lambda: tab.all("canvas.heat"))[0]

    pixels = tab.run(
        "const c = arguments[0]; return [...c.getContext('2d')"
        ".getImageData(1, 0, 1, c.height).data]",
        canvas,
    )

    # Rows stand as along the axis; user_0 and item_0 are rows 2 and 5, user_1 is row 3.
    colours = [tuple(pixels[4 * at : 4 * at + 3]) for at in range(9)]
    assert colours[2] == (156, 39, 176)
    assert colours[5] == (128, 128, 128)
    assert colours[3] == (127, 59, 8)
    assert colours[4] == (247, 247, 247)


def test_another_statistic_shows_the_same_layer(opened):
    model = towers()
    run = model.run("two", np.ones((2, 9)))
    weights = Series(
        tuple(model.layers[2:8]), SECTIONS["weights"], np.arange(2), np.ones((2, 6, 15), "f4")
    )
    held = {**run.sections, "weights": weights}
    tab = opened(SavedRun("two", held, run.edges))
    tab.run(
        "document.querySelector(\".column[data-row='4']\")"
        ".dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )

    tab.run(
        "const box = document.querySelector('select'); box.value = 'weights/gradient_norm';"
        "box.dispatchEvent(new Event('change'))"
    )

    until(lambda: "gradient norm at" in tab.text(".profilePart"))
    assert tab.text("section[aria-label='Layer '] h2 .layer-name") == "user_1"
    # The graph of the weights is that of the layers.
    order = ["user_0", "user_1", "user_2", "item_0", "item_1", "item_2"]
    assert list(columns(tab)) == order
    assert len(ends(tab, ".line.now")) == 2


def test_names_are_text_in_a_saved_page_too(opened):
    bad = "</script><img src=x onerror=alert(1)>"
    model = Model()
    model.chain(bad, 3)
    problem = Problem(
        *("dead", "activations", (f"{bad}_1",), 0, 1.0, 0.5, bad),
        **{"symptoms": (bad, bad), "reason": bad, "fix": bad, "code": bad, "cause": bad},
    )

    tab = opened(model.run(bad, np.ones((2, 3)), problems=(problem,)), title=bad)

    assert not tab.run("return document.querySelector('img, main script')")
    assert bad in tab.text(".card .reason")
    assert any("onerror" in tip for tip in tab.tips())


@pytest.mark.parametrize("width", [600, 1280])
def test_many_layers_can_be_read(opened, width):
    model = Model()
    model.chain("dense", 200)

    tab = opened(model.run("deep", 0.9 ** np.arange(200)[None]), width=width)

    tab.picture(f"layers-200-width-{width}")
    boxes = tab.run(
        "return [...document.querySelectorAll('.profilePart svg text[transform]')]"
        ".map((e) => Number(e.getAttribute('x'))).sort((a, b) => a - b)"
    )
    assert len(boxes) > 10
    assert min(np.diff(boxes)) >= 15
    room = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1"
    assert tab.run(room)


def test_two_thousand_layers_are_drawn(opened):
    model = Model()
    model.chain("dense", 2000)

    tab = opened(model.run("deep", 0.99 ** np.arange(2000)[None]))

    (piece,) = ends(tab, ".line.now")
    assert len(piece) == 2000
