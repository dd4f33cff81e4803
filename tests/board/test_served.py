"""TensorBoard as users start it, with both of its servers."""

import json

import numpy as np
import pytest
from served import ROUTE, fetched, tensorboard, until
from signal_logs import layers_of, values_at, write_run

from keras_initlab._wire import SECTIONS

pytestmark = pytest.mark.slow

# More looks than either server keeps of a plugin that asks for nothing.
STEPS = range(150)


@pytest.fixture(scope="module", params=["--load_fast=true", "--load_fast=false"])
def address(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    write_run(folder / "he", STEPS, layers_of(3), broken=7, histograms=True)
    with tensorboard(folder, request.param, "--path_prefix", "/board") as address:
        address = f"{address}/board"
        until(lambda: b"he" in fetched(f"{address}/{ROUTE}/runs")[1])
        until(lambda: _last_step(address) == STEPS[-1])
        yield address


def _last_step(address):
    (run,) = json.loads(fetched(f"{address}/{ROUTE}/runs")[1])["runs"]
    return run["sections"]["activations"]["last_step"]


def test_tab_is_listed(address):
    status, content, _ = fetched(f"{address}/data/plugins_listing")

    about = json.loads(content)["initlab"]
    assert status == 200
    assert about["tab_name"] == "Signal"
    assert about["enabled"]
    assert about["loading_mechanism"]["module_path"].endswith("/index.js")


@pytest.mark.parametrize(
    "route",
    [
        "runs",
        "problems?run=he",
        "layer?run=he&section=activations&layer=1",
        "histogram?run=he&tag=activation_histogram/dense_1",
        "index.js",
        "signal.css",
        "profile.js",
    ],
)
def test_every_route_answers(address, route):
    status, content, _ = fetched(f"{address}/{ROUTE}/{route}")

    assert status == 200
    assert content


def test_every_look_is_served(address):
    query = "run=he&section=activations&statistic=variance&points=1000"
    _, content, kind = fetched(f"{address}/{ROUTE}/series?{query}")

    size = int.from_bytes(content[:4], "little")
    about = json.loads(content[4 : 4 + size])["arrays"]["last"]
    values = np.frombuffer(content, about["dtype"], len(STEPS) * 3, 4 + size + about["offset"])
    column = SECTIONS["activations"].index("variance")
    expected = [values_at(step, 3)[:, column] for step in STEPS]
    assert kind == "application/octet-stream"
    np.testing.assert_array_equal(values.reshape(-1, 3), np.float32(expected))


@pytest.mark.parametrize(
    "route",
    ["series?run=no", "../../../etc/passwd", "static/../routes.py", "routes.py", "%2e%2e/x"],
)
def test_what_is_not_there_is_refused(address, route):
    status, content, _ = fetched(f"{address}/{ROUTE}/{route}")

    assert status in (400, 404)
    assert b"Traceback" not in content
