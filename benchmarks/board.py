"""How fast the Signal tab is, in a browser, on the logs of long trainings.

    pip install selenium          # and Debian's chromium and chromium-driver
    python -m benchmarks.board
    python -m benchmarks.board --smoke

Logs: RUNS runs of LOOKS looks at LAYERS layers, written by the callback's own sink. Measured:

- start: seconds until TensorBoard answers, with the tab and without (an entry point of that name is
  hidden from it), in pairs; the median of the ratios.
- open: seconds from the tab's click to its first picture, once all runs are read, and to the last.
- step: milliseconds from a slider's move to the painted frame, median and 95th percentile.
- payload: bytes that the first pictures need, as the server sends them.

Peer of the payload: the same numbers as TensorBoard's Scalars dashboard sends them, one JSON series
of 1,000 points a layer and run, `[wall_time, step, value]` each.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from served import ROUTE, SignalTab, browser, fetched, tensorboard, until

from benchmarks.intervals import median_ratio
from benchmarks.record import Row, parser_for, told
from keras_initlab._wire import SECTIONS, LayerInfo
from keras_initlab.monitor import Look, TensorBoardSink
from keras_initlab.signal.looks import Section

SCALAR_POINTS, SCALAR_BYTES = 1000, len("[1795689813.545954, 1000, 0.9821364283561707], ")

# TensorBoard without the tab: the entry points of other packages alone.
WITHOUT = """
import sys
from tensorboard import default, main
found = default.get_dynamic_plugins
hidden = lambda: [plugin for plugin in found() if "keras_initlab" not in plugin.__module__]
default.get_dynamic_plugins = hidden
sys.argv = ["tensorboard", *sys.argv[1:]]
main.run_main()
"""
WITH = WITHOUT.replace('if "keras_initlab" not in plugin.__module__', "")


def write(folder, runs, looks, layers):
    """Runs whose variance drifts with depth and step."""
    rows = tuple(LayerInfo(f"block_{k}", "Dense", "relu", k, "HeNormal") for k in range(layers))
    column = SECTIONS["activations"].index("variance")
    theory = Section(rows, np.column_stack([np.zeros(layers), np.ones(layers)]))
    for run in range(runs):
        rng = np.random.default_rng(run)
        sink = TensorBoardSink(folder / f"run_{run}", scalars=None)
        values = rng.random((layers, len(SECTIONS["activations"])))
        for step in range(looks):
            values = values * np.exp(rng.normal(0, 0.01, values.shape))
            values[:, column] *= 1 + 1e-6 * (run - 2) * np.arange(layers)
            sections = {"activations": Section(rows, values)}
            if step == 0:
                sections["theory"] = theory
            sink.append(Look(step, 1e9 + step, sections))
            if step % 50 == 0:
                sink.flush()
        sink.flush(timeout_s=600)


def start_seconds(program, folder):
    """Seconds until a TensorBoard answers."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--logdir", str(folder), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}/data/plugins_listing"
        until(lambda: fetched(address)[0] == 200, process=process)
        return time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait()


def measure_start(folder, pairs):
    seconds = {"with": [], "without": []}
    for _ in range(pairs):
        for name, program in (("with", WITH), ("without", WITHOUT)):
            seconds[name].append(start_seconds(program, folder))
    return seconds


def measure_page(folder, arguments, work):
    """Open the tab, move its slider, count its bytes."""
    last = arguments.looks - 1
    with tensorboard(folder) as address, browser(work) as driver:
        until(lambda: read_to(address, last, arguments.runs), seconds=600)
        driver.get(f"{address}/#timeseries")
        time.sleep(3)
        tab = SignalTab(driver, address)
        begin = time.perf_counter()
        driver.execute_script("window.location.hash = 'initlab'")
        tab.enter()
        until(lambda: tab.all(".profilePart .now"))
        first = time.perf_counter() - begin
        until(lambda: len(tab.all(".profilePart .now")) == arguments.runs)
        every = time.perf_counter() - begin
        time.sleep(2)
        payload = tab.run(
            "return performance.getEntriesByType('resource').filter((e) =>"
            " /(runs|series|problems)/.test(e.name)).reduce((sum, e) => sum + e.decodedBodySize, 0)"
        )
        steps = sorted(tab.driver.execute_async_script(STEPS, arguments.steps))
    return {
        "first_picture_s": first,
        "every_picture_s": every,
        "payload_bytes": payload,
        "step_ms": statistics.median(steps),
        "step_95_ms": steps[int(0.95 * len(steps))],
    }


# Moves the slider and waits until the browser has painted.
STEPS = """
const [count, done] = arguments;
const slider = document.querySelector('.slider');
const times = [];
const painted = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
(async () => {
  for (let k = 0; k < count; k++) {
    slider.value = Math.floor((k / count) * slider.max);
    const begin = performance.now();
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await painted();
    times.push(performance.now() - begin);
  }
  done(times);
})();
"""


def read_to(address, step, runs):
    status, content, _ = fetched(f"{address}/{ROUTE}/runs")
    if status != 200:
        return False
    found = json.loads(content)["runs"]
    steps = [run["sections"].get("activations", {}).get("last_step") for run in found]
    return len(steps) == runs and all(last == step for last in steps)


def main():
    parser = parser_for(__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--looks", type=int, default=10_000)
    parser.add_argument("--layers", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=15, help="pairs of starts")
    parser.add_argument("--steps", type=int, default=60, help="moves of the slider")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.runs, arguments.looks, arguments.layers, arguments.pairs = 2, 100, 20, 1
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write(folder / "logs", arguments.runs, arguments.looks, arguments.layers)
        size = sum(path.stat().st_size for path in (folder / "logs").rglob("*.initlab"))
        print(
            f"logs: {arguments.runs} runs, {arguments.looks} looks, {arguments.layers} layers: "
            f"{size / 1e6:.0f} MB"
        )
        page = measure_page(folder / "logs", arguments, folder)
        empty = folder / "empty"
        empty.mkdir()
        start = measure_start(empty, arguments.pairs)
    told("The Signal tab", rows_of(page, start, arguments), arguments)


def rows_of(page, start, arguments):
    scalars = arguments.runs * arguments.layers * SCALAR_POINTS * SCALAR_BYTES
    pairs = zip(start["with"], start["without"], strict=True)
    ratio = median_ratio([ours / theirs for ours, theirs in pairs])
    ours, theirs = (statistics.median(start[name]) for name in ("with", "without"))
    return [
        Row("TensorBoard starts", "s", ours, theirs, "without", ratio, "<= 1.05"),
        Row("first picture", "s", page["first_picture_s"], None, "", None),
        Row("every picture", "s", page["every_picture_s"], None, "", None),
        Row("slider step", "ms", page["step_ms"], None, "", None),
        Row("slider step, 95 %", "ms", page["step_95_ms"], None, "", None),
        Row(
            "sent by the server",
            "bytes",
            page["payload_bytes"],
            scalars,
            "as scalars",
            page["payload_bytes"] / scalars,
        ),
    ]


if __name__ == "__main__":
    main()
