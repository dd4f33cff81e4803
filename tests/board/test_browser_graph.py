"""The profile along the graph, in a browser, on pages that need no server."""

import itertools

import numpy as np
import pytest
from drawn import Model, columns, ends, towers, transformer
from served import CHROMIUM, DRIVER, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"
    ),
]


def test_a_branch_stands_in_one_piece_though_its_calls_alternate(opened):
    tab = opened(towers().run("two", np.ones((2, 9))))

    assert list(columns(tab)) == [
        *("users", "items", "user_0", "user_1", "user_2"),
        *("item_0", "item_1", "item_2", "score"),
    ]


def test_lines_run_along_the_graph_at_the_height_of_the_numbers(opened):
    model = towers()
    variances = 10.0 ** -np.arange(9)

    tab = opened(model.run("two", variances[None]))

    place = columns(tab)

    def name_at(point):
        return min(place, key=lambda name: abs(place[name] - point[0]))

    drawn = {
        (name_at(begin), name_at(end))
        for kind in (".line.now", ".line.around")
        for piece in ends(tab, kind)
        for begin, end in itertools.pairwise(piece)
    }
    names = [layer.name for layer in model.layers]
    expected = {(names[begin], names[end]) for begin, end in model.edges if begin > 1}
    assert drawn == expected
    # Equal powers of ten are equal heights.
    heights = {name_at(point): point[1] for piece in ends(tab, ".line.now") for point in piece}
    power = {layer.name: -depth for depth, layer in enumerate(model.layers)}
    slopes = [
        (heights[name] - heights["user_0"]) / (power["user_0"] - power[name])
        for name in heights
        if name != "user_0"
    ]
    assert slopes == pytest.approx([slopes[0]] * len(slopes), abs=0.1)
    assert slopes[0] > 0


def test_log_without_a_graph_is_one_path_in_call_order(opened):
    tab = opened(towers().run("old", np.ones((2, 9)), known=False))

    assert list(columns(tab))[:4] == ["users", "items", "user_0", "item_0"]
    (piece,) = ends(tab, ".line.now")
    assert len(piece) == 7


def test_blocks_that_are_alike_fold_and_show_their_span(opened):
    model = transformer(20)
    variances = np.ones(len(model.layers))
    variances[1:81] = np.tile([1.0, 100.0, 0.01, 2.0], 20)

    tab = opened(model.run("gpt", variances[None]))

    assert list(columns(tab)) == ["tokens", *(f"block_{k}" for k in range(20)), "head"]
    tip = next(tip for tip in tab.tips() if tip.startswith("block_3 "))
    assert "block 4 of 20 alike" in tip
    assert "gpt: 0.01 · 2 · 100" in tip
    assert len(tab.all(".span")) == 20


def test_a_block_unfolds_by_a_click_into_the_map_and_by_the_keyboard(opened):
    tab = opened(transformer(20).run("gpt", np.ones((1, 82))))
    until(lambda: len(columns(tab)) == 22)

    tab.run(
        "const c = document.querySelectorAll('.column')[4], b = c.getBoundingClientRect();"
        "c.dispatchEvent(new MouseEvent('click', {bubbles: true, clientX: b.x + 2,"
        " clientY: b.bottom - 3}))"
    )

    until(lambda: len(columns(tab)) == 25)
    assert "block_3_up" in columns(tab)
    tab.one(".profilePart").send_keys("\ue007")
    until(lambda: len(columns(tab)) == 22)


def test_dragging_zooms_and_a_double_click_shows_all(opened):
    model = Model()
    model.chain("dense", 30)
    tab = opened(model.run("deep", np.ones((1, 30))))

    tab.run(
        "const s = document.querySelector('.profilePart svg'), b = s.getBoundingClientRect();"
        "const [from, to] = [5, 14].map((k) => {const c = document.querySelectorAll('.column')[k]"
        ".getBoundingClientRect(); return c.x + c.width / 2;});"
        "for (const [kind, x] of [['pointerdown', from], ['pointermove', to], ['pointerup', to]])"
        " s.dispatchEvent(new PointerEvent(kind, {bubbles: true, clientX: x, clientY: b.y + 80}))"
    )

    until(lambda: list(columns(tab)) == [f"dense_{k}" for k in range(5, 15)])
    tab.run(
        "document.querySelector('.profilePart svg')"
        ".dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))"
    )
    until(lambda: len(columns(tab)) == 30)


def test_keys_zoom_and_move_among_what_is_in_sight(opened):
    model = Model()
    model.chain("dense", 40)
    tab = opened(model.run("deep", np.ones((1, 40))))
    profile = tab.one(".profilePart")
    tab.run(
        "document.querySelector(\".column[data-row='20']\")"
        ".dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )

    profile.send_keys("+")

    until(lambda: list(columns(tab)) == [f"dense_{k}" for k in range(10, 31)])
    profile.send_keys("\ue015")
    until(lambda: "dense_21" in tab.text(".told"))
    assert "dense_21" in tab.text(".readout strong")
    profile.send_keys("\ue00c")
    until(lambda: len(columns(tab)) == 40)
