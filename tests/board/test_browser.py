"""The tab in a real browser, on logs that the real callback has written."""

import csv
import struct
import xml.etree.ElementTree as ET

import keras
import numpy as np
import pytest
from drawn import shown_variances, variances_of
from served import CHROMIUM, DRIVER, SignalTab, browser, tensorboard, until
from signal_logs import keras_logs, layers_of, trained, write_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"
    ),
]

HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "\u202egnihtemos"]
HOSTILE += ["x" * 10_000, "=cmd()", "plain"]


@pytest.fixture(scope="module")
def loggers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    found = {
        "he": trained(folder / "he", "he_normal"),
        "small": trained(folder / "small", keras.initializers.RandomNormal(stddev=0.001)),
    }
    keras_logs(folder / "theirs")
    write_run(folder / "strange" / "<b>run</b>", range(4), layers_of(len(HOSTILE), HOSTILE))
    return folder, found


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def tab(loggers, downloads):
    with tensorboard(loggers[0]) as address, browser(downloads) as driver:
        yield SignalTab(driver, address)


@pytest.fixture
def opened(tab):
    tab.driver.set_window_size(1280, 1400)
    tab.open()
    yield tab
    assert not tab.faults()


def focus(tab, run):
    tab.click(".runs .name", run)
    until(lambda: run in tab.text(".runs .focus"))
    until(lambda: any("deep_0" in tip for tip in tab.tips()))


def chosen_layer(tab):
    return tab.text("section[aria-label='Layer '] h2 .layer-name")


@pytest.mark.parametrize("step", [11, 0, 5])
def test_profile_shows_the_numbers_of_the_callback(opened, loggers, step):
    focus(opened, "small")

    opened.slide(step)

    until(lambda: f"step {step} of 11" in opened.text("output.step"))
    for run in ("small", "he"):
        expected = variances_of(loggers[1][run], step)
        shown = shown_variances(opened, run)
        assert shown.keys() == expected.keys()
        # Three digits are shown.
        for layer, value in expected.items():
            assert shown[layer] == pytest.approx(value, rel=6e-3)


def test_problems_are_those_of_the_callback_and_lead_to_their_layer(opened, loggers):
    problem = next(look.problems[0] for look in loggers[1]["small"].looks if look.problems)
    focus(opened, "small")

    opened.picture("problems")
    opened.click(".problem", problem.symptoms[0][:40])

    until(lambda: chosen_layer(opened) == problem.layers[0])
    assert f"step {problem.step} " in opened.text("output.step")


def test_problem_of_a_gradient_leads_to_the_gradients(opened, loggers):
    looks = loggers[1]["small"].looks
    problem = next(told for look in looks for told in look.problems if told.what == "gradients")

    opened.click(".problem, .symptom", problem.symptoms[0][:40])

    until(lambda: "gradient variance at" in opened.text(".profilePart"))
    until(lambda: chosen_layer(opened) == problem.layers[0])


def test_logs_of_kerass_own_callback_show_their_weights(opened):
    opened.click(".runs .name", "theirs")

    until(lambda: "histogram variance at" in opened.text(".profilePart"))
    until(lambda: any("only" in tip and "kernel" in tip for tip in opened.tips()))
    until(lambda: opened.all("canvas.ridge"))
    assert "not watched" in opened.text(".runs tr:has(.focus)")


def test_layer_is_chosen_and_all_its_statistics_shown(opened):
    focus(opened, "he")

    opened.click(".column[data-row='3']")

    until(lambda: chosen_layer(opened) == "deep_3")
    until(lambda: opened.all("[data-statistic='zero_fraction'] path"))
    until(lambda: opened.all("canvas.ridge"))
    opened.picture("layer")


def test_arrow_keys_move_step_and_layer(opened):
    focus(opened, "he")
    opened.click(".column[data-row='0']")
    opened.slide(5)
    canvas = opened.one("canvas.heat")

    canvas.send_keys("\ue014")
    until(lambda: "step 6 of" in opened.text("output.step"))
    opened.one("canvas.heat").send_keys("\ue015")

    until(lambda: chosen_layer(opened) == "deep_1")


def test_click_into_the_heat_map_sets_step_and_layer(opened):
    focus(opened, "he")

    opened.run(
        "const c = arguments[0], b = c.getBoundingClientRect();"
        "c.dispatchEvent(new MouseEvent('click', {bubbles: true,"
        " clientX: b.left + 2.5 / 12 * b.width, clientY: b.top + 4.5 / 7 * b.height}))",
        opened.one("canvas.heat"),
    )

    until(lambda: "step 2 of" in opened.text("output.step"))
    until(lambda: chosen_layer(opened) == "deep_4")


