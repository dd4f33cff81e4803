"""TensorBoard as users start it, and a browser that looks at it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROUTE = "data/plugin/initlab"

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

# Folder that keeps the pictures of a run, where one is named.
PICTURES = os.environ.get("SIGNAL_PICTURES")


@contextlib.contextmanager
def tensorboard(logdir, *options):
    """Address of a TensorBoard on a free port, ended with the context."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--reload_interval", "1", *options]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: fetched(f"{address}/data/runs")[0], seconds=240, process=process)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=30)


def fetched(address):
    """Status, content and content type."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.read(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers["Content-Type"]
    except OSError:
        return 0, b"", ""


def until(condition, seconds=60, process=None):
    """Wait for a condition, and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise AssertionError(f"TensorBoard has ended: {process.communicate()[0]}")
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"Not within {seconds} s: {condition}")


@contextlib.contextmanager
def browser(folder):
    """A Chromium without a screen that saves downloads below `folder`."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--window-size=1280,1400", f"--user-data-dir={folder / 'profile'}"),
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option(
        "prefs",
        {
            "download.default_directory": str(folder / "downloads"),
            "profile.default_content_setting_values.automatic_downloads": 1,
        },
    )
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


class SignalTab:
    """The tab in a browser."""

    def __init__(self, driver, address):
        self.driver = driver
        self.address = address

    def open(self, address=None):
        """Load the page and wait for its picture."""
        self.driver.get("about:blank")
        self.driver.get(address or f"{self.address}/#initlab")
        self.enter()
        until(lambda: self.all(".profilePart .now"))
        return self

    def enter(self):
        """Step into the tab's frame."""

        def frame():
            self.driver.switch_to.default_content()
            frames = self.driver.find_elements("css selector", "iframe[src*='name=initlab']")
            if not frames:
                return False
            self.driver.switch_to.frame(frames[0])
            return True

        until(frame)
        until(lambda: self.all("main"))

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        return until(lambda: self.all(selector))[0]

    def texts(self, selector):
        """Texts of all that match, without the marks that hold a name's direction."""
        texts = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)",
            selector,
        )
        return [text.replace("\u2068", "").replace("\u2069", "") for text in texts]

    def text(self, selector):
        """Text of the first that matches."""
        return (self.texts(selector) or [""])[0]

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def slide(self, place):
        """Move the slider to a look."""
        self.run(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            self.one(".slider"),
            place,
        )

    def click(self, selector, containing=""):
        """Click the first that matches and says so."""

        def clicked():
            return self.run(
                "const found = [...document.querySelectorAll(arguments[0])]"
                ".find((e) => e.textContent.includes(arguments[1]));"
                "found?.dispatchEvent(new MouseEvent('click', {bubbles: true}));"
                "return Boolean(found)",
                selector,
                containing,
            )

        until(clicked)

    def tips(self):
        """What the crosshair's table says, column by column: a head, and a line for each run."""
        texts = self.run(
            "return [...document.querySelectorAll('.column')].map((column) => {"
            "column.dispatchEvent(new PointerEvent('pointerover', {bubbles: true}));"
            "const table = document.querySelector('.readout');"
            "const rows = [...table.querySelectorAll('tbody tr')].map((row) => {"
            "const [run, now, first] = [...row.children].map((cell) => cell.textContent);"
            "return `${run}: ${now}, first ${first}`});"
            "const head = table.querySelector('strong').textContent;"
            "const about = table.querySelector('.note').textContent;"
            "return [`${head} (${about})`, ...rows].join('\\n')})"
        )
        return [text.replace("\u2068", "").replace("\u2069", "") for text in texts]

    def picture(self, name):
        """Keep a picture of the whole page, where a folder is named."""
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(PICTURES) / f"{name}.png"))

    def faults(self):
        """What the browser complains about that comes from our files."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and ROUTE in entry["message"]
        ]
