"""What the tab's routes take for folders of logs, asked in a process of its own: a script."""

import json
import re
import resource
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from werkzeug.test import Client

from keras_initlab._wire import SECTIONS
from keras_initlab.board.routes import SignalPlugin

# An answer that wants more than this fails, so that a test that fails ends.
MOST_MEMORY = 4_000_000_000

MANY = 999_999_999


def held_bytes(name):
    """Memory that this process holds now (`VmRSS`), or has held at most (`VmHWM`)."""
    (held,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(held) * 1024


def requests_of(run):
    """What a page may ask of a run, and what it may not."""
    name = run["name"]
    yield "/problems", {"run": name}
    for section in (*SECTIONS, "histograms", "none"):
        known = run["sections"].get(section, {}).get("statistics", [])
        for statistic in {*known[:2], "variance", "histogram_mean"}:
            query = {"run": name, "section": section, "statistic": statistic}
            yield "/series", query
            yield "/series", {**query, "points": MANY}
        for layer in (0, 10**6):
            query = {"run": name, "section": section, "layer": layer}
            yield "/layer", query
            yield "/layer", {**query, "points": MANY}
    for tag in (*run["histograms"][:3], "none"):
        for points in (0, 100, MANY):
            yield "/histogram", {"run": name, "tag": tag, "points": points}


def asked(folder):
    """Ask for everything twice.

    Returns:
        `held`, bytes more than before, at most; `slowest`, the slowest answer in seconds and its
        request; `codes` of all answers.
    """
    multiplexer = EventMultiplexer(tensor_size_guidance={"initlab": 0, "histograms": 0})
    multiplexer.AddRunsFromDirectory(folder)
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, folder)
    apps = SignalPlugin(SimpleNamespace(data_provider=provider)).get_plugin_apps()
    clients = {route: Client(apps[route]) for route in apps}
    clients["/problems"].get("/problems", query_string={"run": "none"})
    Path("/proc/self/clear_refs").write_text("5")  # The most that was held until now.
    before, slowest, codes = held_bytes("VmRSS"), (0.0, ""), set()
    for _ in range(2):
        requests = [("/runs", {})]
        for route, query in requests:
            start = time.perf_counter()
            try:
                answer = clients[route].get(route, query_string=query)
                codes.add(answer.status_code)
            except Exception as error:
                codes.add(f"{route} {type(error).__name__}: {error!s:.60}")
            slowest = max(slowest, (time.perf_counter() - start, f"{route} {query}"))
            if route == "/runs" and answer.status_code == 200:
                for run in json.loads(answer.text)["runs"][:20]:
                    requests += requests_of(run)
    held = held_bytes("VmHWM") - before
    return {"held": held, "slowest": slowest, "codes": sorted(codes, key=str)}


if __name__ == "__main__":
    # TensorBoard looks for this module, and does without TensorFlow where it is.
    sys.modules["tensorboard.compat.notf"] = ModuleType("notf")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    print(json.dumps({folder.name: asked(str(folder)) for folder in Path(sys.argv[1]).iterdir()}))
