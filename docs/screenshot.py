"""The picture of the Signal tab: `python docs/screenshot.py LOGS`, with Chromium and its driver.

LOGS is a folder of runs, say what `python examples/wide_and_deep.py --out LOGS` writes.
"""

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from served import CHROMIUM, DRIVER, SignalTab, browser, tensorboard

PICTURE = ROOT / "docs" / "images" / "signal_tab.png"


def main(logs):
    """Open the tab and keep what it shows."""
    if not (CHROMIUM and DRIVER):
        raise SystemExit("The programs chromium and chromedriver are needed.")
    with (
        tempfile.TemporaryDirectory() as folder,
        tensorboard(logs) as address,
        browser(Path(folder)) as driver,
    ):
        driver.set_window_size(1280, 1160)
        SignalTab(driver, address).open()
        # The maps are painted after the numbers.
        time.sleep(3)
        driver.save_screenshot(str(PICTURE))


if __name__ == "__main__":
    main(*sys.argv[1:])