def test_play_walks_to_the_last_look(opened):
    opened.slide(9)

    opened.click("button", "Play")

    until(lambda: "step 11 of 11" in opened.text("output.step"))
    until(lambda: opened.text(".play") == "▶ Play")


def test_link_restores_the_view(opened):
    focus(opened, "small")
    opened.slide(4)
    opened.click(".column[data-row='2']")
    opened.run(
        "const box = document.querySelector('select'); box.value = 'weights/gradient_variance';"
        "box.dispatchEvent(new Event('change'))"
    )
    until(lambda: "gradient variance at step 4" in opened.text(".profilePart"))
    address = "return window.parent.location.href"
    link = until(lambda: (href := opened.run(address)) and "gradient_variance" in href and href)

    opened.open(link)

    assert "step 4 of" in opened.text("output.step")
    assert (
        opened.run("return document.querySelector('select').value") == "weights/gradient_variance"
    )
    until(lambda: "small" in opened.text(".runs .focus"))
    until(lambda: chosen_layer(opened) == "deep_2")


def test_shown_data_and_pictures_are_exported(opened, loggers, downloads):
    focus(opened, "he")
    opened.slide(3)
    folder = downloads / "downloads"
    for kind in ("SVG", "PNG", "CSV"):
        opened.click("button", kind)
    files = {
        kind: until(lambda kind=kind: sorted(folder.glob(f"signal-variance-step-3*.{kind}")))[-1]
        for kind in ("svg", "png", "csv")
    }

    picture = ET.fromstring(files["svg"].read_text())
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert files["png"].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", files["png"].read_bytes()[16:24])
    assert (width, height) == (2 * int(picture.get("width")), 2 * int(picture.get("height")))
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    for run in ("he", "small"):
        expected = variances_of(loggers[1][run], 3)
        shown = {row["layer"]: float(row["value"]) for row in rows if row["run"] == run}
        assert shown == {layer: float(np.float32(value)) for layer, value in expected.items()}


def test_theme_follows_tensorboard(opened):
    light = opened.run("return getComputedStyle(document.body).backgroundColor")

    opened.run("window.parent.document.body.classList.add('dark-mode')")
    until(lambda: opened.run("return document.documentElement.classList.contains('dark')"))
    opened.picture("dark")

    dark = opened.run("return getComputedStyle(document.body).backgroundColor")
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(33, 33, 33)")
    opened.run("window.parent.document.body.classList.remove('dark-mode')")


@pytest.mark.parametrize("width", [600, 900, 1280])
def test_page_fits_its_width(opened, width):
    opened.driver.set_window_size(width, 1200)

    def fits():
        return opened.run(
            "const page = document.documentElement, room = page.clientWidth + 1;"
            "const picture = document.querySelector('.profilePart svg').getBoundingClientRect();"
            "return page.scrollWidth <= room && picture.right <= room"
        )

    until(fits, 10)
    opened.picture(f"width-{width}")


def test_filter_takes_runs_away(opened):
    until(lambda: len(opened.all(".profilePart .now")) == 3)

    opened.one("input[type=search]").send_keys("^he$")

    until(lambda: len(opened.all(".profilePart .now")) == 1)
    opened.one("input[type=search]").send_keys("(")
    until(lambda: not opened.all(".runs tbody tr"))


def test_names_are_text_and_nothing_else(opened):
    opened.click(".runs .name", "<b>")

    until(lambda: any("<script>alert(1)" in tip for tip in opened.tips()))

    assert not opened.run("return document.querySelector('img, main script, b')")
    assert any('"><img src=x' in tip for tip in opened.tips())


def test_everything_that_acts_has_a_name_and_can_be_reached(opened):
    nameless = opened.run(
        "return [...document.querySelectorAll('button, input, select, canvas, svg[role=img]')]"
        ".filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') ||"
        " e.closest('label')?.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert nameless == []


def test_tab_reloads_while_training_goes_on(opened, loggers):
    write_run(loggers[0] / "later", range(3), layers_of(4))

    def listed():
        opened.driver.switch_to.default_content()
        buttons = opened.driver.find_elements("css selector", "app-header-reload button")
        if buttons:
            buttons[0].click()
        opened.enter()
        return "later" in opened.texts(".runs .name")

    until(listed)
