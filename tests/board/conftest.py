"""A browser, and saved pages opened in it."""

import pytest
from served import SignalTab, browser, until

from keras_initlab.board.saved import page_of


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def opened(driver, tmp_path):
    def opened(*runs, width=1280, title="Signal"):
        path = tmp_path / "signal.html"
        path.write_text(page_of(runs, title), "utf-8")
        driver.set_window_size(width, 1400)
        driver.get("about:blank")
        driver.get(path.as_uri())
        tab = SignalTab(driver, "")
        until(lambda: tab.all(".profilePart .now"))
        return tab

    yield opened
    logged = driver.get_log("browser")
    assert not [entry for entry in logged if entry["level"] == "SEVERE"], logged
