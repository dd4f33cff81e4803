"""Every benchmark: one table, one file, one row of history, two charts.

    python -m benchmarks                       all, on TensorFlow; hours of a quiet machine
    python -m benchmarks sampling startup      these alone
    python -m benchmarks --backends tensorflow jax torch
    python -m benchmarks --smoke               minutes: only shows that each of them works

Each benchmark runs in a process of its own and can be run alone, as `python -m benchmarks.NAME`.
A run that is no smoke run adds a row to benchmarks/history.jsonl; `--charts` draws the charts of
docs/performance.md from the JSON file of a run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.history import entry_of
from benchmarks.record import Row, show

# Which of them differ from backend to backend.
EVERYWHERE = ("sampling", "orthogonal", "building", "monitor", "whole_models")
ONCE = ("startup", "board", "verdicts")
HISTORY = Path(__file__).parent / "history.jsonl"


def main() -> None:
    options = arguments_of()
    if options.charts:
        from benchmarks.charts import draw

        draw([Row(**entry) for entry in json.loads(options.charts.read_text())["rows"]])
        return
    jobs = [
        (name, backend)
        for name in options.names or (*EVERYWHERE, *ONCE)
        for backend in (options.backends if name in EVERYWHERE else options.backends[:1])
    ]
    start, rows, failed = time.time(), [], []
    for name, backend in jobs:
        found = rows_of(name, backend, options.smoke)
        rows += found or []
        failed += [] if found else [f"{name} on {backend}"]
    show("All benchmarks", rows)
    entry = entry_of(rows, time.time() - start)
    if options.json:
        document = {**entry, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if not options.smoke:
        with HISTORY.open("a") as file:
            file.write(json.dumps(entry) + "\n")
    if failed:
        sys.exit(f"No numbers from: {', '.join(failed)}.")


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # The empty list is what argparse checks where no name is given.
    parser.add_argument("names", nargs="*", choices=[*EVERYWHERE, *ONCE, []], metavar="NAME")
    parser.add_argument("--backends", nargs="+", default=["tensorflow"], metavar="BACKEND")
    parser.add_argument("--smoke", action="store_true", help="a run that only shows it works")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all rows there")
    parser.add_argument("--charts", type=Path, metavar="PATH", help="draw them from such a file")
    return parser.parse_args()


def rows_of(name: str, backend: str, smoke: bool) -> list[Row] | None:
    """What a benchmark tells, run in a process of its own; `None` if it fails."""
    Console(stderr=True).print(f"benchmarks.{name}, {backend}")
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "rows.json"
        words = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}"]
        words += ["--record", str(record), *(["--smoke"] if smoke else [])]
        ran = subprocess.run(
            words,
            cwd=Path(__file__).parents[1],
            env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            print(ran.stderr, file=sys.stderr)
            return None
        return [Row(**entry) for entry in json.loads(record.read_text())]


if __name__ == "__main__":
    main()
