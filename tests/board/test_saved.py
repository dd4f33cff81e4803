"""The page that needs no server: what it holds, and what it lets nobody do."""

import base64
import json
import re

import numpy as np
import pytest
from signal_logs import keras_logs, layers_of, values_at, write_run

from keras_initlab.__main__ import main
from keras_initlab._wire import SECTIONS, LayerInfo, Problem
from keras_initlab.board.edges import edges_in
from keras_initlab.board.saved import SavedRun, page_of, static_files
from keras_initlab.board.series import Series

pytestmark = pytest.mark.once

MARKUP = "</script><img src=x onerror=alert(1)>\u2028"


def run_of(name="run", count=3, looks=4, edges=None, **about):
    layers = tuple(LayerInfo(f"{name}_{k}", "Dense", "relu", k) for k in range(count))
    values = np.float32([values_at(step, count) for step in range(looks)])
    series = Series(layers, SECTIONS["activations"], np.arange(looks), values)
    return SavedRun(name, {"activations": series}, {"activations": edges}, **about)


def content_of(page):
    (text,) = re.findall(r'<script type="application/json" id="initlab-data">(.*)</script>', page)
    return json.loads(text)


def numbers_of(held, width):
    return np.frombuffer(base64.b64decode(held["values"]), "<f4").reshape(-1, width)


def test_page_holds_every_number():
    run = run_of(edges=[[0, 1], [1, 2]])

    content = content_of(page_of([run]))

    held = content["series"]["run"]["activations"]
    expected = run.sections["activations"].values
    np.testing.assert_array_equal(numbers_of(held, expected.shape[2]), expected.reshape(12, -1))
    assert held["steps"] == [0, 1, 2, 3]
    assert content["runs"][0]["sections"]["activations"]["edges"] == [[0, 1], [1, 2]]


def test_long_run_is_thinned_and_keeps_its_problems():
    problem = Problem("dead", "activations", ("run_1",), 123, 1.0, 0.5, "is dead")

    held = content_of(page_of([run_of(count=100, looks=3000, problems=(problem,))]))

    steps = held["series"]["run"]["activations"]["steps"]
    assert len(steps) < 1500
    assert {0, 123, 2999} <= set(steps)
    assert held["series"]["run"]["activations"]["looks"] == 3000


def test_names_with_markup_end_no_script():
    layers = (LayerInfo(MARKUP, MARKUP, MARKUP, 0),)
    values = np.ones((1, 1, len(SECTIONS["activations"])), np.float32)
    series = Series(layers, SECTIONS["activations"], np.zeros(1, np.int64), values)
    problem = Problem("dead", "activations", (MARKUP,), 0, 1.0, 0.5, MARKUP, reason=MARKUP)

    page = page_of([SavedRun(MARKUP, {"activations": series}, problems=(problem,))], MARKUP)

    assert "<img" not in page
    assert page.count("</script>") == page.count("<script")
    assert content_of(page)["runs"][0]["name"] == MARKUP


def test_numbers_that_are_not_finite_are_words():
    problem = Problem(
        "nonfinite", "loss", (), 1, float("nan"), 0.0, "not finite", evidence={"x": 1e999}
    )
    run = run_of(problems=(problem,), metric=("val_loss", float("inf")))

    content = content_of(page_of([run]))

    assert content["runs"][0]["metric"]["value"] == "inf"
    (told,) = content["problems"]["run"]["problems"]
    assert (told["value"], told["evidence"]) == ("nan", {"x": "inf"})


def test_page_may_load_nothing():
    page = page_of([run_of()])

    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert "default-src 'none'" in policy
    # What the page is made of names no other place; that of SVG is a name.
    addresses = re.findall(r"https?://[^\s'\"]+", "".join(static_files().values()))
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}


def test_every_import_of_a_module_is_in_the_page():
    page = page_of([])
    (text,) = re.findall(r'<script type="importmap">(.*)</script>', page)
    modules = json.loads(text)["imports"]

    for address in modules.values():
        source = base64.b64decode(address.split(",")[1]).decode()
        names = re.findall(r"from '([^']+)'", source)
        assert set(names) <= set(modules)


@pytest.mark.parametrize(
    "edges",
    [
        *([[1, 0]], [[0, 0]], [[0, 3]], [[-1, 0]], [[0, 1, 2]], [["0", 1]], [[0.0, 1]], [0]),
        *([[0, True]], {"0": 1}, "x", None, [[0, 1]] * 97),
    ],
)
def test_a_graph_that_cannot_be_right_is_none(edges):
    assert edges_in(json.dumps({"edges": edges}).encode(), 3) is None


def test_graph_of_a_record_is_read():
    assert edges_in(b'{"edges": [[1, 2], [0, 1], [0, 1]]}', 3) == [(0, 1), (1, 2)]
    assert edges_in(b"[" * 90_000, 3) is None


def test_command_writes_the_page_of_a_log(tmp_path, capsys):
    write_run(tmp_path / "logs" / "he", range(5), layers_of(4), histograms=True)
    keras_logs(tmp_path / "logs" / "theirs")

    code = main(["report", str(tmp_path / "logs"), "-o", str(tmp_path / "signal.html")])

    assert code == 0
    assert "signal.html" in capsys.readouterr().out
    content = content_of((tmp_path / "signal.html").read_text("utf-8"))
    names = [run["name"] for run in content["runs"]]
    assert names[0] == "he"
    expected = np.float32([values_at(step, 4) for step in range(5)])
    held = content["series"]["he"]["activations"]
    np.testing.assert_array_equal(numbers_of(held, expected.shape[2]), expected.reshape(20, -1))
    assert len(content["histograms"]["he"]) == 4
    assert "histograms" in content["series"]["theirs/train"]


def test_command_says_what_is_wrong_with_a_log(tmp_path, capsys):
    (tmp_path / "empty").mkdir()

    codes = [
        main(["report", str(tmp_path / name), "-o", str(tmp_path / "x.html")])
        for name in ("none", "empty")
    ]

    assert codes == [2, 2]
    told = capsys.readouterr().err
    assert "must be a directory" in told
    assert "that the callback watched" in told
    assert not (tmp_path / "x.html").exists()
