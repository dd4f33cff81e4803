"""How fast a large table is drawn, ours beside Keras on the same backend.

    python -m benchmarks.sampling
    KERAS_BACKEND=jax python -m benchmarks.sampling --rows 1000000

Each draw is measured in a fresh process, ours and Keras's in turn. It is a warm draw: the table is
drawn once, deleted and drawn again, and the second draw is timed. Peak memory is the process's
highest resident size minus the one after the imports, over the size of the table; with small
tables the memory of code that is loaded at the first draw dominates it. Linux only.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

COLUMNS = 64
CASES = {
    "normal": ("RandomNormal", {"stddev": 0.05}),
    "truncated normal": ("TruncatedNormal", {"stddev": 0.05}),
    "uniform": ("RandomUniform", {"minval": -0.05, "maxval": 0.05}),
}


def main() -> None:
    options = arguments_of()
    if options.draw:
        print(json.dumps(drawn(*options.draw, options.rows)))
        return
    print_table(options.rows, {case: pairs(case, options) for case in CASES})


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="default 10 million")
    parser.add_argument("--pairs", type=int, default=5, help="pairs per case (default 5)")
    parser.add_argument("--draw", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def pairs(case: str, options: argparse.Namespace) -> list[dict[str, dict[str, float]]]:
    """Measurements of both, in an order that turns with every pair."""
    orders = [("ours", "keras"), ("keras", "ours")]
    return [
        {whose: in_fresh_process(whose, case, options.rows) for whose in orders[number % 2]}
        for number in range(options.pairs)
    ]


def in_fresh_process(whose: str, case: str, rows: int) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.sampling", "--rows", str(rows)]
    answer = subprocess.run(
        [*words, "--draw", whose, case],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
    )
    if answer.returncode:
        sys.exit(f"{whose}, {case}, {rows} rows: the process failed.\n{answer.stderr}")
    return json.loads(answer.stdout.splitlines()[-1])


def drawn(whose: str, case: str, rows: int) -> dict[str, float]:
    import keras

    import keras_initlab

    name, arguments = CASES[case]
    source = keras_initlab if whose == "ours" else keras.initializers
    scheme = getattr(source, name)(seed=0, **arguments)
    keras.ops.zeros(())
    before = resident_bytes()
    finish(scheme((rows, COLUMNS)))
    start = time.perf_counter()
    finish(scheme((rows, COLUMNS)))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak": (peak - before) / (rows * COLUMNS * 4)}


def finish(tensor) -> None:
    """Wait for a backend that draws in the background; the tensor is dropped on return."""
    if hasattr(tensor, "block_until_ready"):
        tensor.block_until_ready()


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def print_table(rows: int, measured: dict[str, list[dict[str, dict[str, float]]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    count = len(next(iter(measured.values())))
    backend = os.environ.get("KERAS_BACKEND", "Keras's default backend")
    table = Table(title=f"{rows:,} x {COLUMNS} float32, {backend}, medians of {count} pairs")
    titles = ("draw", "ours, s", "Keras, s", "Keras / ours", "our peak", "its peak")
    for title in titles:
        table.add_column(title, justify="left" if title == "draw" else "right")
    for case, results in measured.items():
        table.add_row(
            case,
            f"{median(results, 'ours', 'seconds'):.3f}",
            f"{median(results, 'keras', 'seconds'):.3f}",
            f"{statistics.median(ratio(pair) for pair in results):.2f}",
            f"{median(results, 'ours', 'peak'):.2f}",
            f"{median(results, 'keras', 'peak'):.2f}",
        )
    Console().print(table)


def median(results: list[dict[str, dict[str, float]]], whose: str, what: str) -> float:
    return statistics.median(pair[whose][what] for pair in results)


def ratio(pair: dict[str, dict[str, float]]) -> float:
    return pair["keras"]["seconds"] / pair["ours"]["seconds"]


if __name__ == "__main__":
    main()
