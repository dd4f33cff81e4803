"""The picture of the Signal tab: `python docs/screenshot.py LOGS`, with Chromium and its driver.

LOGS is a folder of runs, say what `python examples/wide_and_deep.py --out LOGS` writes.
"""

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from served import CHROMIUM, DRIVER, SignalTab, browser, until

from keras_initlab.__main__ import main as command

PICTURE = ROOT / "docs" / "images" / "signal_tab.png"


def main(logs):
    """Open the saved page of the runs and keep what it shows."""
    if not (CHROMIUM and DRIVER):
        raise SystemExit("The programs chromium and chromedriver are needed.")
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as driver:
        page = Path(folder, "signal.html")
        command(["report", logs, "-o", str(page)])
        driver.set_window_size(1280, 1240)
        driver.get(page.as_uri())
        tab = SignalTab(driver, "")
        until(lambda: tab.all("canvas.heat"))
        # The curves of the layer are drawn after the map.
        time.sleep(1)
        driver.save_screenshot(str(PICTURE))


if __name__ == "__main__":
    main(*sys.argv[1:])
